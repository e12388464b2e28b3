// Events that come as calls on the bus: the same admission and the same ledger as the ingest socket's lines. An answer means
// that the event would survive a power cut; a call waits while the ledger has no room.
import { setImmediate as nextTurn } from "node:timers/promises";
import { CallRefused } from "../../shared/dbus/call-refused.js";
import type { Caller, ServedInterface } from "../../shared/dbus/served-object.js";
import { AdmitError } from "../admit/admit-error.js";
import type { Admitter } from "../admit/admit-event.js";
import type { Ack, AdmittedEvent, EventSink } from "../event.js";
import { formatAck, formatRefusal } from "../sources/lines/format-ack.js";
import { readLine } from "../sources/lines/read-line.js";

export interface IngestCallsParts {
  admit: Admitter;
  sink: EventSink;
  /** Longest event, as on the ingest socket. */
  maxLineBytes: number;
}

export interface IngestCounts {
  written: number;
  duplicates: number;
  refused: number;
}

/** Events of one call. */
const MOST_EVENTS = 10_000;
/** Events that are admitted before other work of the daemon has its turn. */
const EVENTS_A_TURN = 64;

export class IngestCalls {
  readonly counts: IngestCounts = { written: 0, duplicates: 0, refused: 0 };
  readonly #parts: IngestCallsParts;

  constructor(parts: IngestCallsParts) {
    this.#parts = parts;
  }

  served(): ServedInterface {
    return {
      name: "dev.isochron.Primary1.Ingest",
      xml: INGEST_XML,
      methods: {
        AddEvent: { takes: "s", gives: "ts", answer: ([json], caller) => this.#addEvent(json as string, caller) },
        AddEvents: {
          takes: "as",
          gives: "s",
          answer: ([events], caller) => this.#addEvents(events as string[], caller),
        },
      },
      properties: {},
      signals: {},
    };
  }

  async #addEvent(json: string, caller: Caller): Promise<unknown[]> {
    const actor = await actorOf(caller);
    try {
      const { ack } = await this.#append(json, actor);
      const { seq, hash } = this.#counted(await ack);
      return [BigInt(seq), hash];
    } catch (error) {
      this.counts.refused += 1;
      throw error;
    }
  }

  /** One ack for each event, in order; one that is refused costs the others nothing. */
  async #addEvents(events: string[], caller: Caller): Promise<unknown[]> {
    if (events.length > MOST_EVENTS) {
      throw new CallRefused("InvalidArgs", `${events.length} events in one call; at most ${MOST_EVENTS} are possible`);
    }
    const actor = await actorOf(caller);
    const lines: Promise<string>[] = [];
    for (const json of events) {
      lines.push((await this.#begin(json, actor, lines.length + 1)).line);
      if (lines.length % EVENTS_A_TURN === 0) await nextTurn();
    }
    const acks = (await Promise.all(lines)).map((line) => line.trimEnd());
    return [`[${acks.join(",")}]`];
  }

  /** Resolves once the ledger has taken the event or admission refused it, with the promise of its line of the answer. */
  async #begin(json: string, actor: string, number: number): Promise<{ line: Promise<string> }> {
    const refuse = (error: unknown) => {
      this.counts.refused += 1;
      return formatRefusal(number, error);
    };
    try {
      const { ack } = await this.#append(json, actor);
      return { line: ack.then((known) => formatAck(number, this.#counted(known)), refuse) };
    } catch (error) {
      return { line: Promise.resolve(refuse(error)) };
    }
  }

  /** @throws AdmitError */
  async #append(json: string, actor: string): Promise<{ ack: Promise<Ack> }> {
    const { sink } = this.#parts;
    const event = this.#admit(Buffer.from(json), actor);
    // Other calls wait too, and the first of them may fill it again.
    for (let room = sink.room(); room; room = sink.room()) await room;
    return { ack: sink.append(event) };
  }

  /** An event of our own form, or a CloudEvent. @throws AdmitError */
  #admit(line: Buffer, actor: string): AdmittedEvent {
    const { admit, maxLineBytes } = this.#parts;
    if (line.length > maxLineBytes) throw tooLong(maxLineBytes);
    const event = readLine(admit, line, { source: "dbus", actor });
    if (Array.isArray(event)) throw isBatch();
    return event;
  }

  #counted(ack: Ack): Ack {
    this.counts[ack.duplicate ? "duplicates" : "written"] += 1;
    return ack;
  }
}

/** Who an event is by, if it does not say so itself. */
async function actorOf(caller: Caller): Promise<string> {
  return `uid:${await caller.uid()}`;
}

function isBatch(): AdmitError {
  return new AdmitError("not-an-object", { reason: "it is an array", hint: "give each event of it to AddEvents" });
}

function tooLong(maxLineBytes: number): AdmitError {
  return new AdmitError("line-too-long", {
    reason: `the event has more than ${maxLineBytes} bytes`,
    hint: "send what changed, not everything, or raise admit.max_payload_bytes",
  });
}

const DOC = "org.gtk.GDBus.DocString";

const INGEST_XML = `
<interface name="dev.isochron.Primary1.Ingest">
  <method name="AddEvent">
    <annotation name="${DOC}" value="Writes one event, a JSON object as on the ingest socket. The answer means that it would survive a power cut."/>
    <arg name="json" type="s" direction="in"/>
    <arg name="seq" type="t" direction="out"/>
    <arg name="hash" type="s" direction="out"/>
  </method>
  <method name="AddEvents">
    <annotation name="${DOC}" value="Writes up to ${MOST_EVENTS} events. The answer is a JSON array with an ack or an error for each, in order."/>
    <arg name="events" type="as" direction="in"/>
    <arg name="acks" type="s" direction="out"/>
  </method>
</interface>`;
