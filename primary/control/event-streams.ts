// Durable events as JSON lines over the control socket: history, then, with `follow`, what comes. One line is an event or
// tells of events that this reader was too slow for. What is held for a reader is bounded, and so is the number of readers: a
// watcher that hangs costs the daemon a few MiB, and never an event.
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { formatEntry } from "../../shared/format/entry.js";
import { leafHashOfText } from "../../shared/format/hash.js";
import type { AppendedEvent, EventFeed, EventSubscription, LostEvents } from "../event.js";
import { createGlob } from "../match-glob.js";
import { ControlError } from "./control-error.js";

export interface WatchRequest {
  /** Events after this one; `now` for none of those that there are. Default: all that are in memory. */
  after?: number | "now" | undefined;
  /** Go on with what comes, until either side ends. */
  follow: boolean;
  /** Globs with `*`. */
  type?: string | undefined;
  element?: string | undefined;
}

/** Each may hold MAX_QUEUED_BYTES. */
export const MAX_STREAMS = 16;
/** As many as the bus's history holds, so that a replay of it loses nothing. */
const MAX_QUEUED_EVENTS = 4096;
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;
const PAGE_EVENTS = 256;
/** How long a reader may take for its last lines once the daemon stops. */
const STOP_GRACE_MS = 1000;

type Filter = (event: AppendedEvent) => boolean;

export class EventStreams {
  readonly #feed: EventFeed;
  readonly #open = new Map<ServerResponse, EventSubscription | undefined>();
  #opened = 0;

  constructor(feed: EventFeed) {
    this.#feed = feed;
  }

  /** Takes over the response. @throws ControlError `too-many-watchers`, before anything is sent */
  serve(response: ServerResponse, request: WatchRequest): void {
    if (this.#open.size >= MAX_STREAMS) {
      throw new ControlError("too-many-watchers", `${MAX_STREAMS} readers watch already`, "end one of them first");
    }
    this.#opened += 1;
    this.#open.set(response, undefined);
    response.on("error", () => undefined);
    response.once("close", () => {
      this.#open.get(response)?.close();
      this.#open.delete(response);
    });
    response.writeHead(200, { "content-type": "application/jsonl", connection: "close" });
    response.flushHeaders();
    const filter = createFilter(request);
    if (request.follow) this.#open.set(response, this.#subscribe(response, request, filter));
    else void this.#sendHistory(response, request, filter).catch(() => response.destroy());
  }

  /** Ends all streams, with what has come for them so far if their readers take it in time. */
  async stop(): Promise<void> {
    await Promise.all([...this.#open].map(([response, subscription]) => endStream(response, subscription)));
  }

  #subscribe(response: ServerResponse, { after }: WatchRequest, filter: Filter): EventSubscription {
    const { firstSeq } = this.#feed.range;
    const from = after === "now" ? {} : { from: after === undefined ? firstSeq : after + 1 };
    return this.#feed.subscribe({
      name: `watch ${this.#opened}`,
      maxQueuedEvents: MAX_QUEUED_EVENTS,
      maxQueuedBytes: MAX_QUEUED_BYTES,
      whenFull: "drop",
      deliver: (events, lost) => writeLines(response, events.filter(filter), lost),
      ...from,
    });
  }

  /** As far as history reaches at the start of it; what it lets go of meanwhile is told. */
  async #sendHistory(response: ServerResponse, { after }: WatchRequest, filter: Filter): Promise<void> {
    const { firstSeq, nextSeq } = this.#feed.range;
    let last = after === "now" ? nextSeq - 1 : (after ?? firstSeq - 1);
    while (last < nextSeq - 1 && !response.destroyed) {
      const events = this.#feed.history(last, Math.min(PAGE_EVENTS, nextSeq - 1 - last));
      const lost =
        events[0] && events[0].seq > last + 1 ? { firstSeq: last + 1, lastSeq: events[0].seq - 1 } : undefined;
      if (events.length === 0) break;
      await writeLines(response, events.filter(filter), lost);
      last = (events.at(-1) as AppendedEvent).seq;
    }
    response.end();
  }
}

function createFilter({ type = "*", element = "*" }: WatchRequest): Filter {
  const [typeFits, elementFits] = [createGlob(type), createGlob(element)];
  return ({ entry }) => typeFits(entry.element_type) && elementFits(entry.element_id);
}

/** Resolves when the reader has room for more, or is gone. */
async function writeLines(
  response: ServerResponse,
  events: readonly AppendedEvent[],
  lost: LostEvents | undefined,
): Promise<void> {
  const text = (lost ? formatLost(lost) : "") + events.map(formatEvent).join("");
  if (text === "" || response.destroyed || response.writableEnded || response.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

function formatEvent({ entry, stateJson }: AppendedEvent): string {
  const hash = leafHashOfText(formatEntry(entry)).toString("hex");
  return `${JSON.stringify({ ...entry, hash }).slice(0, -1)},"state_snapshot":${stateJson}}\n`;
}

function formatLost({ firstSeq, lastSeq }: LostEvents): string {
  const lost = { first_seq: firstSeq, last_seq: lastSeq, events: lastSeq - firstSeq + 1 };
  return `${JSON.stringify({ lost })}\n`;
}

async function endStream(response: ServerResponse, subscription: EventSubscription | undefined): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    response.once("close", () => resolve());
  });
  const graceful = (async () => {
    await subscription?.drained();
    response.end();
    await closed;
  })();
  const late = new AbortController();
  await Promise.race([graceful, sleep(STOP_GRACE_MS, undefined, { signal: late.signal }).catch(() => undefined)]);
  late.abort();
  response.destroy();
  await closed;
}
