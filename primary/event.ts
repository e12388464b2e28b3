// The words that the primary's stages hand to each other. Stages import this file and never each other.
import type { Entry, Priority } from "../shared/format/entry.js";

/** An event that has passed admission: complete, redacted, canonical. Nothing after this point changes it. */
export interface AdmittedEvent {
  elementId: string;
  elementType: string;
  action: string;
  actor: string;
  /** Stored form: UTC, six decimals. */
  timestamp: string;
  priority: Priority;
  /** Event source, such as `socket` or `packages`. */
  source: string;
  /** `state_snapshot` in RFC 8785 form. */
  stateJson: string;
  reason?: string | undefined;
  /** Within one store, a key names one event: sending it again returns the first ack. */
  idempotencyKey?: string | undefined;
  /** Paths whose values were replaced, such as `state_snapshot.wifi.psk`. */
  redacted?: readonly string[] | undefined;
}

/** What a source gets back once the event would survive a power cut. */
export interface Ack {
  seq: number;
  /** The event hash, 64 hex digits. */
  hash: string;
  /** True when the idempotency key was known: this is the ack of the event written then. */
  duplicate: boolean;
}

/** Where sources send admitted events. The ledger is behind it. */
export interface EventSink {
  /** Resolves when there is room for another event; `undefined` when there is room now. Callers wait before `append`. */
  room(): Promise<void> | undefined;
  /**
   * Resolves after the fsync of the batch the event was in. Rejects with a LedgerError `idempotency-conflict` for a key
   * that names another event, `entry-too-large`, `closed`, or `write-failed` (then nothing of the batch was acked).
   */
  append(event: AdmittedEvent): Promise<Ack>;
}

/** An event as it stands in the ledger, on its way to a vector. */
export interface AppendedEvent {
  seq: number;
  entry: Entry;
  /** `state_snapshot` in RFC 8785 form. */
  stateJson: string;
}
