// Room on the volume while a push comes in. What was free at its start says nothing about a stream that does not end, and
// a btrfs that runs full fails more than this push: the stores beside it, and what would have to be deleted.
import { syncFilesystem } from "../../shared/store/btrfs.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import type { ReplicaRoom } from "./require-room.js";

const LOOK_EVERY_BYTES = 64 * 1024 * 1024;

export class RoomGuard {
  readonly #dir: string;
  readonly #room: ReplicaRoom;
  readonly #spares: SpareProcesses;
  #sinceLookBytes = 0;
  #sinceSyncBytes = 0;

  /** `dir`: a folder on the volume. */
  constructor(dir: string, room: ReplicaRoom, spares: SpareProcesses) {
    this.#dir = dir;
    this.#room = room;
    this.#spares = spares;
  }

  /**
   * Counts what comes in, and looks now and then: then there is a promise to wait for.
   *
   * @throws ReceiveError `no-space` once there is too little room, for data or for metadata
   */
  take(bytes: number): Promise<void> | undefined {
    this.#sinceLookBytes += bytes;
    return this.#sinceLookBytes < LOOK_EVERY_BYTES ? undefined : this.#look();
  }

  async #look(): Promise<void> {
    this.#sinceSyncBytes += this.#sinceLookBytes;
    this.#sinceLookBytes = 0;
    const isEnough = await this.#room.require(this.#sinceSyncBytes).then(
      () => true,
      () => false,
    );
    if (isEnough) return;
    // What waits in memory is counted as free. It may take all of its bytes on disk, or compress to nearly none.
    await syncFilesystem(this.#dir, { spares: this.#spares });
    this.#sinceSyncBytes = 0;
    await this.#room.require();
  }
}
