import assert from "node:assert/strict";
import { test } from "node:test";
import { fromText } from "../../../../primary/sources/files/raw-path.js";
import { WatchList } from "../../../../primary/sources/files/watch-list.js";

const list = (more: Partial<ConstructorParameters<typeof WatchList>[0]> = {}) =>
  new WatchList({ watch: ["/etc/**"], ignore: [], secret: [], own: [], ...more });

test("temporary files of editors and package tools are passed over, what they leave is not", () => {
  for (const name of [".hosts.swp", "hosts~", "#hosts#", ".#hosts", "4913", "hosts.dpkg-new", "sedA1b2C3"]) {
    assert.equal(list().wants(`/etc/${name}`), false, name);
  }
  for (const name of ["hosts", "hosts.dpkg-old", "hosts.ucf-dist", "sediment", ".profile", "hosts.tmp"]) {
    assert.equal(list().wants(`/etc/${name}`), true, name);
  }
});

test("what is ignored takes all below it along, and so do the daemon's own folders and the kernel's", () => {
  const own = list({ watch: ["/**"], ignore: ["cache", "/etc/app/*.db"], own: ["/var/lib/isochron"] });
  for (const path of ["/etc/cache/a", "/etc/app/x.db", "/var/lib/isochron/keys", "/proc/1", "/sys/a", "/dev/null"]) {
    assert.equal(own.wants(path) || own.enters(path), false, path);
  }
  for (const path of ["/etc/cached", "/etc/app/x.dbf", "/var/lib/isochron2"]) assert.equal(own.wants(path), true, path);
});

test("contents of shadow, keys, credentials and the like are secret, in whatever case, and what is public is not", () => {
  const secret = [
    ...["shadow", "shadow-", "gshadow", "gshadow-", "shadow.bak", "security/opasswd", "ssh/ssh_host_rsa_key"],
    ...["ssl/private/site.pem", "app/Server.KEY", "letsencrypt/live/x/privkey.pem", "krb5.keytab", "app/.netrc"],
    ...["NetworkManager/system-connections/wifi", "wireguard/wg0.conf", "wpa_supplicant/wpa_supplicant-wlan0.conf"],
    ...["app/credentials.json", "app/passwords.txt", "postfix/sasl_passwd", "ppp/chap-secrets", "apt/auth.conf.d/a"],
    ...["bind/rndc.key", "app/.env", "kubernetes/admin.conf", "mysql/debian.cnf", "app/mine"],
  ];
  const lists = list({ secret: ["/etc/app/mine"] });
  for (const name of secret) assert.equal(lists.isSecret(`/etc/${name}`), true, name);
  const shown = [
    "passwd",
    "group",
    "hosts",
    "ssh/sshd_config",
    "ssh/ssh_host_rsa_key.pub",
    "nsswitch.conf",
    "mime.types",
  ];
  for (const name of [...shown, "ssl/certs/site.pem", "pam.d/common-password", "login.defs", "keyboard"]) {
    assert.equal(lists.isSecret(`/etc/${name}`), false, name);
  }
});

test("globs with letters beyond ASCII match paths that are bytes", () => {
  const german = list({ watch: ["/etc/über/*.conf"] });
  assert.equal(german.wants(fromText("/etc/über/a.conf")), true);
  assert.deepEqual(german.namesIn("/etc"), [fromText("über")]);
});
