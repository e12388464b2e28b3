// Room on the volume while a push comes in. What was free at its start says nothing about a stream that does not end, and
// a btrfs that runs full fails more than this push: the stores beside it, and what would have to be deleted.
import { Transform } from "node:stream";
import { freeSpace, syncFilesystem } from "../../shared/store/btrfs.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import { ReceiveError } from "./receive-error.js";

const LOOK_EVERY_BYTES = 64 * 1024 * 1024;

/** Passes a stream on, and fails with `no-space` once less than `minFreeBytes` are free where `dir` lies. */
export function guardRoom(dir: string, minFreeBytes: number, spares: SpareProcesses): Transform {
  let sinceLookBytes = 0;
  let sinceSyncBytes = 0;
  const look = async () => {
    sinceSyncBytes += sinceLookBytes;
    sinceLookBytes = 0;
    const { freeBytes } = await freeSpace(dir);
    if (freeBytes - sinceSyncBytes >= minFreeBytes) return;
    // What waits in memory is counted as free. It may take all of its bytes on disk, or compress to nearly none.
    await syncFilesystem(dir, { spares });
    sinceSyncBytes = 0;
    await requireRoom(dir, minFreeBytes);
  };
  return new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      sinceLookBytes += chunk.length;
      if (sinceLookBytes < LOOK_EVERY_BYTES) done(null, chunk);
      else look().then(() => done(null, chunk), done);
    },
  });
}

/** @throws ReceiveError `no-space` */
async function requireRoom(dir: string, minFreeBytes: number): Promise<void> {
  const { freeBytes } = await freeSpace(dir);
  if (freeBytes >= minFreeBytes) return;
  const message = `${freeBytes} bytes are left free by what has arrived; receive.min_free_bytes is ${minFreeBytes}`;
  throw new ReceiveError("no-space", message, { hint: "free space on the replica" });
}
