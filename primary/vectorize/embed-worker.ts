// A worker process of the vectorizer: events in, rows out, nothing kept. A crash here costs one job, which is done
// again elsewhere; it can never reach the ledger.

import { writeSync } from "node:fs";
import { embedHeuristic, heuristicSpace } from "../../shared/embed/heuristic.js";
import type { JsonValue } from "../../shared/format/canonical-json.js";
import type { Entry } from "../../shared/format/entry.js";
import { stateTextOf } from "../../shared/format/payload.js";
import { SEAL_ACTION, SEAL_ELEMENT_TYPE } from "../../shared/format/seal.js";
import { formatRows, type VectorRow } from "../../shared/format/vector-row.js";
import { readEventBatches, type StoredEvent } from "../../shared/store/read-events.js";
import {
  type EmbedReply,
  type EmbedRequest,
  type EventPlace,
  type EventsToEmbed,
  type RangeToEmbed,
  STRINGS_PER_EVENT,
} from "./embed-protocol.js";

process.on("message", (request: EmbedRequest) => {
  void answer(request).then((reply) => process.send?.(reply));
});
// The parent's end closes this one's reason to be.
process.on("disconnect", () => process.exit(0));
// The default report quotes what could not be parsed, which is an event: only the kind of failure is told.
process.on("uncaughtException", (error) => {
  writeSync(2, `embedding worker: ${error.name}\n`);
  process.exit(1);
});
// Ctrl-C reaches the whole process group; the parent decides when its workers stop.
process.on("SIGINT", () => undefined);

// A rejection is handled as any other failure: the process ends, and its job is done again.
process.on("unhandledRejection", (error) => {
  throw error;
});

async function answer(request: EmbedRequest): Promise<EmbedReply> {
  const { id } = request;
  if ("range" in request) return { id, ...(await embedRange(request.range)) };
  return { id, rows: formatRows(embedEvents(request), heuristicSpace.dimensions) };
}

function embedEvents({ seqs, texts }: EventsToEmbed): VectorRow[] {
  return seqs.map((seq, i) => {
    const at = i * STRINGS_PER_EVENT;
    const [action, element_id, element_type, timestamp, state] = texts.slice(at, at + STRINGS_PER_EVENT) as Strings;
    const entry = { action, element_id, element_type, timestamp };
    return { seq, vector: embedHeuristic(entry, JSON.parse(state) as JsonValue) };
  });
}

type Strings = [action: string, elementId: string, elementType: string, timestamp: string, state: string];

/** Read at the most for one reply: a job must end well before it counts as silent. */
const MOST_RANGE_BYTES = 16 * 1024 * 1024;

async function embedRange(range: RangeToEmbed): Promise<{ rows: Buffer; last: EventPlace | undefined }> {
  const skip = new Set(range.skip);
  const rows: VectorRow[] = [];
  let last: EventPlace | undefined;
  let bytes = 0;
  const enough = () => last?.entry.seq === range.to - 1 || bytes >= MOST_RANGE_BYTES;
  for await (const batch of readEventBatches(range, range.from, range.known)) {
    if (!Array.isArray(batch)) break;
    for (const event of batch) {
      last = { entry: placeOf(event.entry), payload: placeOf(event.payload) };
      bytes += event.payload.bytes.length;
      const row = skip.has(event.seq) ? undefined : embedStored(event);
      if (row) rows.push(row);
      if (enough()) break;
    }
    if (enough()) break;
  }
  if (!enough()) throw new Error("the ledger ends before the range");
  return { rows: formatRows(rows, heuristicSpace.dimensions), last };
}

/** These lines were written by this primary: they are not checked again. */
function embedStored({ seq, entry: line, payload }: StoredEvent): VectorRow | undefined {
  const entry = JSON.parse(line.bytes.toString()) as Entry;
  // A seal speaks of vectors and has none.
  if (entry.element_type === SEAL_ELEMENT_TYPE && entry.action === SEAL_ACTION) return undefined;
  return { seq, vector: embedHeuristic(entry, JSON.parse(stateTextOf(payload.bytes.toString())) as JsonValue) };
}

function placeOf({ seq, file, offset }: EventPlace["entry"]): EventPlace["entry"] {
  return { seq, file, offset };
}
