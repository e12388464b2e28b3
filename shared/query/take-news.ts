// What whoever answers queries does with what the daemon tells it.
import type { OnAnswered, QueryEngine } from "./engine.js";
import type { NewsAnswer, QueryNews } from "./query-message.js";

/** Never rejects: what cannot be answered is said so, and once it can be after all, that too. */
export async function takeNews(
  engine: Pick<QueryEngine, "promoted" | "setPrimaryHead">,
  news: QueryNews,
  answer: (answer: NewsAnswer) => void,
): Promise<void> {
  if (news.op === "primary-head") return engine.setPrimaryHead(news.store, news.head);
  const { store, generation } = news;
  const onAnswered: OnAnswered = (of, answered) => answer({ op: "answered", store: of, ...answered });
  try {
    onAnswered(store, await engine.promoted(store, generation, onAnswered));
  } catch (error) {
    answer({ op: "not-answered", store, generation, error: (error as Error).message });
  }
}
