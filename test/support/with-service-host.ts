// One booted host with both daemons as the roles install them: their units, users, policies and sockets, volumes of their own, an sshd
// between the two, an Open vSwitch database and a bus. What differs from a host of a user: no unit waits for the rest of this machine's
// boot.
import { chmod, mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { stringify } from "yaml";
import { renderUnits, type Units } from "./render-units.js";
import { type Part, program } from "./require-part.js";
import { runCli } from "./run-cli.js";
import { withFolder } from "./with-folder.js";
import { type Systemd, withSystemd } from "./with-systemd.js";
import { withVolume } from "./with-volume.js";

export interface ServiceHost {
  systemd: Systemd;
  /** Where the primary's store lies, as this machine sees it. */
  primaryVolume: string;
  /** Runs a program on the host. @throws unless it ends with 0 */
  must(...command: string[]): Promise<string>;
  /** What systemd says of a unit. */
  property(unit: string, name: string): Promise<string>;
}

export const SERVICE_HOST_PARTS: readonly Part[] = [
  program("ansible-playbook", "ansible"),
  program("sshd", "openssh-server"),
  program("ovsdb-server", "openvswitch-switch"),
  program("journalctl", "systemd"),
];

export const DAEMONS = ["isochron-replica.service", "isochron-primary.service"] as const;

const PROJECT = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAM = "/opt/isochron/current";
const ETC = "/etc/isochron";
const ROLES = ["primary", "replica"] as const;
const ORIGIN = "host1/isochron";
const PORT = 22;
const PATIENCE_MS = 120_000;
const ALONE = "[Unit]\nDefaultDependencies=no\n";

/** Boots it, starts everything, and runs `body` once the replica is healthy. */
export async function withServiceHost<T>(body: (host: ServiceHost) => Promise<T>): Promise<T> {
  return withFolder((folder) =>
    withVolume((primary) =>
      withVolume(async (replica) => {
        const [units] = (await renderUnits([{}])) as [Units];
        await writeFiles(folder, { primary, replica });
        const binds = await bindsOf(folder, { primary, replica });
        return withSystemd(
          unitsOfHost(units),
          async (systemd) => {
            const host = hostOf(systemd, primary);
            await startAll(host);
            return body(host);
          },
          binds,
        );
      }),
    ),
  );
}

/** Asks until the answer is right. @throws with the last answer */
export async function eventually<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean, what: string): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: ${JSON.stringify(answer)}`);
    await sleep(200);
  }
}

type Roots = Record<(typeof ROLES)[number], string>;

function unitsOfHost(units: Units): Units {
  const ours = Object.entries(units).flatMap(([name, text]) => [
    // What this machine would start for its network has no place there.
    [name, text.replaceAll("network-online.target", "")],
    [`${name}.d/alone.conf`, ALONE],
  ]);
  const sshd = `/usr/sbin/sshd -D -e -f ${ETC}/sshd_config`;
  const database = "--remote=punix:/run/openvswitch/db.sock --no-chdir";
  return {
    ...Object.fromEntries(ours),
    "systemd-logind.service.d/alone.conf": `${ALONE}[Service]\nExecStartPre=/bin/mkdir -p /run/systemd/inhibit /run/systemd/sessions\n`,
    "test-sshd.service": `${ALONE}[Service]\nExecStartPre=/bin/mkdir -p /run/sshd\nExecStart=${sshd}\n`,
    "test-ovsdb.service": `${ALONE}[Service]\nRuntimeDirectory=openvswitch
ExecStartPre=ovsdb-tool create /run/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ExecStart=ovsdb-server /run/openvswitch/conf.db ${database}\n`,
    "demo.service": `${ALONE}[Service]\nExecStart=/bin/sleep infinity\n`,
  };
}

/** What the roles would write: stores and keys, configuration, commands, the login's sshd. */
async function writeFiles(folder: string, roots: Roots): Promise<void> {
  const etc = join(folder, "etc");
  await mkdir(etc);
  const keys = await initBoth(roots);
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(etc, "host-key")]);
  const hostKey = (await readFile(join(etc, "host-key.pub"), "utf8")).trim();
  const forced = `restrict,command="/usr/local/bin/isochron-replica receive --socket /var/lib/isochron/replica/run/agent.sock"`;
  await writeFile(join(etc, "authorized_keys"), `${forced} ${keys.ssh}\n`);
  await writeFile(join(etc, "sshd_config"), sshdConfig());
  await writeFile(join(etc, "primary.yaml"), stringify(primaryConfig(hostKey)));
  await writeFile(join(etc, "replica.yaml"), stringify({ trust: [keys.vkey], ...QUERY_USER }));
  for (const role of ROLES) {
    const command = join(folder, `isochron-${role}`);
    await writeFile(command, `#!/bin/sh\nexec ${process.execPath} ${PROGRAM}/dist/${role}/main.js "$@"\n`);
    await chmod(command, 0o755);
  }
}

async function initBoth(roots: Roots): Promise<{ vkey: string; ssh: string }> {
  const run = async (role: (typeof ROLES)[number], ...args: string[]) => {
    const { exitCode, stdout, stderr } = await runCli(role, [...args, "--root", roots[role]]);
    if (exitCode !== 0) throw new Error(stderr);
    return stdout;
  };
  await run("primary", "init", "--origin", ORIGIN);
  await run("replica", "init", "--name", "replica-1");
  return JSON.parse(await run("primary", "key", "--json")) as { vkey: string; ssh: string };
}

/** As the roles write it on every host. */
const QUERY_USER = { query: { user: "isochron-query" } };

function primaryConfig(hostKey: string): unknown {
  return {
    replicas: [{ name: "replica-1", host: "127.0.0.1", port: PORT, user: "isochron", host_key: hostKey }],
    seal: { low_ms: 200, medium_ms: 200, high_ms: 200 },
    // A busy machine is no reason to push less often.
    push: { max_load: 1000 },
    sources: { packages: { log: "/srv/dpkg.log" }, files: { watch: ["/srv/watched/**"] } },
    ...QUERY_USER,
  };
}

function sshdConfig(): string {
  const own = [`Port ${PORT}`, "ListenAddress 127.0.0.1", `HostKey ${ETC}/host-key`, "PidFile none", "StrictModes no"];
  const login = [`AuthorizedKeysFile ${ETC}/authorized_keys`, "PasswordAuthentication no", "UsePAM no"];
  return `${[...own, ...login].join("\n")}\n`;
}

async function bindsOf(folder: string, roots: Roots): Promise<Record<string, string>> {
  const policies = ["primary/face/dev.isochron.Primary1.conf", "replica/face/dev.isochron.Replica1.conf"];
  const bus = [...policies, "shared/dbus/dev.ovs.PortAgent1.conf"].map((path) => [
    `/usr/share/dbus-1/system.d/${path.slice(path.lastIndexOf("/") + 1)}`,
    join(PROJECT, path),
  ]);
  return {
    "/var/lib/isochron/primary": roots.primary,
    "/var/lib/isochron/replica": roots.replica,
    [ETC]: join(folder, "etc"),
    "/usr/local/bin/isochron-primary": join(folder, "isochron-primary"),
    "/usr/local/bin/isochron-replica": join(folder, "isochron-replica"),
    [`${PROGRAM}/dist`]: join(PROJECT, "dist"),
    [`${PROGRAM}/package.json`]: join(PROJECT, "package.json"),
    [`${PROGRAM}/node_modules`]: await realpath(join(PROJECT, "node_modules")),
    ...Object.fromEntries(bus),
  };
}

function hostOf(systemd: Systemd, primaryVolume: string): ServiceHost {
  const must = async (...command: string[]) => {
    const { exitCode, stdout, stderr } = await systemd.run(...command);
    if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}: ${stderr}${stdout}`);
    return stdout;
  };
  const property = (unit: string, name: string) => must("systemctl", "show", "--value", `--property=${name}`, unit);
  return { systemd, primaryVolume, must, property };
}

/** In the order of a run of the playbook. */
async function startAll(host: ServiceHost): Promise<void> {
  const { must } = host;
  await must("sh", "-c", MAKE_USERS);
  await must("systemctl", "start", "systemd-journald.service", "systemd-logind.service");
  await must("busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ReloadConfig");
  await must("systemctl", "start", "test-sshd.service", "test-ovsdb.service");
  try {
    for (const role of ["replica", "primary"] as const) {
      await must("systemctl", "start", `isochron-${role}.service`);
      await must("systemctl", "start", `isochron-${role}-queries.service`);
    }
    await eventually(
      () => linkHealth(host),
      (health) => health === "healthy",
      "the replica is not healthy",
    );
  } catch (error) {
    const { stdout } = await host.systemd.run("journalctl", "--no-pager", "--output=cat", "-n", "200");
    throw new Error(`${(error as Error).message}\n${stdout}`, { cause: error });
  }
}

const MAKE_USERS = `set -e
groupadd --system isochron
useradd --system --gid isochron --no-create-home --home-dir /var/lib/isochron --shell /bin/sh isochron
usermod -p '*' isochron
useradd --system --user-group --no-create-home --home-dir /var/lib/isochron --shell /usr/sbin/nologin isochron-query
mkdir -p /srv/watched && : >/srv/dpkg.log`;

export async function linkHealth({ systemd }: ServiceHost): Promise<string | undefined> {
  const { exitCode, stdout, stderr } = await systemd.run("isochron-primary", "status", "--json");
  if (exitCode !== 0) return stderr;
  return (JSON.parse(stdout) as { replicas: { health: string }[] }).replicas[0]?.health;
}
