// The body of a push: `btrfs send` of timing, then of vector, back to back, optionally through zstd. Both sends are
// started at once, the second waits in its pipe: that hides a process start from every increment.
import { PassThrough, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { requireSuccess, spawnSend } from "../../shared/store/btrfs.js";
import { SUBVOLUMES, type TreeLayout } from "../../shared/store/layout.js";
import type { BtrfsProcess, SpareProcesses } from "../../shared/store/spare-processes.js";
import { PushError } from "./push-error.js";

export interface GenerationStream {
  tree: TreeLayout;
  /** The base's folders, `undefined` for a full send. */
  base: TreeLayout | undefined;
  compressedData: boolean;
  zstdLevel: number | undefined;
  spares?: SpareProcesses;
  signal: AbortSignal;
  /** Told of every chunk on its way out: bytes on the wire. */
  onBytes: (bytes: number) => void;
}

/** Sends to `target` and ends it. @throws PushError `send-failed`; what `target` fails with */
export async function streamGeneration(options: GenerationStream, target: Writable): Promise<void> {
  const { tree, base, zstdLevel, compressedData, spares, signal } = options;
  const common = { compressedData, spares, signal };
  const sends = SUBVOLUMES.map((name) =>
    startSend(spawnSend({ path: tree.subvolume(name), parent: base?.subvolume(name), ...common })),
  );
  const ends = Promise.allSettled(sends.map(({ process }) => process));
  try {
    if (zstdLevel === undefined) await pipeSends(sends, target, options);
    else await pipeThroughZstd(sends, target, zstdLevel, options);
  } finally {
    // A target that failed leaves sends that nobody reads.
    for (const { process } of sends) process.kill();
    await ends;
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

async function pipeSends(sends: StartedSend[], target: Writable, { onBytes }: Pick<GenerationStream, "onBytes">) {
  await pipeline(sendBytes(sends, onBytes), target);
}

async function pipeThroughZstd(
  sends: StartedSend[],
  target: Writable,
  level: number,
  { onBytes, signal }: GenerationStream,
) {
  const zstd = execa("zstd", [`-${level}`, "-q", "-c"], {
    buffer: { stdout: false, stderr: true },
    encoding: "buffer",
    reject: false,
    cancelSignal: signal,
  });
  await Promise.all([
    pipeline(
      sendBytes(sends, () => undefined),
      zstd.stdin,
    ),
    pipeline(counted(zstd.stdout, onBytes), target),
  ]);
  const { failed, stderr } = await zstd;
  if (failed) throw new PushError("fatal", "send-failed", `zstd failed: ${String(stderr)}`);
}

async function* sendBytes(sends: StartedSend[], onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  for (const { process, stream } of sends) {
    yield* counted(stream, onBytes);
    try {
      requireSuccess(await process, "the generation");
    } catch (cause) {
      throw new PushError("retryable", "send-failed", `btrfs send failed: ${(cause as Error).message}`, { cause });
    }
  }
}

async function* counted(stream: AsyncIterable<Buffer>, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    onBytes(chunk.length);
    yield chunk;
  }
}
