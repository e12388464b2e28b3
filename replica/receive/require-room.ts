// The room a push needs on the replica's volume: what its operator wants to stay free, and enough metadata. Said in every
// hello, so that nothing is sent in vain, and asked again before each push.
import type { HelloRoom } from "../../shared/protocol/protocol.js";
import { VolumeRoom } from "../../shared/store/read-room.js";
import { ReceiveError } from "./receive-error.js";

/**
 * Measured on a volume of 256 MiB filled with small files: writes failed with ENOSPC while 8 MiB of metadata were free by
 * this count, and statfs showed 28 MiB of room.
 */
export const LEAST_METADATA_BYTES = 16 * 1024 * 1024;

export class ReplicaRoom {
  readonly #volume: VolumeRoom;
  readonly #minFreeBytes: number;

  /** `path`: any folder on the volume. */
  constructor(path: string, minFreeBytes: number) {
    this.#volume = new VolumeRoom(path);
    this.#minFreeBytes = minFreeBytes;
  }

  /** For the answer to a hello. */
  async describe(): Promise<HelloRoom> {
    const { freeBytes, metadataFreeBytes } = await this.#volume.read();
    return {
      free_bytes: freeBytes,
      min_free_bytes: this.#minFreeBytes,
      ...(metadataFreeBytes === undefined
        ? {}
        : { metadata_free_bytes: metadataFreeBytes, min_metadata_bytes: LEAST_METADATA_BYTES }),
    };
  }

  /** `pendingBytes`: what has arrived, waits in memory and is counted as free. @throws ReceiveError `no-space` */
  async require(pendingBytes = 0): Promise<void> {
    const { freeBytes, metadataFreeBytes } = await this.#volume.read();
    if (freeBytes - pendingBytes < this.#minFreeBytes) {
      const message = `${freeBytes} bytes are free here; receive.min_free_bytes is ${this.#minFreeBytes}`;
      throw new ReceiveError("no-space", message, { hint: "free space on the replica, or give its volume more" });
    }
    if (metadataFreeBytes !== undefined && metadataFreeBytes < LEAST_METADATA_BYTES) {
      const message = `${metadataFreeBytes} bytes are left here for btrfs metadata; a push needs ${LEAST_METADATA_BYTES}`;
      throw new ReceiveError("no-space", message, { hint: METADATA_HINT });
    }
  }
}

const METADATA_HINT =
  "on the replica: `btrfs filesystem usage`, then delete files, give the volume more, or `btrfs balance start -dusage=50`";
