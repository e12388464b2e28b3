// Sees to it that what a seal went without follows: once the late vectors of the newest generation are there, a seal is
// asked for, whether or not another event comes.
import type { SeqRanges } from "../../shared/format/seq-ranges.js";
import type { VectorRows } from "../event.js";

export interface FollowLateOptions {
  vectors: Pick<VectorRows, "drained">;
  /** Asks for a seal. */
  onThere: () => void;
  signal: AbortSignal;
}

export class LateFollower {
  readonly #options: FollowLateOptions;
  /** Events below it were late in the newest seal or had their vectors; 0 if none was late. */
  #uptoSeq = 0;
  /** Events below it have their vectors. */
  #thereSeq = 0;
  #waiting = false;

  constructor(options: FollowLateOptions) {
    this.#options = options;
  }

  /** What the newest seal calls late. */
  sealed(late: SeqRanges): void {
    const last = late.at(-1);
    this.#uptoSeq = last ? last[1] + 1 : 0;
    if (this.#uptoSeq > 0 && !this.#waiting) void this.#wait();
  }

  /** Whether vectors that were late wait for a seal. */
  get isDue(): boolean {
    return this.#uptoSeq > 0 && this.#thereSeq >= this.#uptoSeq;
  }

  /** One wait at a time, however many seals go without: a later one makes it longer. */
  async #wait(): Promise<void> {
    const { vectors, onThere, signal } = this.#options;
    this.#waiting = true;
    try {
      while (this.#uptoSeq > this.#thereSeq) {
        const uptoSeq = this.#uptoSeq;
        await vectors.drained(uptoSeq, signal);
        this.#thereSeq = uptoSeq;
      }
      if (this.isDue) onThere();
    } catch (error) {
      // The daemon stops: what is late is found at the next start.
      if (!signal.aborted) throw error;
    } finally {
      this.#waiting = false;
    }
  }
}
