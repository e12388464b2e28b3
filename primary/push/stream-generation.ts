// The body of a push: `btrfs send` of timing, then of vector, back to back, optionally through zstd. Both sends are
// started at once, the second waits in its pipe: that hides a process start from every increment.
import { PassThrough, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { requireSuccess, spawnSend } from "../../shared/store/btrfs.js";
import { SUBVOLUMES, type TreeLayout } from "../../shared/store/layout.js";
import type { BtrfsProcess, SpareProcesses } from "../../shared/store/spare-processes.js";
import { PushError } from "./push-error.js";

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

export interface WireStream {
  source: AsyncGenerator<Buffer>;
  zstdLevel: number | undefined;
  signal: AbortSignal;
  /** Told of every chunk on its way out: bytes on the wire. */
  onBytes: (bytes: number) => void;
}

/** Writes to `target` and ends it. @throws PushError `send-failed`; what `target` fails with */
export async function streamTo(target: Writable, { source, zstdLevel, signal, onBytes }: WireStream): Promise<void> {
  if (zstdLevel === undefined) await pipeline(counted(source, onBytes), target, { signal });
  else await pipeThroughZstd(source, target, zstdLevel, { signal, onBytes });
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

async function pipeThroughZstd(
  source: AsyncGenerator<Buffer>,
  target: Writable,
  level: number,
  { onBytes, signal }: Pick<WireStream, "onBytes" | "signal">,
) {
  const zstd = execa("zstd", [`-${level}`, "-q", "-c"], {
    buffer: { stdout: false, stderr: true },
    encoding: "buffer",
    reject: false,
    cancelSignal: signal,
  });
  await Promise.all([pipeline(source, zstd.stdin), pipeline(counted(zstd.stdout, onBytes), target, { signal })]);
  const { failed, stderr } = await zstd;
  if (failed) throw new PushError("fatal", "send-failed", `zstd failed: ${String(stderr)}`);
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
