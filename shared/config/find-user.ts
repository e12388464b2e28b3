// The system user of an option, looked up as the rest of the host does it: files, LDAP, systemd's own (nsswitch.conf).
import { execa } from "execa";
import { ConfigError } from "./config-error.js";

export interface SystemUser {
  name: string;
  uid: number;
  gid: number;
}

/** @throws ConfigError `bad-option` if there is no such user, or if it is root under another name */
export async function findUser(option: string, name: string): Promise<SystemUser> {
  const { stdout } = await execa("getent", ["passwd", name], { env: { LC_ALL: "C" }, stdin: "ignore", reject: false });
  const [found, , uid, gid] = stdout.split("\n")[0]?.split(":") ?? [];
  if (found !== name || !isId(uid) || !isId(gid)) {
    throw new ConfigError("bad-option", `${option} is ${JSON.stringify(name)}, and this host has no such user`, {
      hint: `make it: useradd --system --user-group --no-create-home --shell /usr/sbin/nologin ${name}`,
    });
  }
  if (Number(uid) === 0) {
    throw new ConfigError("bad-option", `${option} is ${JSON.stringify(name)}, which is root`, {
      hint: "name a user without privileges, or leave the option out: then a child of the daemon answers, as root",
    });
  }
  return { name, uid: Number(uid), gid: Number(gid) };
}

/** The line of `config check` on a host that lacks the user; none where all is well. */
export async function adviseOnUser(option: string, name: string | undefined): Promise<string[]> {
  if (name === undefined) return [];
  try {
    await findUser(option, name);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [`the daemon will not start here: ${error.message}; ${error.hint}`];
  }
}

function isId(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,10}$/.test(text);
}
