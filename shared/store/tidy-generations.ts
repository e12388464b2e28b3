// Deletes the generations that nobody needs any more, a moment after the last push or seal: each deletion commits the
// filesystem, and a commit in the middle of the next increment costs it 10 to 30 ms. What cannot go now (a send still
// reads it), or only one of its two, goes at the next turn, at the latest at the next start.
import { join } from "node:path";
import PQueue from "p-queue";
import type { Logger } from "../log.js";
import { deleteGenerations, deletePair, listGenerations, listHalfDeleted } from "./generations.js";
import type { StoreLayout } from "./layout.js";

const QUIET_MS = 1000;
/** Under steady traffic there is no quiet: then after this long. */
const MOST_MS = 5000;

export class GenerationTidier {
  readonly #store: StoreLayout;
  readonly #isNeeded: (generation: number) => boolean;
  readonly #onDelete: (generation: number) => void;
  readonly #log: Logger;
  readonly #runs = new PQueue({ concurrency: 1 });
  #timer: NodeJS.Timeout | undefined;
  #firstNoticeMs: number | undefined;

  /**
   * `isNeeded` is asked, and `onDelete` told, in the same turn in which the deletion starts: nobody can choose a
   * generation as a base in between.
   */
  constructor(
    store: StoreLayout,
    { isNeeded, onDelete = () => undefined }: { isNeeded: (n: number) => boolean; onDelete?: (n: number) => void },
    log: Logger,
  ) {
    this.#store = store;
    this.#isNeeded = isNeeded;
    this.#onDelete = onDelete;
    this.#log = log;
  }

  /** Something changed: a generation was sealed, promoted or acked. */
  notice(): void {
    const nowMs = Date.now();
    this.#firstNoticeMs ??= nowMs;
    const delayMs = Math.max(0, Math.min(QUIET_MS, this.#firstNoticeMs + MOST_MS - nowMs));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.tidy(), delayMs);
  }

  /** Deletes now what is not needed now. Never rejects. */
  tidy(): Promise<void> {
    this.#firstNoticeMs = undefined;
    return this.#runs.add(async () => {
      try {
        const whole = await listGenerations(this.#store);
        const half = await listHalfDeleted(this.#store, whole.at(-1) ?? 0);
        const unneeded = whole.filter((generation) => !this.#isNeeded(generation));
        for (const generation of unneeded) this.#onDelete(generation);
        await deleteGenerations(this.#store, unneeded);
        for (const name of half) await deletePair(join(this.#store.generations, name));
      } catch (error) {
        this.#log.warn("older generations stay for now", { error });
      }
    });
  }

  /** Waits for a deletion under way; no other follows. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#runs.onIdle();
  }
}
