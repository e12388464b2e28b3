// The line of `status` that says which service answers queries; there is none where a child of the daemon does.
import type { AnsweredBy } from "../query/start-queries.js";

export function formatAnsweredBy(answeredBy: AnsweredBy, daemon: "primary" | "replica"): string[] {
  if (answeredBy.by === "child") return [];
  const { user, connected, since, pid, version, problem } = answeredBy;
  const time = `since ${since.slice(0, 19)}Z`;
  if (connected) return [`queries   answered by the service of ${user}, pid ${pid}, ${version}, ${time}`];
  const hint = `isochron-${daemon} serve-queries as ${user}`;
  return [`queries   no service is connected, ${time}: ${problem} (it is \`${hint}\`)`];
}
