// The only place that runs `btrfs`. Every command runs under LC_ALL=C, so that one parser can tell the failures apart;
// the raw stderr stays in the error's cause. A path is always an absolute argument of its own: no shell parses it.
import { lstat, stat, statfs } from "node:fs/promises";
import { release } from "node:os";
import { basename, dirname } from "node:path";
import { text } from "node:stream/consumers";
import { execa, type Result } from "execa";
import type { FedCommand } from "./command-shell.js";
import { type BtrfsProcess, PROCESS_OPTIONS, type SpareProcesses } from "./spare-processes.js";
import { StoreError, type StoreErrorCode } from "./store-error.js";

export interface CommandOptions {
  signal?: AbortSignal | undefined;
  /** Processes that wait for a command. Without them, or when none is left, one is started. */
  spares?: SpareProcesses | undefined;
}

/** What `btrfs subvolume show` says of a subvolume. UUIDs are lower case with dashes. */
export interface SubvolumeInfo {
  uuid: string;
  /** The subvolume that this one is a snapshot of. */
  parentUuid: string | null;
  /** UUID at the sender. Kept by read-only snapshots of it, so it names the content, not this subvolume. */
  receivedUuid: string | null;
  readOnly: boolean;
  /** The filesystem transaction that last changed it. */
  generation: number;
  subvolumeId: number;
}

/** @throws StoreError `exists`, `missing` (its folder), `not-btrfs`, `no-space`, `command-failed` */
export async function createSubvolume(path: string, options: CommandOptions = {}): Promise<void> {
  await runBtrfs(["subvolume", "create", path], path, options);
}

/**
 * A read-only snapshot of `source` at `target`. File data that the kernel holds is flushed by the snapshot itself; it
 * survives a power cut once the filesystem has committed (`syncFilesystem`).
 *
 * @throws StoreError `exists`, `missing`, `not-btrfs`, `no-space`, `command-failed`
 */
export async function snapshotReadOnly(source: string, target: string, options: CommandOptions = {}): Promise<void> {
  // Given a folder as target, btrfs-progs puts the snapshot inside it under the source's name and returns 0.
  if (await lstat(target).catch(() => undefined)) {
    throw new StoreError("exists", `${target} is there already`);
  }
  await runBtrfs(["subvolume", "snapshot", "-r", source, target], target, options);
}

/** @throws StoreError `missing`, `not-btrfs` (also for a folder that is no subvolume), `command-failed` */
export async function showSubvolume(path: string, options: CommandOptions = {}): Promise<SubvolumeInfo> {
  return parseSubvolumeInfo(await runBtrfs(["subvolume", "show", path], path, options), path);
}

/** A read-only subvolume as `btrfs subvolume list` has it. */
export interface ReadOnlySubvolume {
  uuid: string;
  /** The subvolume at the sender that it was received from. */
  receivedUuid: string | null;
}

/**
 * The finished (read-only) subvolumes directly in `dir`, by name, in one process for all of them.
 *
 * @throws StoreError `missing`, `not-btrfs`, `command-failed`
 */
export async function listReadOnly(dir: string, options: CommandOptions = {}): Promise<Map<string, ReadOnlySubvolume>> {
  const all = await listReadOnlyBelow(dir, options);
  return new Map([...all].filter(([path]) => !path.includes("/")));
}

/**
 * All finished subvolumes below `dir`, by their path from there, in one process for all of them.
 *
 * @throws StoreError `missing`, `not-btrfs`, `command-failed`
 */
export async function listReadOnlyBelow(
  dir: string,
  options: CommandOptions = {},
): Promise<Map<string, ReadOnlySubvolume>> {
  const text = await runBtrfs(["subvolume", "list", "-o", "-r", "-R", "-u", dir], dir, options);
  const found = new Map<string, ReadOnlySubvolume>();
  for (const line of text.split("\n")) {
    const [, received = "", uuid = "", path = ""] = /received_uuid (\S+)\s+uuid (\S+) path (.*)$/.exec(line) ?? [];
    const name = pathBelow(dir, path);
    if (name === undefined || !UUID.test(uuid)) continue;
    found.set(name, { uuid, receivedUuid: UUID.test(received) ? received : null });
  }
  return found;
}

/** Paths begin at the filesystem's root, wherever that is mounted: the last two names of `dir` tell, or the last alone there. */
function pathBelow(dir: string, path: string): string | undefined {
  const atRoot = `${basename(dir)}/`;
  if (path.startsWith(atRoot)) return path.slice(atRoot.length);
  const marker = `/${basename(dirname(dir))}/${atRoot}`;
  const at = `/${path}`.indexOf(marker);
  return at < 0 ? undefined : `/${path}`.slice(at + marker.length);
}

/**
 * Deletes subvolumes and commits: without the commit they would come back after a crash.
 *
 * @throws StoreError `busy` while a send reads one (try again later), `missing`, `not-btrfs`, `command-failed`
 */
export async function deleteSubvolume(path: string | readonly string[], options: CommandOptions = {}): Promise<void> {
  const paths = [path].flat();
  await runBtrfs(["subvolume", "delete", "-c", ...paths], paths.join(", "), options);
}

/**
 * Bytes of these files that no other subvolume shares, before compression. It asks about each of their extents.
 *
 * @throws StoreError `missing`, `command-failed`
 */
export async function exclusiveBytes(paths: readonly string[], options: CommandOptions = {}): Promise<number> {
  const text = await runBtrfs(["filesystem", "du", "-s", "--raw", ...paths], paths.join(", "), options);
  // Total, exclusive, shared within the set, name.
  const lines = text.split("\n").map((line) => /^\s*\d+\s+(\d+)\s/.exec(line)?.[1]);
  return lines.reduce((sum, bytes) => sum + Number(bytes ?? 0), 0);
}

/** After it returns, everything written to the filesystem before it survives a power cut. */
export async function syncFilesystem(path: string, options: CommandOptions = {}): Promise<void> {
  await runBtrfs(["filesystem", "sync", path], path, options);
}

export interface SendOptions extends CommandOptions {
  path: string;
  /** A read-only subvolume that the receiver has too: only the difference is sent. */
  parent?: string | undefined;
  /** Protocol 2 with extents sent as they are compressed on disk: only where both ends are known good. */
  compressedData?: boolean | undefined;
}

/** `btrfs send`, its stream on `stdout`. Await it for its end; then `requireSuccess` on what it gave. */
export function spawnSend({ path, parent, compressedData, ...options }: SendOptions): BtrfsProcess {
  const protocol = compressedData ? ["--proto", "2", "--compressed-data"] : [];
  const base = parent === undefined ? [] : ["-p", parent];
  const send = spawnBtrfs(["send", "-q", ...protocol, ...base, path], options);
  send.stdin.end();
  return send;
}

/**
 * `btrfs receive` into `dir`, its stream on `stdin`. `-C` keeps it inside `dir`: without it a crafted stream writes
 * anywhere, as root. Its exit code proves nothing: sync the filesystem, then check what arrived.
 */
export function spawnReceive(dir: string, { spares }: Pick<CommandOptions, "spares"> = {}): FedCommand {
  const args = ["receive", "-q", "-C", dir];
  return spares?.feed(args) ?? fedProcess(execa("btrfs", args, PROCESS_OPTIONS));
}

function fedProcess(started: BtrfsProcess): FedCommand {
  return { stdin: started.stdin, ended: started, finish: () => void started.stdin.end() };
}

/** @throws StoreError for a send or receive that ended with anything but 0 */
export function requireSuccess(result: Pick<Result, "failed"> & { stderr?: unknown }, path: string): void {
  if (result.failed) throw failureOf(String(result.stderr ?? ""), path, result);
}

/** Whether `path` (a file or folder that is there) lies on btrfs. */
export async function isBtrfs(path: string): Promise<boolean> {
  return (await statfs(path)).type === BTRFS_SUPER_MAGIC;
}

/** Whether `path` is the root of a subvolume; false too when nothing is there. */
export async function isSubvolume(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info?.isDirectory() === true && info.ino === SUBVOLUME_INODE && (await isBtrfs(path));
}

/** Bytes that can still be written, and bytes in all, of the filesystem that `path` lies on. */
export async function freeSpace(path: string): Promise<{ freeBytes: number; totalBytes: number }> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** Versions as both ends compare them at hello, such as `6.18.44` and `6.2`. */
export async function btrfsVersions(options: CommandOptions = {}): Promise<{ kernel: string; progs: string }> {
  const text = await runBtrfs(["--version"], "btrfs", options);
  return { kernel: release(), progs: /v(\d+(?:\.\d+)*)/.exec(text)?.[1] ?? text.trim() };
}

const BTRFS_SUPER_MAGIC = 0x9123683e;
/** Every subvolume's root folder has this inode number (BTRFS_FIRST_FREE_OBJECTID). */
const SUBVOLUME_INODE = 256;

function spawnBtrfs(args: readonly string[], { spares, signal }: CommandOptions): BtrfsProcess {
  const started = spares?.take(args) ?? execa("btrfs", args, PROCESS_OPTIONS);
  const abort = () => started.kill();
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  void started.finally(() => signal?.removeEventListener("abort", abort));
  return started;
}

async function runBtrfs(args: readonly string[], path: string, options: CommandOptions): Promise<string> {
  options.signal?.throwIfAborted();
  const { stdout, ...result } =
    (await options.spares?.run(args, options.signal)) ?? (await runInProcess(args, options));
  options.signal?.throwIfAborted();
  requireSuccess(result, path);
  return stdout;
}

async function runInProcess(args: readonly string[], options: CommandOptions) {
  const started = spawnBtrfs(args, options);
  started.stdin.end();
  const [stdout, result] = await Promise.all([text(started.stdout), started]);
  return { ...result, stdout };
}

const FAILURES: readonly [pattern: RegExp, code: StoreErrorCode, reason: string, hint?: string][] = [
  [/No space left|quota exceeded/i, "no-space", "has no space left", "free some space or give the volume more"],
  [/send may be in progress|resource busy/i, "busy", "is being sent", "try again when the send has ended"],
  [/already exists|File exists/, "exists", "is there already"],
  [/No such file or directory|unable to resolve/, "missing", "is not there"],
  [/Not a Btrfs subvolume/i, "not-btrfs", "is not a btrfs subvolume"],
  [
    /not a btrfs filesystem|Inappropriate ioctl/i,
    "not-btrfs",
    "does not lie on btrfs",
    "use a folder on btrfs, or `init --loop 4G` to make a volume in a file",
  ],
];

/** The one parser of what `btrfs` writes to stderr. */
function failureOf(stderr: string, path: string, cause: unknown): StoreError {
  const options = { cause };
  if ((cause as { code?: unknown }).code === "ENOENT") {
    return new StoreError("command-failed", "the program `btrfs` is not installed", {
      ...options,
      hint: "install it: apt-get install btrfs-progs",
    });
  }
  // EPERM has two meanings; only root can get the one about a send.
  if (process.geteuid?.() !== 0 && /Operation not permitted|Permission denied/.test(stderr)) {
    return new StoreError("command-failed", `${path}: btrfs needs root for this`, { ...options, hint: "run as root" });
  }
  const known = FAILURES.find(([pattern]) => pattern.test(stderr));
  if (!known) {
    const firstLine = stderr.trim().split("\n")[0] || "btrfs ended without a word";
    return new StoreError("command-failed", `${path}: ${firstLine}`, options);
  }
  const [, code, reason, hint] = known;
  return new StoreError(code, `${path} ${reason}`, hint === undefined ? options : { ...options, hint });
}

function parseSubvolumeInfo(text: string, path: string): SubvolumeInfo {
  // The first match counts: names of other subvolumes, which may hold anything, stand at the end.
  const field = (label: string) => new RegExp(`^\\t${label}:\\s*(.*)$`, "m").exec(text)?.[1]?.trim();
  const uuidOrNull = (label: string) => (UUID.test(field(label) ?? "") ? (field(label) as string) : null);
  const uuid = uuidOrNull("UUID");
  const generation = Number(field("Generation"));
  const subvolumeId = Number(field("Subvolume ID"));
  if (uuid === null || !Number.isSafeInteger(generation)) {
    throw new StoreError("command-failed", `${path}: \`btrfs subvolume show\` gave no UUID or generation`, {
      cause: new Error(text.slice(0, 2000)),
      hint: "is this version of btrfs-progs known to work? see `btrfs --version`",
    });
  }
  return {
    uuid,
    parentUuid: uuidOrNull("Parent UUID"),
    receivedUuid: uuidOrNull("Received UUID"),
    readOnly: /\breadonly\b/.test(field("Flags") ?? ""),
    generation,
    subvolumeId,
  };
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
