// What makes events into vectors of one space, and its description, which crosses to the process that opens it. Vectors of
// two spaces are never compared, so everything that makes rows names the space they are of.
import type { JsonValue } from "../format/canonical-json.js";
import type { Entry } from "../format/entry.js";
import type { Space } from "../format/space.js";
import { embedHeuristic, heuristicSpace } from "./heuristic.js";

export interface EventToEmbed {
  entry: Pick<Entry, "action" | "element_id" | "element_type" | "timestamp">;
  /** Its parsed `state_snapshot`. */
  state: JsonValue;
}

export interface Embedder {
  readonly space: Space;
  /**
   * A vector for each event, in their order, each of the space's dimensions and finite. With `withinMs`, only for the first
   * ones when more would take longer, for one at least.
   *
   * @throws EmbedError
   */
  embed(events: readonly EventToEmbed[], withinMs?: number): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** How an embedder is opened, in whatever process. */
export interface HeuristicSpec {
  kind: "heuristic";
  space: Space;
}

export type EmbedderSpec = HeuristicSpec;

export const HEURISTIC_SPEC: HeuristicSpec = { kind: "heuristic", space: heuristicSpace };

/** @throws EmbedError */
export async function openEmbedder(spec: EmbedderSpec): Promise<Embedder> {
  return {
    space: spec.space,
    embed: async (events) => events.map(({ entry, state }) => embedHeuristic(entry, state)),
    close: async () => undefined,
  };
}
