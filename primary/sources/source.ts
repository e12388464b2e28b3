// What every event source is: it is started, brings events to the ledger through an EventSink, and is stopped. A source
// must never lose an event silently, nor read faster than the sink has room for.
import type { JsonValue } from "../../shared/format/canonical-json.js";
import type { Logger } from "../../shared/log.js";
import type { Admit } from "../admit/admit-event.js";
import type { EventSink } from "../event.js";
import type { KnownElements } from "./watch/known-elements.js";

/** Counts and conditions for `status`, by name. */
export type SourceState = { [field: string]: JsonValue };

export interface Source {
  /** The `source` of its entries, such as `socket` or `packages`. */
  readonly name: string;
  /** Resolves once the source is at work; it goes on until `signal` fires or `stop` is called. @throws SourceError */
  start(signal: AbortSignal): Promise<void>;
  /** Stops reading, waits for the acks of what was read, and lets go of everything. May be called twice. */
  stop(): Promise<void>;
  state(): SourceState;
}

/** What every watching source is made of. */
export interface SourceParts {
  admit: Admit;
  sink: EventSink;
  known: KnownElements;
  log: Logger;
}
