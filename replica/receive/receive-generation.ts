// Takes one push into a staging folder of its own: two send streams back to back through one `btrfs receive`, then a
// filesystem sync, then what the kernel says arrived. Nothing here trusts the stream; nothing here promotes.
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import {
  requireSuccess,
  type SubvolumeInfo,
  showSubvolume,
  spawnReceive,
  syncFilesystem,
} from "../../shared/store/btrfs.js";
import { makePairFolder } from "../../shared/store/generations.js";
import { SUBVOLUMES, type Subvolume, TreeLayout } from "../../shared/store/layout.js";
import { StoreError } from "../../shared/store/store-error.js";
import { ReceiveError } from "./receive-error.js";

export interface Arrival {
  /** Where it is to land: `staging/<tx>`. */
  dir: string;
  stream: Readable;
  encoding: "identity" | "zstd";
  /** UUIDs at the sender. */
  expected: Record<Subvolume, string>;
  incremental: boolean;
  /** No byte for so long means that the link is dead. Slow is not dead. */
  stallMs: number;
}

/** @throws ReceiveError `bad-stream`, `no-space`, `base-missing` */
export async function receiveGeneration(arrival: Arrival): Promise<TreeLayout> {
  await makePairFolder(arrival.dir);
  await runReceive(arrival);
  const tree = new TreeLayout(arrival.dir);
  // `btrfs receive` returning 0 is not durable: after a power cut its files are empty, in a subvolume that looks whole.
  const [, ...infos] = await Promise.all([
    syncFilesystem(arrival.dir),
    ...SUBVOLUMES.map((name) => showSubvolume(tree.subvolume(name)).catch(notArrived(name))),
  ]);
  for (const [i, name] of SUBVOLUMES.entries()) checkArrived(name, infos[i] as SubvolumeInfo, arrival);
  return tree;
}

async function runReceive({ dir, stream, encoding, stallMs }: Arrival): Promise<void> {
  const receive = spawnReceive(dir);
  const watchdog = stallWatchdog(stallMs);
  const decoder = encoding === "zstd" ? spawnDecoder() : undefined;
  const flow = decoder
    ? Promise.all([pipeline(stream, watchdog, decoder.stdin), pipeline(decoder.stdout, receive.stdin)])
    : pipeline(stream, watchdog, receive.stdin);
  const [flowed, received] = await Promise.allSettled([flow, receive]);
  await decoder?.catch(() => undefined);
  // The first cause is the one to tell: a receive that failed breaks the flow (EPIPE), a cut flow ends the receive.
  if (received.status === "fulfilled") requireReceived(received.value, dir);
  if (flowed.status === "rejected") throw cutShort(flowed.reason);
}

function spawnDecoder() {
  const options = { buffer: { stdout: false, stderr: true }, encoding: "buffer", reject: false } as const;
  return execa("zstd", ["-d", "-q", "-c", "--long=27"], options);
}

function stallWatchdog(stallMs: number): Transform {
  let timer: NodeJS.Timeout;
  const watchdog = new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk, _encoding, done) {
      timer.refresh();
      done(null, chunk);
    },
    destroy(error, done) {
      clearTimeout(timer);
      done(error);
    },
  });
  timer = setTimeout(() => {
    watchdog.destroy(new ReceiveError("bad-stream", `no byte arrived for ${stallMs} ms`));
  }, stallMs);
  return watchdog;
}

function requireReceived(result: { failed: boolean; stderr?: unknown }, dir: string): void {
  try {
    requireSuccess(result, dir);
  } catch (cause) {
    const { message, code } = cause as StoreError;
    if (code === "no-space") throw new ReceiveError("no-space", message, { cause, hint: "free space on the replica" });
    const raw = String(result.stderr ?? "");
    if (/cannot find parent|parent.*not found|clone: did not find source/i.test(raw)) {
      throw new ReceiveError("base-missing", "the base of this increment is not here", { cause });
    }
    throw new ReceiveError("bad-stream", `btrfs receive refused the stream: ${message}`, { cause });
  }
}

function cutShort(cause: unknown): ReceiveError {
  if (cause instanceof ReceiveError) return cause;
  return new ReceiveError("bad-stream", `the stream was cut short: ${(cause as Error).message}`, { cause });
}

function notArrived(name: Subvolume) {
  return (cause: unknown): never => {
    if (cause instanceof StoreError && (cause.code === "missing" || cause.code === "not-btrfs")) {
      throw new ReceiveError("bad-stream", `the stream held no subvolume ${name}`, { cause });
    }
    throw cause;
  };
}

/** Whatever the exit code said: read-only, made from the sender's subvolume, on a base or not, as announced. */
function checkArrived(name: Subvolume, info: SubvolumeInfo, { expected, incremental }: Arrival): void {
  if (!info.readOnly) throw new ReceiveError("bad-stream", `${name} arrived unfinished: it is still writable`);
  if (info.receivedUuid !== expected[name]) {
    throw new ReceiveError("bad-stream", `${name} was received from ${info.receivedUuid}, not from ${expected[name]}`);
  }
  // Not the base's own UUID: btrfs receive takes any subvolume that was received as the base was, such as a snapshot that
  // an operator made of it. What differs from the base is looked at by `checkOnlyAppended`.
  if (incremental && info.parentUuid === null) {
    throw new ReceiveError("bad-stream", `${name} arrived whole where an increment was announced`);
  }
  if (!incremental && info.parentUuid !== null) {
    throw new ReceiveError("bad-stream", `${name} was built on ${info.parentUuid} where a full send was announced`);
  }
}
