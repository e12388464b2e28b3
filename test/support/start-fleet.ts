// A primary and a replica on volumes of their own, joined by a private sshd: the whole of Isochron on one machine, made
// by the commands that a user runs.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { binPath, runCli } from "./run-cli.js";
import { DaemonProcess } from "./start-daemon.js";
import { type Sshd, startSshd } from "./with-sshd.js";
import { unmount } from "./with-volume.js";

export interface FleetOptions {
  /** Size of each volume, such as `1G`. */
  volume?: string;
  /** Options of the configuration files, besides root and replicas. */
  primary?: Record<string, unknown>;
  replica?: Record<string, unknown>;
  /** Where volumes and configuration go; default a temp folder that `stop` removes. */
  folder?: string;
  origin?: string;
}

export interface FleetSide {
  root: string;
  configPath: string;
  daemon: DaemonProcess;
  /** Runs a command of this side's bin to its end. */
  run(...args: string[]): ReturnType<typeof runCli>;
  socket(name: string): string;
}

export interface Fleet {
  folder: string;
  origin: string;
  /** The primary's public key. */
  vkey: string;
  primary: FleetSide;
  replica: FleetSide;
  sshd: Sshd;
  stop(): Promise<void>;
}

export const REPLICA_NAME = "replica-1";

/** Nothing of this machine gets into a test unless it asks for it. */
export const NO_SOURCES = { packages: { enabled: false }, dbus: { enabled: false }, ovsdb: { enabled: false } };
/** No test goes on this machine's bus; one that needs a bus makes its own, and gives its address. */
const WITHOUT_BUS = { dbus: { enabled: false } };

/** Makes both stores; with `start`, runs both daemons. */
export async function makeFleet(options: FleetOptions = {}): Promise<Fleet> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "iso-")));
  const origin = options.origin ?? "host1.test/isochron";
  const roots = { primary: join(folder, "p"), replica: join(folder, "r") };
  const undo: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    for (const root of Object.values(roots)) undo.push(() => unmount(root));
    await mkdir(folder, { recursive: true });
    const volume = ["--loop", options.volume ?? "1G"];
    await must(runCli("primary", ["init", "--root", roots.primary, ...volume, "--origin", origin]));
    const keys = await must(runCli("primary", ["key", "--root", roots.primary, "--json"]));
    const { vkey, ssh } = JSON.parse(keys) as { vkey: string; ssh: string };
    await must(
      runCli("replica", ["init", "--root", roots.replica, ...volume, "--name", REPLICA_NAME, "--trust", vkey]),
    );
    const command = `${process.execPath} ${binPath("replica")} receive --root ${roots.replica}`;
    const sshd = await startSshd([{ publicKey: ssh, command }]);
    undo.push(() => sshd.stop());
    const target = { name: REPLICA_NAME, host: "127.0.0.1", port: sshd.port, user: sshd.user, host_key: sshd.hostKey };
    const primary = await makeSide("primary", folder, roots.primary, {
      ...WITHOUT_BUS,
      ...options.primary,
      sources: { ...NO_SOURCES, ...(options.primary?.sources as object | undefined) },
      replicas: [target],
    });
    const replica = await makeSide("replica", folder, roots.replica, { ...WITHOUT_BUS, ...options.replica });
    undo.push(
      () => replica.daemon.stop(),
      () => primary.daemon.stop(),
    );
    return { folder, origin, vkey, primary, replica, sshd, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Runs `body` with both daemons at work. */
export async function withFleet<T>(options: FleetOptions, body: (fleet: Fleet) => Promise<T>): Promise<T> {
  const fleet = await makeFleet(options);
  try {
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    return await body(fleet);
  } catch (error) {
    const logs = `primary:\n${fleet.primary.daemon.log}\nreplica:\n${fleet.replica.daemon.log}`;
    throw new Error(`${(error as Error).message}\n${logs.slice(-8000)}`, { cause: error });
  } finally {
    await fleet.stop();
  }
}

/** Waits until the replica answers from at least `size` entries; fails after a minute, with what it last said. */
export async function replicaAnswers(fleet: Fleet, size: number): Promise<void> {
  let last: unknown;
  for (let tries = 0; tries < 1200; tries += 1) {
    const answer = await askSocket({ socketPath: fleet.replica.socket("query"), path: "/v1/status" }).catch(
      (error: unknown) => {
        last = error;
        return undefined;
      },
    );
    const stores = (answer as { stores?: { size: number }[] } | undefined)?.stores;
    if (stores?.some((store) => store.size >= size)) return;
    if (answer) last = answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the replica does not answer from ${size} entries: ${JSON.stringify(last)}`);
}

async function makeSide(
  role: "primary" | "replica",
  folder: string,
  root: string,
  options: Record<string, unknown>,
): Promise<FleetSide> {
  const configPath = join(folder, `${role}.yaml`);
  // JSON is YAML.
  await writeFile(configPath, JSON.stringify({ root, ...options }, null, 2));
  return {
    root,
    configPath,
    daemon: new DaemonProcess(role, ["--config", configPath]),
    run: (...args) => runCli(role, [...args, "--config", configPath]),
    socket: (name) => join(root, "run", `${name}.sock`),
  };
}

async function must(result: ReturnType<typeof runCli>): Promise<string> {
  const { stdout, stderr, exitCode } = await result;
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${stderr}`);
  return stdout;
}
