// A range of the ledger made into rows by the worker that reads it: in chunks, so that what is read and not embedded is
// little, and until the time is up, so that the worker is soon free for what is more urgent.
import type { Embedder, EmbedderSpec, EventToEmbed } from "../../shared/embed/embedder.js";
import { NO_ACTIONS } from "../../shared/embed/recent-actions.js";
import type { JsonValue } from "../../shared/format/canonical-json.js";
import type { Entry } from "../../shared/format/entry.js";
import { stateTextOf } from "../../shared/format/payload.js";
import { spaceName } from "../../shared/format/space.js";
import { formatRows } from "../../shared/format/vector-row.js";
import { readEventBatches, type StoredEvent } from "../../shared/store/read-events.js";
import type { EventPlace, RangeToEmbed, RowsOfSpace } from "./embed-protocol.js";
import { isSealEntry } from "./find-rowless.js";

/** Read at the most for one reply: a job must end well before it counts as silent. */
const MOST_RANGE_BYTES = 16 * 1024 * 1024;
const CHUNK_EVENTS = 256;

export interface NumberedEvent extends EventToEmbed {
  seq: number;
}

export interface EmbeddedRange {
  rows: RowsOfSpace[];
  last: EventPlace | undefined;
}

interface ReadEvent {
  seq: number;
  place: EventPlace;
  /** Undefined for one that gets no row. */
  toEmbed: { spec: EmbedderSpec; event: NumberedEvent } | undefined;
}

export async function embedRange(
  range: RangeToEmbed,
  embedderOf: (spec: EmbedderSpec) => Promise<Embedder>,
  withinMs: number,
): Promise<EmbeddedRange> {
  const endMs = performance.now() + withinMs;
  const rows = new Map<string, RowsOfSpace[]>();
  let last: EventPlace | undefined;
  for await (const chunk of readChunks(range)) {
    const leftMs = Math.max(0, endMs - performance.now());
    const done = await embedChunk(chunk, embedderOf, leftMs);
    for (const one of done.rows) {
      const name = spaceName(one.space);
      rows.set(name, [...(rows.get(name) ?? []), one]);
    }
    last = done.last;
    if (last.entry.seq < (chunk.at(-1) as ReadEvent).seq || performance.now() >= endMs) break;
  }
  return { rows: [...rows.values()].map(joinRows), last };
}

/** Chunks up to the end of the range, or until enough was read. */
async function* readChunks(range: RangeToEmbed): AsyncGenerator<ReadEvent[]> {
  const skip = new Set(range.skip);
  const noRows = { ...range, specs: {} };
  let chunk: ReadEvent[] = [];
  let bytes = 0;
  for await (const batch of readEventBatches(range, range.from, range.known)) {
    if (!Array.isArray(batch)) break;
    for (const event of batch) {
      chunk.push(readStored(event, skip.has(event.seq) ? noRows : range));
      bytes += event.payload.bytes.length;
      const isEnd = event.seq === range.to - 1 || bytes >= MOST_RANGE_BYTES;
      if (isEnd || chunk.length >= CHUNK_EVENTS) {
        yield chunk;
        chunk = [];
      }
      if (isEnd) return;
    }
  }
  throw new Error("the ledger ends before the range");
}

/** These lines were written by this primary: they are not checked again. */
function readStored({ seq, entry: line, payload }: StoredEvent, range: RangeToEmbed): ReadEvent {
  const { from, specs } = range;
  const place = { entry: placeOf(line), payload: placeOf(payload) };
  if (Object.keys(specs).length === 0) return { seq, place, toEmbed: undefined };
  const entry = JSON.parse(line.bytes.toString()) as Entry;
  const spec = specs[entry.priority];
  if (!spec || isSealEntry(entry)) return { seq, place, toEmbed: undefined };
  const state = JSON.parse(stateTextOf(payload.bytes.toString())) as JsonValue;
  const recentActions = range.recentActions?.[seq - from] ?? NO_ACTIONS;
  return { seq, place, toEmbed: { spec, event: { seq, entry, state, recentActions } } };
}

function placeOf({ seq, file, offset }: EventPlace["entry"]): EventPlace["entry"] {
  return { seq, file, offset };
}

/** Rows of the first events of a chunk, of all spaces as far as the slowest one came. */
async function embedChunk(
  chunk: readonly ReadEvent[],
  embedderOf: (spec: EmbedderSpec) => Promise<Embedder>,
  withinMs: number,
): Promise<{ rows: RowsOfSpace[]; last: EventPlace }> {
  const bySpace = new Map<string, { spec: EmbedderSpec; events: NumberedEvent[] }>();
  for (const { toEmbed } of chunk) {
    if (!toEmbed) continue;
    const name = spaceName(toEmbed.spec.space);
    const ofSpace = bySpace.get(name) ?? { spec: toEmbed.spec, events: [] };
    ofSpace.events.push(toEmbed.event);
    bySpace.set(name, ofSpace);
  }
  let end = (chunk.at(-1) as ReadEvent).seq + 1;
  const made: { embedder: Embedder; events: NumberedEvent[]; vectors: Float32Array[] }[] = [];
  for (const { spec, events } of bySpace.values()) {
    const embedder = await embedderOf(spec);
    const vectors = await embedder.embed(events, withinMs);
    end = Math.min(end, events[vectors.length]?.seq ?? end);
    made.push({ embedder, events, vectors });
  }
  const rows = made.flatMap(({ embedder, events, vectors }) => {
    const before = events.filter(({ seq }) => seq < end);
    return before.length > 0 ? [formatVectors(embedder, before, vectors)] : [];
  });
  // A space's first event always has its vector, so there is an event before the end.
  return { rows, last: (chunk.findLast(({ seq }) => seq < end) as ReadEvent).place };
}

/** Rows of `events`, of whose vectors there may be more. */
export function formatVectors(
  { space }: Embedder,
  events: readonly NumberedEvent[],
  vectors: readonly Float32Array[],
): RowsOfSpace {
  const rows = events.map(({ seq }, i) => ({ seq, vector: vectors[i] as Float32Array }));
  const firstSeq = (events[0] as NumberedEvent).seq;
  return { space, firstSeq, count: rows.length, bytes: formatRows(rows, space) };
}

/** Rows of one space, one after another. */
export function joinRows(parts: readonly RowsOfSpace[]): RowsOfSpace {
  const first = parts[0] as RowsOfSpace;
  if (parts.length === 1) return first;
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  return { ...first, count, bytes: Buffer.concat(parts.map(({ bytes }) => bytes)) };
}
