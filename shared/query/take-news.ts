// What whoever answers queries does with what the daemon tells it.
import type { QueryEngine } from "./engine.js";
import type { NewsAnswer, QueryNews } from "./query-message.js";

/** Never rejects: what cannot be answered is said so. */
export async function takeNews(
  engine: Pick<QueryEngine, "promoted" | "setPrimaryHead">,
  news: QueryNews,
  answer: (answer: NewsAnswer) => void,
): Promise<void> {
  if (news.op === "primary-head") return engine.setPrimaryHead(news.store, news.head);
  const { store, generation } = news;
  try {
    answer({ op: "answered", store, ...(await engine.promoted(store, generation)) });
  } catch (error) {
    answer({ op: "not-answered", store, generation, error: (error as Error).message });
  }
}
