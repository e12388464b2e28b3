// Whether the ledger's turn hangs for a reason that a restart would cure. A turn, be it a batch or a seal, is over in seconds: what
// it waits for itself has a limit, and the rest is the kernel's. A slow disk must never look like a hang: the daemon would be
// killed and started in a circle, each time with the recovery of the store before it.
import type { Logger } from "../shared/log.js";
import { waitsForKernel } from "../shared/waits-for-kernel.js";

export interface HangOptions {
  /** When the turn of now began, by `performance.now()`; undefined while none runs. */
  turnBeganMs: () => number | undefined;
  /** Whether this process or one of its children waits for a device. */
  waitsForDevice?: () => boolean;
  log: Pick<Logger, "error">;
}

/** So many looks in a row must find it: between two waits for a disk a process computes. */
const LOOKS = 4;

export class HangFinder {
  readonly #options: HangOptions;
  #turn: number | undefined;
  #seen = 0;

  constructor(options: HangOptions) {
    this.#options = options;
  }

  /** One look. @returns what hangs, once it is sure */
  look(patienceMs: number, nowMs = performance.now()): string | undefined {
    const began = this.#options.turnBeganMs();
    const { waitsForDevice = waitsForKernel, log } = this.#options;
    const isLong = began !== undefined && nowMs - began > patienceMs;
    if (!isLong || began !== this.#turn || waitsForDevice()) this.#seen = 0;
    else this.#seen += 1;
    this.#turn = began;
    if (this.#seen < LOOKS || began === undefined) return undefined;
    const seconds = Math.round((nowMs - began) / 1000);
    log.error("the ledger hangs, and no disk holds it up: a restart is due", { seconds });
    return `the ledger has hung for ${seconds} s, and no disk holds it up`;
  }
}
