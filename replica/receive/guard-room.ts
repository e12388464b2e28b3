// Room on the volume while a push comes in. What was free at its start says nothing about a stream that does not end, and
// a btrfs that runs full fails more than this push: the stores beside it, and what would have to be deleted.
import { freeSpace, syncFilesystem } from "../../shared/store/btrfs.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import { ReceiveError } from "./receive-error.js";

const LOOK_EVERY_BYTES = 64 * 1024 * 1024;

export class RoomGuard {
  readonly #dir: string;
  readonly #minFreeBytes: number;
  readonly #spares: SpareProcesses;
  #sinceLookBytes = 0;
  #sinceSyncBytes = 0;

  constructor(dir: string, minFreeBytes: number, spares: SpareProcesses) {
    this.#dir = dir;
    this.#minFreeBytes = minFreeBytes;
    this.#spares = spares;
  }

  /**
   * Counts what comes in, and looks now and then: then there is a promise to wait for.
   *
   * @throws ReceiveError `no-space` once less than `minFreeBytes` are free where `dir` lies
   */
  take(bytes: number): Promise<void> | undefined {
    this.#sinceLookBytes += bytes;
    return this.#sinceLookBytes < LOOK_EVERY_BYTES ? undefined : this.#look();
  }

  async #look(): Promise<void> {
    this.#sinceSyncBytes += this.#sinceLookBytes;
    this.#sinceLookBytes = 0;
    const { freeBytes } = await freeSpace(this.#dir);
    if (freeBytes - this.#sinceSyncBytes >= this.#minFreeBytes) return;
    // What waits in memory is counted as free. It may take all of its bytes on disk, or compress to nearly none.
    await syncFilesystem(this.#dir, { spares: this.#spares });
    this.#sinceSyncBytes = 0;
    await this.#requireRoom();
  }

  async #requireRoom(): Promise<void> {
    const { freeBytes } = await freeSpace(this.#dir);
    if (freeBytes >= this.#minFreeBytes) return;
    const message = `${freeBytes} bytes are left free by what has arrived; receive.min_free_bytes is ${this.#minFreeBytes}`;
    throw new ReceiveError("no-space", message, { hint: "free space on the replica" });
  }
}
