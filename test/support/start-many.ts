// A primary and any number of replicas, each on a volume of its own with an sshd and an agent of its own, made as `init` makes
// them and served by the bins. With a network, each sshd stands at the far end of a link of its own.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseLoopSize } from "../../shared/config/parse-loop-size.js";
import { initPrimary, initReplica } from "../../shared/store/init-root.js";
import { readTransportKey } from "../../shared/store/key-files.js";
import { binPath, runCli } from "./run-cli.js";
import { DaemonProcess } from "./start-daemon.js";
import type { Network, NetworkLink } from "./with-network.js";
import { type Sshd, startSshd } from "./with-sshd.js";
import { unmount } from "./with-volume.js";

export interface ReplicaOptions {
  /** Size of its volume, such as `1G`. */
  volume?: string;
  /** Options of its configuration file, besides root. */
  config?: Record<string, unknown>;
  /** Options of its entry in the primary's configuration, besides name, place and key. */
  target?: Record<string, unknown>;
  /** Another build of the bin. */
  bin?: string;
}

export interface ManyOptions {
  replicas: readonly ReplicaOptions[];
  /** Another build of the primary's bin. */
  primaryBin?: string;
  /** One link for each replica; without it everything is on loopback. */
  network?: Network;
  /** The primary's volume. */
  volume?: string;
  /** Options of the primary's configuration file, besides root and replicas. */
  primary?: Record<string, unknown>;
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

export interface ReplicaSide extends FleetSide {
  name: string;
  sshd: Sshd;
  /** Its line to the primary, if there is a network. */
  link: NetworkLink | undefined;
}

export interface ManyFleet {
  folder: string;
  origin: string;
  /** The primary's public key. */
  vkey: string;
  primary: FleetSide;
  replicas: readonly ReplicaSide[];
  stop(): Promise<void>;
}

/** Nothing of this machine gets into a test unless it asks for it. */
export const NO_SOURCES = {
  ...{ packages: { enabled: false }, dbus: { enabled: false }, ovsdb: { enabled: false } },
  replicas: { enabled: false },
};
/** No test goes on this machine's bus; one that needs a bus makes its own, and gives its address. */
const WITHOUT_BUS = { dbus: { enabled: false } };
/** Both sides share this machine, and whatever else keeps it busy: no replica is to be spared for that. */
export const WHATEVER_THE_LOAD = { max_load: 10_000 };
const DEFAULT_VOLUME = "1G";
/** Node processes that start at once: the smallest machine it is meant for has two processors. */
const AT_ONCE = 2;

/** Makes all stores; no daemon runs yet. */
export async function makeMany(options: ManyOptions): Promise<ManyFleet> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "iso-")));
  const origin = options.origin ?? "host1.test/isochron";
  const undo: Undo = [() => rm(folder, { recursive: true, force: true })];
  const stop = () => undoAll(undo);
  try {
    await mkdir(folder, { recursive: true });
    const root = join(folder, "p");
    const bin = options.primaryBin === undefined ? {} : { bin: options.primaryBin };
    const volume = options.volume ?? DEFAULT_VOLUME;
    undo.push(() => unmount(root));
    const { signer } = await initPrimary({ root, loopBytes: parseLoopSize(volume), origin });
    const { vkey } = signer;
    const ssh = (await readTransportKey(root)).publicKey;
    const replicas: ReplicaSide[] = new Array(options.replicas.length);
    await eachOf(options.replicas, async (replica, index) => {
      const link = options.network?.link(index);
      replicas[index] = await makeReplica({ folder, index, vkey, ssh, link, options: replica, undo });
    });
    const targets = replicas.map((side, index) => targetOf(side, options.replicas[index]?.target));
    const primary = await makeSide({
      role: "primary",
      folder,
      name: "primary",
      root,
      config: {
        ...WITHOUT_BUS,
        ...options.primary,
        sources: { ...NO_SOURCES, ...(options.primary?.sources as object | undefined) },
        push: { ...WHATEVER_THE_LOAD, ...(options.primary?.push as object | undefined) },
        replicas: targets,
      },
      ...(options.network ? { enter: options.network.enter } : {}),
      ...bin,
    });
    undo.push(
      () => eachOf(replicas, ({ daemon }) => daemon.stop()),
      () => primary.daemon.stop(),
    );
    return { folder, origin, vkey, primary, replicas, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Runs `body` with all daemons at work. */
export async function withMany<T>(options: ManyOptions, body: (many: ManyFleet) => Promise<T>): Promise<T> {
  const many = await makeMany(options);
  try {
    await startAll(many);
    return await body(many);
  } catch (error) {
    const logs = [many.primary, ...many.replicas].map(({ daemon, root }) => `${root}:\n${daemon.log.slice(-4000)}`);
    throw new Error(`${(error as Error).message}\n${logs.join("\n")}`, { cause: error });
  } finally {
    await many.stop();
  }
}

export async function startAll(many: ManyFleet): Promise<void> {
  await eachOf(many.replicas, ({ daemon }) => daemon.start());
  await many.primary.daemon.start();
}

/** `work` for each, as many at once as there are processors for. */
export async function eachOf<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) await work(items[index] as T, index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

type Undo = (() => Promise<unknown>)[];

async function undoAll(undo: Undo): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step();
}

async function makeReplica(parts: {
  folder: string;
  index: number;
  vkey: string;
  ssh: string;
  link: NetworkLink | undefined;
  options: ReplicaOptions;
  undo: Undo;
}): Promise<ReplicaSide> {
  const { folder, index, link, options, undo } = parts;
  const name = `replica-${index + 1}`;
  const root = join(folder, index === 0 ? "r" : `r${index + 1}`);
  undo.push(() => unmount(root));
  const loopBytes = parseLoopSize(options.volume ?? DEFAULT_VOLUME);
  await initReplica({ root, loopBytes, name, trust: [parts.vkey] });
  const bin = options.bin === undefined ? {} : { bin: options.bin };
  const command = `${process.execPath} ${options.bin ?? binPath("replica")} receive --root ${root}`;
  const place = link && { address: link.address, port: 22, enter: link.enter };
  const sshd = await startSshd([{ publicKey: parts.ssh, command }], place);
  undo.push(() => sshd.stop());
  const config = { ...WITHOUT_BUS, ...options.config };
  const side = await makeSide({ role: "replica", folder, name: fileName(index), root, config, ...bin });
  return { ...side, name, sshd, link };
}

function fileName(index: number): string {
  return index === 0 ? "replica" : `replica-${index + 1}`;
}

function targetOf({ name, sshd }: ReplicaSide, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { name, host: sshd.host, port: sshd.port, user: sshd.user, host_key: sshd.hostKey, ...more };
}

async function makeSide(parts: {
  role: "primary" | "replica";
  folder: string;
  name: string;
  root: string;
  config: Record<string, unknown>;
  enter?: readonly string[];
  bin?: string;
}): Promise<FleetSide> {
  const { role, folder, name, root, config, ...how } = parts;
  const configPath = join(folder, `${name}.yaml`);
  // JSON is YAML.
  await writeFile(configPath, JSON.stringify({ root, ...config }, null, 2));
  return {
    root,
    configPath,
    daemon: new DaemonProcess(role, ["--config", configPath], how),
    run: (...args) => runCli(role, [...args, "--config", configPath], how.bin === undefined ? {} : { bin: how.bin }),
    socket: (socket) => join(root, "run", `${socket}.sock`),
  };
}
