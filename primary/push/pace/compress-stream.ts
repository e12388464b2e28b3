// A stage of a push: a stream through the program `zstd`. It is started when the first byte is asked for, and ends with
// the stream, whichever way that goes.
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { PushError } from "../push-error.js";

/**
 * @throws PushError `send-failed` if zstd fails; what `source` throws. A stream that was not read to its end, or that threw,
 * is not whole.
 */
export async function* throughZstd(
  source: AsyncIterable<Buffer>,
  level: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, void> {
  // In one thread: with its default of one worker it gives nothing out before it has some MiB, and the link waits.
  const zstd = execa("zstd", [`-${level}`, "--single-thread", "-q", "-c"], {
    buffer: { stdout: false, stderr: true },
    encoding: "buffer",
    reject: false,
    cancelSignal: signal,
  });
  const fed = pipeline(source, zstd.stdin);
  fed.catch(() => undefined);
  try {
    yield* zstd.stdout as AsyncIterable<Buffer>;
    // Why the source ended early comes before what zstd says of half a stream.
    const [fedResult, ended] = await Promise.all([fed.catch((error: unknown) => ({ error })), zstd]);
    if (ended.failed) throw new PushError("fatal", "send-failed", `zstd failed: ${String(ended.stderr)}`);
    if (fedResult) throw fedResult.error;
  } finally {
    zstd.kill();
    await Promise.allSettled([fed, zstd]);
  }
}
