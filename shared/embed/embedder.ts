// What makes events into vectors of one space, and its description, which crosses to the process that opens it. Vectors of
// two spaces are never compared, so everything that makes rows names the space they are of.
import type { JsonValue } from "../format/canonical-json.js";
import type { Entry } from "../format/entry.js";
import type { ModelSpace, Space } from "../format/space.js";
import type { StoredModel } from "../models/stored-model.js";
import { embedHeuristic, heuristicSpace } from "./heuristic.js";
import type { RecentActions } from "./recent-actions.js";

export interface EventToEmbed {
  entry: Pick<Entry, "action" | "element_id" | "element_type" | "timestamp">;
  /** Its parsed `state_snapshot`. */
  state: JsonValue;
  /** Those that its element had before it in the ledger; a model needs none. */
  recentActions: RecentActions;
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
export type EmbedderSpec = HeuristicSpec | ModelSpec;

export interface HeuristicSpec {
  kind: "heuristic";
  space: Space;
}

export interface ModelSpec {
  kind: "model";
  space: ModelSpace;
  model: StoredModel;
  /** Where vectors of texts are kept that were embedded before, by all processes. */
  cache?: { path: string; maxBytes: number } | undefined;
}

export const HEURISTIC_SPEC: HeuristicSpec = { kind: "heuristic", space: heuristicSpace };

/**
 * A model takes its time and its memory: for processes of their own. `onCacheLeftOut` is told that the cache cannot be used
 * for now, which costs time and nothing else.
 *
 * @throws EmbedError
 */
export async function openEmbedder(spec: EmbedderSpec, onCacheLeftOut?: (error: unknown) => void): Promise<Embedder> {
  if (spec.kind === "heuristic") return openHeuristic(spec);
  // What models need is loaded with the first of them: a worker of the heuristic starts in two thirds of the time.
  const { openModelEmbedder } = await import("./open-model-embedder.js");
  return openModelEmbedder(spec, onCacheLeftOut);
}

function openHeuristic({ space }: HeuristicSpec): Embedder {
  return {
    space,
    embed: async (events) =>
      events.map(({ entry, state, recentActions }) => embedHeuristic(entry, state, recentActions)),
    close: async () => undefined,
  };
}
