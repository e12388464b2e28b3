// What the files source never records, and what it records without showing its content, whatever the configuration says.
// A glob without a `/` at its start counts in every folder.

/** Files that editors and package tools write beside the real one, for moments. Few, since what is ignored is not seen. */
export const IGNORED: readonly string[] = [
  // vim, and the file it tries a folder with
  ".*.sw[a-p]",
  "4913",
  // emacs
  "#*#",
  ".#*",
  // nano, kate, and backups of many
  "*~",
  // dpkg and rpm, while they unpack; what they leave (.dpkg-old, .rpmsave) is recorded
  "*.dpkg-{new,tmp}",
  "*;[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]",
  // GLib's and sed's files that will be renamed
  ".goutputstream-*",
  "sed[A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9]",
  // NFS
  ".nfs[0-9a-f]*",
];

/** Files whose content is a secret. Upper and lower case are the same. */
export const SECRET: readonly string[] = [
  // passwords of users, and their backups
  "{shadow,gshadow,opasswd}{,[-.+~]*}",
  "passwords*",
  "*_passwd{,.*}",
  "passwd.client*",
  "*.{passwd,htpasswd,htdigest}",
  "{.,}{htpasswd,htdigest}",
  // private keys and what holds them
  "ssh_host_*_key{,-,.old,.bak}",
  "id_{rsa,dsa,ecdsa,ecdsa_sk,ed25519,ed25519_sk}{,[-.~]old,[-.~]bak}",
  "*.{key,keys,keyring,keytab,p12,pfx,p8,jks,keystore,kdbx,ppk}",
  "{privkey,private}*.pem",
  "*{-,_,.}key.pem",
  "krb5.keytab*",
  "private-keys-v1.d/**",
  "private/**",
  "priv/**",
  "secring*",
  // credentials, tokens, names and passwords in one file
  "*credential{,s}{,.*}",
  "credstore{,.encrypted}/**",
  "*secret*",
  "*.{token,psk,env}",
  ".env{,.*}",
  "{.,_}netrc",
  ".{pgpass,my.cnf,mylogin.cnf,git-credentials,npmrc,pypirc,dockercfg,msmtprc,fetchmailrc}",
  "{debian.cnf,msmtprc,snmpd.conf,auth.conf}",
  ".docker/config.json",
  ".kube/config",
  "kubeconfig*",
  "/etc/kubernetes/**/*.conf",
  "auth.conf.d/**",
  // networks
  "/etc/NetworkManager/system-connections/**",
  "/etc/wireguard/**",
  "wpa_supplicant*.conf",
  "hostapd*.{conf,psk,wpa_psk}",
  "*.nmconnection",
  "{pap,chap}-secrets*",
  "ipsec.secrets*",
];
