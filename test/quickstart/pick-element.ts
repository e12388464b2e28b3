// An element of this machine's own history to ask about: the one with the longest chain among the newest events.
import { askSocket, pathWith } from "../../shared/cli/ask-socket.js";
import type { EventSummary } from "../../shared/query/query-context.js";
import type { Session } from "./make-session.js";

export interface PickedElement {
  elementId: string;
  /** `Package` or `File`. */
  elementType: string;
  /** Words that find it: what was done to it, and its name. */
  words: string;
}

const TYPES = new Set(["Package", "File"]);

export async function pickElement(session: Session): Promise<PickedElement> {
  const { results } = await askSocket<{ results: EventSummary[] }>({
    socketPath: session.socket("replica", "query"),
    path: pathWith("/v1/timeline", { reverse: true, limit: 1000 }),
  });
  const events = results.filter(({ element_type }) => TYPES.has(element_type));
  const longest = events.reduce(
    (best, event) => (event.height > best.height ? event : best),
    events[0] as EventSummary,
  );
  session.element = longest.element_id;
  // `package:openssl:amd64`, `file:/etc/hosts`
  const [, name = ""] = longest.element_id.split(":");
  const actions = new Set(events.filter((e) => e.element_id === longest.element_id).map(({ action }) => action));
  actions.delete("configured");
  return {
    elementId: longest.element_id,
    elementType: longest.element_type,
    words: `${[...actions][0] ?? longest.action} ${name.split("/").at(-1)}`,
  };
}
