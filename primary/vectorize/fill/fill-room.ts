// How much of the volume fills may still take. A fill makes rows without anyone waiting for them, as many as the ledger has
// events: it must never be what fills the volume, for then the ledger takes no more events.
import type { VolumeRoom } from "../../../shared/store/read-room.js";

/** Left to the ledger, whatever is filled. */
const LEAST_LEFT_BYTES = 64 * 1024 * 1024;
const LEAST_LEFT_SHARE = 0.05;
/** Without metadata nothing can be written at all. */
const LEAST_METADATA_BYTES = 16 * 1024 * 1024;
/** Rows of a second are few against what is left. */
const LOOK_EVERY_MS = 1000;

export class FillRoom {
  readonly #volume: Pick<VolumeRoom, "read">;
  readonly #now: () => number;
  #bytes = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(volume: Pick<VolumeRoom, "read">, now: () => number = () => performance.now()) {
    this.#volume = volume;
    this.#now = now;
  }

  async read(): Promise<number> {
    if (this.#now() - this.#lookedAtMs < LOOK_EVERY_MS) return this.#bytes;
    this.#bytes = roomFor(await this.#volume.read());
    this.#lookedAtMs = this.#now();
    return this.#bytes;
  }
}

function roomFor({ freeBytes, totalBytes, metadataFreeBytes }: Awaited<ReturnType<VolumeRoom["read"]>>): number {
  if (metadataFreeBytes !== undefined && metadataFreeBytes < LEAST_METADATA_BYTES) return 0;
  return Math.max(0, freeBytes - Math.max(LEAST_LEFT_BYTES, totalBytes * LEAST_LEFT_SHARE));
}
