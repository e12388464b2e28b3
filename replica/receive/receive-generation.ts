// Takes one push into staging: two send streams back to back through `btrfs receive`, then a filesystem sync, then what the
// kernel says arrived. Nothing here trusts the stream; nothing here promotes.
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { type Subvolume, TreeLayout } from "../../shared/store/layout.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import { RoomGuard } from "./guard-room.js";
import { type InspectedSubvolume, StreamInspector } from "./inspect-stream.js";
import { readUntilCut, type Wire } from "./read-until-cut.js";
import type { CutShort } from "./receive-error.js";
import { type PartedPush, PartedReceive } from "./receive-in-parts.js";
import type { ReplicaRoom } from "./require-room.js";
import { settleArrival } from "./settle-arrival.js";

/** `dir`: where it is to land: `staging/<tx>`. */
export interface Arrival extends PartedPush {
  stream: Readable;
  encoding: "identity" | "zstd";
  /** What the base's subvolumes were received as; `undefined` for a full send. */
  base: Record<Subvolume, string> | undefined;
  /** No byte for so long means that the link is dead. Slow is not dead. */
  stallMs: number;
  /** The push is ended once there is less than it asks for. */
  room: ReplicaRoom;
  /** Told when no more bytes will come; `cut` if more were to come. */
  onEnd: (cut?: CutShort) => void;
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

/** @throws ReceiveError `bad-stream`, `no-space`, `base-missing`, `not-verified`; CutShort, with what arrived kept */
export async function receiveGeneration(arrival: Arrival): Promise<Arrived> {
  const inspector = new StreamInspector(arrival.base, arrival.from?.inspected);
  const receive = new PartedReceive(arrival, inspector);
  const dir = await takeStream(arrival, inspector, receive);
  const inspected = inspector.subvolumes;
  const settled = settle(dir, inspected, receive, arrival.spares);
  settled.catch(() => undefined);
  return { tree: new TreeLayout(dir), inspected, settled };
}

async function settle(
  dir: string,
  inspected: Arrived["inspected"],
  receive: PartedReceive,
  spares: SpareProcesses,
): Promise<Record<Subvolume, string>> {
  const uuids = await settleArrival(dir, inspected, spares);
  await receive.noteWhole(uuids);
  return { timing: uuids.get("timing") as string, vector: uuids.get("vector") as string };
}

async function takeStream(arrival: Arrival, inspector: StreamInspector, receive: PartedReceive): Promise<string> {
  const guard = new RoomGuard(dirname(arrival.dir), arrival.room, arrival.spares);
  try {
    await receive.begin();
    const wire = readUntilCut(arrival.stream, arrival.stallMs, arrival.onEnd);
    for await (const chunk of arrival.encoding === "zstd" ? decode(wire) : wire.chunks) {
      const looking = guard.take(chunk.length);
      if (looking) await looking;
      inspector.inspect(chunk);
      const waiting = receive.write(chunk);
      if (waiting) await waiting;
    }
    const cut = wire.cut();
    if (cut) {
      await receive.keep();
      throw cut;
    }
    inspector.requireWhole();
    return await receive.finish();
  } catch (error) {
    await receive.abandon();
    throw error;
  }
}

/** What a cut leaves in the middle of the compressed stream still comes out. */
async function* decode({ chunks }: Wire): AsyncGenerator<Buffer> {
  const options = { buffer: { stdout: false, stderr: true }, encoding: "buffer", reject: false } as const;
  const decoder = execa("zstd", ["-d", "-q", "-c", "--long=27"], options);
  const fed = pipeline(chunks, decoder.stdin).catch(() => undefined);
  try {
    yield* decoder.stdout;
  } finally {
    decoder.stdin.destroy();
    await Promise.all([fed, decoder]);
  }
}
