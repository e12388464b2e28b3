// A worker process of the vectorizer: events in, rows out, nothing kept. A crash here costs one job, which is done
// again elsewhere; it can never reach the ledger.
import { writeSync } from "node:fs";
import type { EmbedderSpec } from "../../shared/embed/embedder.js";
import { NO_ACTIONS } from "../../shared/embed/recent-actions.js";
import type { JsonValue } from "../../shared/format/canonical-json.js";
import {
  type EmbedReply,
  type EmbedRequest,
  type EventsToEmbed,
  type FromWorker,
  type RangeToEmbed,
  STRINGS_PER_EVENT,
} from "./embed-protocol.js";
import { type EmbeddedRange, embedRange, formatVectors, type NumberedEvent } from "./embed-range.js";
import { OpenEmbedders, SpaceFailed } from "./open-embedders.js";

/** A job ends soon after it: what could not be done until then is given again, behind what is more urgent. */
const SLICE_MS = 250;

const embedders = new OpenEmbedders({
  opening: (space) => send({ opening: space }),
  opened: (space) => send({ opened: space }),
  cacheLeftOut: (why) => send({ cacheLeftOut: why }),
});

process.on("message", (request: EmbedRequest) => {
  void ("prepare" in request ? prepare(request.prepare) : answer(request));
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

function send(message: FromWorker): void {
  // A parent that closed meanwhile wants no answer.
  process.send?.(message, undefined, undefined, (error) => error && process.exit(0));
}

/** A model that cannot be opened is said, and is no reason not to serve the other levels. */
async function prepare(specs: readonly EmbedderSpec[]): Promise<void> {
  for (const spec of specs) await orFailed(undefined, () => embedders.get(spec));
  send({ ready: true, rssBytes: process.memoryUsage.rss() });
}

async function answer(request: Exclude<EmbedRequest, { prepare: unknown }>): Promise<void> {
  await orFailed(request.id, async () => {
    const made = "range" in request ? await rangeOf(request.range) : await eventsToRows(request);
    send({ id: request.id, ...made, rssBytes: process.memoryUsage.rss() });
  });
}

async function orFailed(id: number | undefined, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SpaceFailed)) throw error;
    const { code, message, hint } = error.cause;
    send({ id, failed: { space: error.space, code, message, hint } });
  }
}

function rangeOf(range: RangeToEmbed): Promise<EmbeddedRange> {
  return embedRange(range, (spec) => embedders.get(spec), SLICE_MS);
}

async function eventsToRows(request: EventsToEmbed): Promise<Pick<EmbedReply, "rows">> {
  const events = eventsOf(request);
  const embedder = await embedders.get(request.spec);
  const vectors = await embedder.embed(events, SLICE_MS);
  return { rows: [formatVectors(embedder, events.slice(0, vectors.length), vectors)] };
}

function eventsOf({ seqs, texts, recentActions }: EventsToEmbed): NumberedEvent[] {
  return seqs.map((seq, i) => {
    const at = i * STRINGS_PER_EVENT;
    const [action, element_id, element_type, timestamp, state] = texts.slice(at, at + STRINGS_PER_EVENT) as Strings;
    const entry = { action, element_id, element_type, timestamp };
    return { seq, entry, state: JSON.parse(state) as JsonValue, recentActions: recentActions?.[i] ?? NO_ACTIONS };
  });
}

type Strings = [action: string, elementId: string, elementType: string, timestamp: string, state: string];
