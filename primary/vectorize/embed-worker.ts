// A worker process of the vectorizer: events in, rows out, nothing kept. A crash here costs one job, which is done
// again elsewhere; it can never reach the ledger.

import { writeSync } from "node:fs";
import { embedHeuristic, heuristicSpace } from "../../shared/embed/heuristic.js";
import type { JsonValue } from "../../shared/format/canonical-json.js";
import { formatRows } from "../../shared/format/vector-row.js";
import { type EmbedReply, type EmbedRequest, STRINGS_PER_EVENT } from "./embed-protocol.js";

process.on("message", (request: EmbedRequest) => process.send?.(embed(request)));
// The parent's end closes this one's reason to be.
process.on("disconnect", () => process.exit(0));
// The default report quotes what could not be parsed, which is an event: only the kind of failure is told.
process.on("uncaughtException", (error) => {
  writeSync(2, `embedding worker: ${error.name}\n`);
  process.exit(1);
});
// Ctrl-C reaches the whole process group; the parent decides when its workers stop.
process.on("SIGINT", () => undefined);

function embed({ id, seqs, texts }: EmbedRequest): EmbedReply {
  const rows = seqs.map((seq, i) => {
    const at = i * STRINGS_PER_EVENT;
    const [action, element_id, element_type, timestamp, state] = texts.slice(at, at + STRINGS_PER_EVENT) as Strings;
    const entry = { action, element_id, element_type, timestamp };
    return { seq, vector: embedHeuristic(entry, JSON.parse(state) as JsonValue) };
  });
  return { id, rows: formatRows(rows, heuristicSpace.dimensions) };
}

type Strings = [action: string, elementId: string, elementType: string, timestamp: string, state: string];
