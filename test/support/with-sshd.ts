// A private OpenSSH sshd, on loopback or at the end of a link: its own host key, port, configuration and
// authorized_keys, ended by its own id. Nothing of the machine's sshd is read or touched.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { eventually } from "./eventually.js";
import { freePort } from "./free-port.js";
import { until } from "./until.js";

/** One line of authorized_keys. */
export interface AuthorizedKey {
  /** OpenSSH public key. */
  publicKey: string;
  /** The forced command, run by the login shell; `restrict` goes with it. */
  command: string;
}

/** Where to listen; `enter` are words before a command that runs it in the network that has the address. */
export interface SshdPlace {
  address: string;
  port: number;
  enter: readonly string[];
}

export interface Sshd {
  host: string;
  port: number;
  /** The user to log in as: the one that runs the test. */
  user: string;
  /** Public host key in OpenSSH form, type and base64. */
  hostKey: string;
  /** What sshd has written to its log so far. */
  log(): string;
  /** Ends every connection there is, as a broken link does. New ones are taken. */
  cut(): Promise<void>;
  /** Ends every connection, and takes no new one until `resume`. */
  pause(): Promise<void>;
  resume(): void;
  stop(): Promise<void>;
}

export async function withSshd<T>(keys: AuthorizedKey[], body: (sshd: Sshd) => Promise<T>): Promise<T> {
  const sshd = await startSshd(keys);
  try {
    return await body(sshd);
  } finally {
    await sshd.stop();
  }
}

/** Starts sshd and waits until it listens; without a place, on a free port of loopback. */
export async function startSshd(keys: AuthorizedKey[], place?: SshdPlace): Promise<Sshd> {
  const folder = await mkdtemp(join(tmpdir(), "isochron-sshd-"));
  try {
    return await startIn(folder, keys, place ?? { address: "127.0.0.1", port: await freePort(), enter: [] });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function startIn(folder: string, keys: AuthorizedKey[], place: SshdPlace): Promise<Sshd> {
  const hostKeyFile = join(folder, "host-key");
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", hostKeyFile]);
  await writeFile(join(folder, "authorized_keys"), keys.map(formatAuthorizedKey).join(""), { mode: 0o600 });
  await writeFile(join(folder, "sshd_config"), sshdConfig(folder, place));
  // Privilege separation needs this folder; Debian makes it only with the service.
  await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  // sshd insists on an absolute path: it executes itself again for every connection.
  const [program = "", ...args] = [...place.enter, "/usr/sbin/sshd", "-D", "-e", "-f", join(folder, "sshd_config")];
  const daemon = execa(program, args, {
    reject: false,
    stdin: "ignore",
    stdout: "ignore",
    buffer: { stdout: false, stderr: false },
  });
  let log = "";
  daemon.stderr.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-64 * 1024);
  });
  let ended = false;
  const end = daemon.then(() => {
    ended = true;
  });
  await until(() => {
    if (ended) throw new Error(`sshd ended: ${log}`);
    return /^Server listening on/m.test(log);
  });
  const [type, base64] = (await readFile(`${hostKeyFile}.pub`, "utf8")).split(" ");
  return {
    host: place.address,
    port: place.port,
    user: userInfo().username,
    hostKey: `${type} ${(base64 ?? "").trim()}`,
    log: () => log,
    cut: () => endConnections(daemon.pid as number),
    pause: async () => {
      // Stopped, it accepts nothing: connections wait in the kernel.
      daemon.kill("SIGSTOP");
      await isStopped(daemon.pid as number);
      await endConnections(daemon.pid as number);
    },
    resume: () => {
      daemon.kill("SIGCONT");
    },
    stop: async () => {
      // One whose line was cut has not heard that the other end is gone, and would be waited for.
      if (!ended) await endConnections(daemon.pid as number);
      daemon.kill("SIGCONT");
      daemon.kill("SIGTERM");
      await end;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Until it is, it may take one more connection. */
async function isStopped(pid: number): Promise<void> {
  await eventually(
    async () => /^State:\tT/m.test(await readFile(`/proc/${pid}/status`, "utf8")),
    () => "sshd does not stop",
  );
}

/** sshd serves each connection in a child of its own; only those of this sshd are ended. */
async function endConnections(pid: number): Promise<void> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  for (const child of children.split(" ").filter((id) => id !== "")) {
    try {
      process.kill(Number(child), "SIGKILL");
    } catch (error) {
      // It has ended by itself meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

function formatAuthorizedKey({ publicKey, command }: AuthorizedKey): string {
  return `restrict,command="${command.replaceAll('"', '\\"')}" ${publicKey.trim()}\n`;
}

function sshdConfig(folder: string, { address, port }: SshdPlace): string {
  return [
    `Port ${port}`,
    `ListenAddress ${address}`,
    `HostKey ${join(folder, "host-key")}`,
    `AuthorizedKeysFile ${join(folder, "authorized_keys")}`,
    `PidFile ${join(folder, "pid")}`,
    "PermitRootLogin yes",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PubkeyAuthentication yes",
    "UsePAM no",
    "StrictModes no",
    // bash reads the login's .bashrc where sshd began it, unless it is told that another shell has: what this machine's user
    // has there is no part of a test, and may take longer than what is tested.
    "SetEnv SHLVL=1",
    "LogLevel VERBOSE",
    "",
  ].join("\n");
}
