// The words that the primary's stages hand to each other. Stages import this file and never each other.
import type { JsonValue } from "../shared/format/canonical-json.js";
import type { Entry, Priority } from "../shared/format/entry.js";
import type { SealedSpace } from "../shared/format/seal.js";
import type { SeqRanges } from "../shared/format/seq-ranges.js";

/** An event inside admission: parsed, sound and complete, not yet canonical. Interceptors may change it. */
export interface EventDraft {
  elementId: string;
  elementType: string;
  action: string;
  actor: string;
  /** Stored form: UTC, six decimals. */
  timestamp: string;
  /** Undefined while neither the sender nor an interceptor has set it; at the end that means low. */
  priority: Priority | undefined;
  readonly source: string;
  /** `state_snapshot`. Redacted from the second interceptor on. */
  state: JsonValue;
  reason: string | undefined;
  idempotencyKey: string | undefined;
  /** Paths of what was replaced, such as `state_snapshot.wifi.psk`. */
  redacted: readonly string[] | undefined;
  readonly mayHold: SecretHints;
}

/** What the parser saw of secrets: false where there can be none. */
export interface SecretHints {
  /** Some key in the state, or the name of one, is secret. */
  secretKeys: boolean;
  /** Some string may hold a secret in one of the well-known forms. */
  secretTexts: boolean;
}

/** Looks at every event on its way: before it is hashed, and once it is durable. Synchronous, on the path of each event. */
export interface Interceptor {
  readonly name: string;
  /** May change the draft. @throws AdmitError to refuse the event, naming the field */
  before?(draft: EventDraft): void;
  /** In the order of the ledger. What it throws is logged and counted, and harms nothing. */
  after?(event: AppendedEvent): void;
}

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

/** Where durable events come from, in the order of the ledger. The bus is behind it. */
export interface EventFeed {
  subscribe(options: SubscribeOptions): EventSubscription;
  /** Up to `limit` of the newest events that are still in memory, those after `afterSeq`. */
  history(afterSeq: number, limit: number): AppendedEvent[];
  /** The next event's sequence number, and that of the oldest in memory; both are the same where there is none. */
  readonly range: { firstSeq: number; nextSeq: number };
}

export interface SubscribeOptions {
  name: string;
  /** At least 1. A batch of up to 256 events or 1 MiB that is being delivered is held besides. */
  maxQueuedEvents: number;
  maxQueuedBytes: number;
  /**
   * `wait`: sources wait while the queue is full, and nothing is lost; what the ledger had taken in before still comes, so
   * the queue may grow past its bounds by as much as the ledger's own. `drop`: the oldest are dropped, and told.
   */
  whenFull: "wait" | "drop";
  /**
   * Gets events in the order of the ledger, one batch after another; the batch is empty where only a loss is told. What
   * it throws or rejects with is counted and logged, and the batch is not given again.
   */
  deliver(events: readonly AppendedEvent[], lost: LostEvents | undefined): Promise<void> | void;
  /** First event to be delivered, as far as history goes back; what history has let go of is told as lost. Default: from now on. */
  from?: number;
}

/** Events that this subscriber did not get, right before those of the delivery that tells of them. */
export interface LostEvents {
  firstSeq: number;
  lastSeq: number;
}

export interface EventSubscription {
  /** No delivery begins after this; one under way may still end. */
  close(): void;
  /** Resolves when all that has come so far is delivered. */
  drained(): Promise<void>;
}

/** The ledger while no batch can run: what a seal may do to it. */
export interface HeldLedger {
  readonly size: number;
  /** Appends one entry, unsynced: the snapshot that follows flushes it. */
  append(event: AdmittedEvent): Promise<Ack>;
  /** RFC 6962 tree head over everything appended, 32 bytes. */
  root(): Buffer;
}

/** Where a seal learns which vector rows are new. */
export interface VectorRows {
  /** Resolves when every event with `seq < uptoSeq` has its rows written. */
  drained(uptoSeq: number, signal?: AbortSignal): Promise<void>;
  /** Events that are to have a row and have none yet. */
  backlog(): number;
  /**
   * Rows written since the last call, and exactly the events below `uptoSeq` that are to have one and have none yet.
   * Undefined, and nothing is taken, where those are more than a seal can name. Once rows were taken, none is written until
   * `stands` is settled.
   */
  takeAdded(uptoSeq: number, stands: Promise<unknown>): Promise<TakenRows | undefined>;
}

/** What a seal says of vectors. */
export interface TakenRows {
  /** In the order of their names. */
  spaces: SealedSpace[];
  late: SeqRanges;
}

/** A generation as it stands on disk, read-only. */
export interface SealedGeneration {
  generation: number;
  /** Entries under its checkpoint, the seal included. */
  size: number;
  root: Buffer;
}
