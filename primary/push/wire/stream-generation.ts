// The body of a push: `btrfs send` of timing, then of vector, back to back, optionally through zstd. Both sends are
// started at once, the second waits in its pipe: that hides a process start from every increment.
import { PassThrough, Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { requireSuccess, spawnSend } from "../../../shared/store/btrfs.js";
import { SUBVOLUMES, type TreeLayout } from "../../../shared/store/layout.js";
import type { BtrfsProcess, SpareProcesses } from "../../../shared/store/spare-processes.js";
import type { Codec } from "../pace/codec.js";
import { throughZstd } from "../pace/compress-stream.js";
import { type MeterOptions, meterWire } from "../pace/meter-wire.js";
import { PushError } from "../push-error.js";

export interface GenerationSend {
  tree: TreeLayout;
  /** The base's folders, `undefined` for a full send. */
  base: TreeLayout | undefined;
  compressedData: boolean;
  spares?: SpareProcesses | undefined;
  /** Ends the sends. */
  signal: AbortSignal;
}

/** Both send streams as `btrfs` writes them. @throws PushError `send-failed` */
export async function* sendGeneration(send: GenerationSend): AsyncGenerator<Buffer> {
  const { tree, base, compressedData, spares, signal } = send;
  const common = { compressedData, spares, signal };
  const sends = SUBVOLUMES.map((name) =>
    startSend(spawnSend({ path: tree.subvolume(name), parent: base?.subvolume(name), ...common })),
  );
  const ends = Promise.allSettled(sends.map(({ process }) => process));
  try {
    for (const one of sends) yield* sendBytes(one);
  } finally {
    // Whoever stopped reading leaves sends that nobody reads.
    for (const { process } of sends) process.kill();
    await ends;
  }
}

export interface WireStream extends MeterOptions {
  source: AsyncGenerator<Buffer>;
  codec: Codec;
}

/**
 * Writes to `target` and ends it. However it ends, `source` is ended too: a send that nobody reads would hold its
 * generation for ever. @throws PushError `send-failed`; what `target` fails with
 */
export async function streamTo(target: Writable, { source, codec, ...metered }: WireStream): Promise<void> {
  const { meter, signal } = metered;
  const sent = counted(source, (bytes) => meter.addSent(bytes));
  const encoded = codec.zstdLevel === undefined ? sent : throughZstd(sent, codec.zstdLevel, signal);
  try {
    // As a stream: of a bare generator, a target that is gone in the wrong moment leaves `pipeline` waiting for room in it.
    await pipeline(Readable.from(meterWire(encoded, metered)), target, { signal });
  } finally {
    // The stages before it end it as well, if they have begun. Not waited for: it may be in the middle of a chunk.
    source.return(undefined).catch(() => undefined);
  }
}

interface StartedSend {
  process: BtrfsProcess;
  stream: PassThrough;
}

/** execa lets the output of a process flow away if nobody reads it at once; the second send's must wait its turn. */
function startSend(process: BtrfsProcess): StartedSend {
  const stream = new PassThrough({ highWaterMark: 256 * 1024 });
  process.stdout.once("error", (error) => stream.destroy(error));
  process.stdout.pipe(stream);
  return { process, stream };
}

async function* sendBytes({ process, stream }: StartedSend): AsyncGenerator<Buffer> {
  yield* stream as AsyncIterable<Buffer>;
  try {
    requireSuccess(await process, "the generation");
  } catch (cause) {
    throw new PushError("retryable", "send-failed", `btrfs send failed: ${(cause as Error).message}`, { cause });
  }
}

async function* counted(stream: AsyncIterable<Buffer>, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    onBytes(chunk.length);
    yield chunk;
  }
}
