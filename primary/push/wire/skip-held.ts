// Goes on with a push that was cut: makes the same streams again, and leaves out what the replica has kept of them. For the
// same read-only snapshots `btrfs send` writes the same bytes, also after a balance; whether it did is checked here.
import { CommandWalker, type StreamPlace } from "../../../shared/store/walk-commands.js";

/**
 * The bytes of `source` behind `held`; `undefined`, with the source ended, if what comes before is not what the replica
 * has. @throws what `source` fails with, and the reason of `signal`
 */
export async function skipHeld(
  source: AsyncGenerator<Buffer>,
  held: StreamPlace,
  signal: AbortSignal,
): Promise<AsyncGenerator<Buffer> | undefined> {
  const walker = new CommandWalker();
  try {
    while (walker.place.bytes < held.bytes) {
      signal.throwIfAborted();
      const { value: chunk, done } = await source.next();
      if (done) break;
      const usedBytes = walker.walk(chunk, held.bytes);
      if (walker.place.bytes >= held.bytes) {
        if (walker.place.bytes > held.bytes || walker.place.digest !== held.digest) break;
        const rest = restOf(chunk.subarray(usedBytes), source);
        // So that it is begun: a generator that is not ends nothing when it is let go.
        await rest.next();
        return rest;
      }
    }
  } catch (error) {
    await source.return(undefined);
    throw error;
  }
  await source.return(undefined);
  return undefined;
}

/** Gives one empty chunk before. */
async function* restOf(first: Buffer, source: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield Buffer.alloc(0);
    if (first.length > 0) yield first;
    yield* source;
  } finally {
    await source.return(undefined);
  }
}
