// A worker process of the vectorizer: events in, rows out, nothing kept. A crash here costs one job, which is done
// again elsewhere; it can never reach the ledger.
import { writeSync } from "node:fs";
import {
  type EventToEmbed,
  embedderOf,
  isRowLevel,
  type LevelOfPriority,
  type RowLevel,
} from "../../shared/embed/levels.js";
import type { JsonValue } from "../../shared/format/canonical-json.js";
import type { Entry } from "../../shared/format/entry.js";
import { stateTextOf } from "../../shared/format/payload.js";
import { formatRows } from "../../shared/format/vector-row.js";
import { readEventBatches, type StoredEvent } from "../../shared/store/read-events.js";
import {
  type EmbedReply,
  type EmbedRequest,
  type EventPlace,
  type EventsToEmbed,
  type RangeToEmbed,
  type RowsOfLevel,
  STRINGS_PER_EVENT,
} from "./embed-protocol.js";
import { isSealEntry } from "./find-rowless.js";

process.on("message", (request: EmbedRequest) => {
  void answer(request).then(send);
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

function send(reply: EmbedReply): void {
  // A parent that closed meanwhile wants no answer.
  process.send?.(reply, undefined, undefined, (error) => error && process.exit(0));
}

async function answer(request: EmbedRequest): Promise<EmbedReply> {
  const { id } = request;
  if ("range" in request) return { id, ...(await embedRange(request.range)) };
  return { id, rows: [await formatLevel(request.level, eventsOf(request))] };
}

interface NumberedEvent extends EventToEmbed {
  seq: number;
}

function eventsOf({ seqs, texts }: EventsToEmbed): NumberedEvent[] {
  return seqs.map((seq, i) => {
    const at = i * STRINGS_PER_EVENT;
    const [action, element_id, element_type, timestamp, state] = texts.slice(at, at + STRINGS_PER_EVENT) as Strings;
    return { seq, entry: { action, element_id, element_type, timestamp }, state: JSON.parse(state) as JsonValue };
  });
}

type Strings = [action: string, elementId: string, elementType: string, timestamp: string, state: string];

async function formatLevel(level: RowLevel, events: readonly NumberedEvent[]): Promise<RowsOfLevel> {
  const { space, embed } = embedderOf(level);
  const vectors = await embed(events);
  const rows = events.map(({ seq }, i) => ({ seq, vector: vectors[i] as Float32Array }));
  return { level, firstSeq: (events[0] as NumberedEvent).seq, rows: formatRows(rows, space) };
}

/** Read at the most for one reply: a job must end well before it counts as silent. */
const MOST_RANGE_BYTES = 16 * 1024 * 1024;

async function embedRange(range: RangeToEmbed): Promise<Omit<EmbedReply, "id">> {
  const skip = new Set(range.skip);
  const events = new Map<RowLevel, NumberedEvent[]>();
  let last: EventPlace | undefined;
  let bytes = 0;
  const enough = () => last?.entry.seq === range.to - 1 || bytes >= MOST_RANGE_BYTES;
  for await (const batch of readEventBatches(range, range.from, range.known)) {
    if (!Array.isArray(batch)) break;
    for (const event of batch) {
      last = { entry: placeOf(event.entry), payload: placeOf(event.payload) };
      bytes += event.payload.bytes.length;
      if (!skip.has(event.seq)) addStored(events, event, range.levels);
      if (enough()) break;
    }
    if (enough()) break;
  }
  if (!enough()) throw new Error("the ledger ends before the range");
  return { rows: await Promise.all([...events].map(([level, ofLevel]) => formatLevel(level, ofLevel))), last };
}

/** These lines were written by this primary: they are not checked again. */
function addStored(
  events: Map<RowLevel, NumberedEvent[]>,
  { seq, entry: line, payload }: StoredEvent,
  levels: LevelOfPriority,
): void {
  const entry = JSON.parse(line.bytes.toString()) as Entry;
  const level = levels[entry.priority];
  if (isSealEntry(entry) || !isRowLevel(level)) return;
  const event = { seq, entry, state: JSON.parse(stateTextOf(payload.bytes.toString())) as JsonValue };
  const ofLevel = events.get(level);
  if (ofLevel) ofLevel.push(event);
  else events.set(level, [event]);
}

function placeOf({ seq, file, offset }: EventPlace["entry"]): EventPlace["entry"] {
  return { seq, file, offset };
}
