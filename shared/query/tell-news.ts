// What the daemon wants whoever answers queries to know: the newest promotion of each store, and what its primary last said.
// Remembered while nobody listens, and one promotion of a store under way at a time; those that come meanwhile join. So
// what is held grows with the stores, and never with the time that nobody listened.
import type { Logger } from "../log.js";
import type { NewsAnswer, PrimaryHead, Promoted, QueryNews } from "./query-message.js";

export interface NewsTellerOptions {
  /** Queries of the store are answered from this generation. Told once for each that is later than the last. */
  onAnswered?: (store: string, answered: Promoted) => void;
  log: Logger;
}

/** Takes what is told now, in order, without waiting. */
export type NewsListener = (news: QueryNews) => void;

export class NewsTeller {
  readonly #options: NewsTellerOptions;
  readonly #heads = new Map<string, PrimaryHead>();
  /** Newest promotion of each store that has not been answered. */
  readonly #wanted = new Map<string, number>();
  /** Newest generation of each store that has been answered. */
  readonly #answered = new Map<string, number>();
  /** The promotion of each store that the listener has been told of, and has not answered. */
  readonly #told = new Map<string, number>();
  #listener: NewsListener | undefined;

  constructor(options: NewsTellerOptions) {
    this.#options = options;
  }

  /** Says that `<store>/current` now is `generation`. */
  promoted(store: string, generation: number): void {
    if (generation <= (this.#wanted.get(store) ?? 0)) return;
    this.#wanted.set(store, generation);
    this.#tell(store);
  }

  /** What the primary last said about its own ledger: answers say how far behind it they are. */
  setPrimaryHead(store: string, head: PrimaryHead): void {
    this.#heads.set(store, head);
    this.#listener?.({ op: "primary-head", store, head });
  }

  /** Tells `listener` all that is remembered, and from now on what is new. It takes the place of any other. */
  attach(listener: NewsListener): void {
    this.#listener = listener;
    this.#told.clear();
    for (const [store, head] of this.#heads) listener({ op: "primary-head", store, head });
    for (const store of this.#wanted.keys()) this.#tell(store);
  }

  detach(): void {
    this.#listener = undefined;
    this.#told.clear();
  }

  /** What the listener has to say. An answer that nothing was asked for is of a generation that was found on disk. */
  heard(answer: NewsAnswer): void {
    const { store, generation } = answer;
    const told = this.#told.get(store);
    if (answer.op === "not-answered") {
      if (told !== generation) return;
      this.#options.log.error("a generation is not answered yet", { store, generation, error: answer.error });
    } else {
      this.#noteAnswered(answer);
      if (told !== undefined && generation < told) return;
    }
    this.#told.delete(store);
    const wanted = this.#wanted.get(store);
    if (wanted !== undefined && wanted > generation) this.#tell(store);
    else if (answer.op === "answered") this.#wanted.delete(store);
  }

  #noteAnswered({ store, generation, size }: Promoted & { store: string }): void {
    if (generation <= (this.#answered.get(store) ?? 0)) return;
    this.#answered.set(store, generation);
    this.#options.onAnswered?.(store, { generation, size });
  }

  #tell(store: string): void {
    const generation = this.#wanted.get(store);
    if (!this.#listener || generation === undefined || this.#told.has(store)) return;
    this.#told.set(store, generation);
    this.#listener({ op: "promoted", store, generation });
  }
}
