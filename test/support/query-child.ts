// A query process as a daemon has it, and promotions that can be waited for.
import type { Logger } from "../../shared/log.js";
import type { Promoted, QueryOptions } from "../../shared/query/query-message.js";
import { startQueryProcess } from "../../shared/query/query-process.js";
import { NewsTeller } from "../../shared/query/tell-news.js";

export interface QueryChild {
  teller: NewsTeller;
  /** Resolves once queries are answered from that generation or a later one. */
  promoted(store: string, generation: number): Promise<Promoted>;
  stop(): Promise<void>;
}

export async function startQueryChild(options: QueryOptions & { log: Logger }): Promise<QueryChild> {
  const waiting = new Set<{ store: string; generation: number; resolve: (promoted: Promoted) => void }>();
  const newest = new Map<string, Promoted>();
  const teller = new NewsTeller({
    log: options.log,
    onAnswered: (store, answered) => {
      newest.set(store, answered);
      for (const one of waiting) {
        if (one.store !== store || one.generation > answered.generation) continue;
        waiting.delete(one);
        one.resolve(answered);
      }
    },
  });
  const child = await startQueryProcess({ ...options, teller });
  return {
    teller,
    promoted: (store, generation) =>
      new Promise((resolve) => {
        const answered = newest.get(store);
        if (answered && answered.generation >= generation) return resolve(answered);
        waiting.add({ store, generation, resolve });
        teller.promoted(store, generation);
      }),
    stop: () => child.stop(),
  };
}
