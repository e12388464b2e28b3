// Who answers on query.sock, by the configuration: the daemon's child, or the service of `query.user`. For clients that find
// nobody there, and tell the operator what to start.
import type { Ask } from "../cli/ask-socket.js";

/** The query socket, and what listens on it. */
export type Answerer = Pick<Ask, "socketPath" | "startedBy" | "units">;

export function nameAnswerer(daemon: "primary" | "replica", socketPath: string, user: string | undefined): Answerer {
  const bin = `isochron-${daemon}`;
  if (user === undefined) return { socketPath, startedBy: `${bin} serve` };
  // The socket stands first: without it the service is started for nothing.
  return { socketPath, startedBy: `${bin} serve-queries`, units: [`${bin}-queries.socket`, `${bin}-queries`] };
}
