// Takes one push into a staging folder of its own: two send streams back to back through one `btrfs receive`, then a
// filesystem sync, then what the kernel says arrived. Nothing here trusts the stream; nothing here promotes.
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import {
  listReadOnly,
  type ReadOnlySubvolume,
  requireSuccess,
  spawnReceive,
  syncFilesystem,
} from "../../shared/store/btrfs.js";
import { makePairFolder } from "../../shared/store/generations.js";
import { type Subvolume, TreeLayout } from "../../shared/store/layout.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import type { StoreError } from "../../shared/store/store-error.js";
import { guardRoom } from "./guard-room.js";
import { type InspectedSubvolume, StreamInspector } from "./inspect-stream.js";
import { ReceiveError } from "./receive-error.js";

export interface Arrival {
  /** Where it is to land: `staging/<tx>`. */
  dir: string;
  stream: Readable;
  encoding: "identity" | "zstd";
  /** What the base's subvolumes were received as; `undefined` for a full send. */
  base: Record<Subvolume, string> | undefined;
  /** No byte for so long means that the link is dead. Slow is not dead. */
  stallMs: number;
  /** The push is ended once less than this is free. */
  minFreeBytes: number;
  spares: SpareProcesses;
}

export interface Arrived {
  tree: TreeLayout;
  /** What the streams said and touched. */
  inspected: ReadonlyMap<Subvolume, InspectedSubvolume>;
  /**
   * Resolves, with the UUIDs of the two subvolumes here, when the arrival would survive a power cut and the kernel has
   * confirmed what it is; nothing may be promoted before that. It runs beside the verification, which reads the same
   * files. Rejects with a ReceiveError `bad-stream`.
   */
  settled: Promise<Record<Subvolume, string>>;
}

/** @throws ReceiveError `bad-stream`, `no-space`, `base-missing`, `not-verified` */
export async function receiveGeneration(arrival: Arrival): Promise<Arrived> {
  await makePairFolder(arrival.dir);
  const inspected = await runReceive(arrival);
  const tree = new TreeLayout(arrival.dir);
  const settled = settle(tree, inspected, arrival);
  settled.catch(() => undefined);
  return { tree, inspected, settled };
}

async function settle(
  tree: TreeLayout,
  inspected: Arrived["inspected"],
  { spares }: Arrival,
): Promise<Record<Subvolume, string>> {
  // `btrfs receive` returning 0 is not durable: after a power cut its files are empty, in a subvolume that looks whole.
  const [found] = await Promise.all([listReadOnly(tree.dir, { spares }), syncFilesystem(tree.dir, { spares })]);
  const uuidOf = (name: Subvolume) => checkArrived(name, found.get(name), inspected.get(name) as InspectedSubvolume);
  return { timing: uuidOf("timing"), vector: uuidOf("vector") };
}

async function runReceive(arrival: Arrival): Promise<Map<Subvolume, InspectedSubvolume>> {
  const { dir, stream, encoding, base, stallMs, minFreeBytes, spares } = arrival;
  const receive = spawnReceive(dir, { spares });
  const watchdog = stallWatchdog(stallMs);
  const inspector = new StreamInspector(base);
  const guard = guardRoom(dir, minFreeBytes, spares);
  const decoder = encoding === "zstd" ? spawnDecoder() : undefined;
  const flow = decoder
    ? Promise.all([
        pipeline(stream, watchdog, decoder.stdin),
        pipeline(decoder.stdout, inspector, guard, receive.stdin),
      ])
    : pipeline(stream, watchdog, inspector, guard, receive.stdin);
  // A flow can fail before it has joined its ends. Each of the two programs waits for its input until that is closed.
  flow.catch(() => {
    for (const part of [watchdog, decoder?.stdin, receive.stdin]) part?.destroy();
  });
  const [flowed, received] = await Promise.allSettled([flow, receive]);
  await decoder?.catch(() => undefined);
  // The first cause is the one to tell: what we refused ourselves, then a receive that failed (the flow then broke with
  // EPIPE), then a flow that was cut (the receive then ended early).
  if (flowed.status === "rejected" && flowed.reason instanceof ReceiveError) throw flowed.reason;
  if (received.status === "fulfilled") requireReceived(received.value, dir);
  if (flowed.status === "rejected") throw cutShort(flowed.reason);
  return inspector.subvolumes;
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
  // Whether the flow listens or not: an error event that nobody hears would end the daemon.
  watchdog.on("error", () => undefined);
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
    // Its first line says what it is about to do; the reason comes after it.
    const reason = /^ERROR: (.*)$/m.exec(raw)?.[1] ?? message;
    throw new ReceiveError("bad-stream", `btrfs receive refused the stream: ${reason}`, { cause });
  }
}

function cutShort(cause: unknown): ReceiveError {
  return new ReceiveError("bad-stream", `the stream was cut short: ${(cause as Error).message}`, { cause });
}

/** Whatever the exit code said: read-only, and made of the stream's subvolume. */
function checkArrived(name: Subvolume, info: ReadOnlySubvolume | undefined, said: InspectedSubvolume): string {
  if (!info) throw new ReceiveError("bad-stream", `${name} did not arrive, or unfinished: still writable`);
  if (info.receivedUuid !== said.uuid) {
    throw new ReceiveError("bad-stream", `${name} was received from ${info.receivedUuid}, not from ${said.uuid}`);
  }
  return info.uuid;
}
