// What a link says of itself: `status`, the D-Bus face, the ledger's own events and the metrics read this.
import type { Assessment } from "./health/assess-health.js";
import type { PaceStatus } from "./pace/pace-link.js";
import type { PushErrorCode } from "./push-error.js";

export interface PushRecord {
  kind: "increment" | "full";
  generation: number;
  /** On the wire. */
  bytes: number;
  /** Of the streams, that were at the replica from a push that was cut. */
  resumed_bytes: number;
  ms: number;
  /** What it travelled as. */
  codec: string;
}

/** How a push ended, for counting. */
export interface PushOutcome {
  kind: "increment" | "full";
  ms: number;
  /** `ended` by an operator or a stop, which is no failure. */
  result: "acked" | "ended" | PushErrorCode;
}

export interface PushProgress {
  kind: "increment" | "full";
  generation: number;
  /** On the wire so far. */
  bytes: number;
  resumed_bytes: number;
  /** What it will be on the wire, by estimate; null while nothing is known of it. */
  total_bytes: number | null;
  bytes_per_second: number;
  /** Null where there is no estimate. */
  seconds_left: number | null;
  since: string;
}

export interface LinkStatus extends Assessment, PaceStatus {
  name: string;
  /** UUID of the replica that answered last. */
  replica: string | undefined;
  generation: number | undefined;
  size: number | undefined;
  last_ack: string | null;
  /** Generations that stay for it, oldest first, and since when each is out of date. */
  pins: { generation: number; superseded: string | null }[];
  /** Last answer of any kind. */
  last_contact: string | null;
  /** Since when there is a generation that it has not acked. */
  behind_since: string | null;
  last_push: PushRecord | null;
  /** Pushes since the start, by how they ended. */
  pushes: { acked: number; failed: number };
  /** Attempts of any kind that failed since the start: connecting, hello, push. */
  failures: number;
  /** Bytes on the wire since the start, failed pushes included. */
  bytes_sent: number;
  pushing: PushProgress | null;
}

/** How far a push has come, from what has gone out since it began. */
export class ProgressMeter {
  readonly #kind: PushProgress["kind"];
  readonly #generation: number;
  readonly #beganMs: number;
  bytes = 0;
  resumedBytes = 0;
  /** Expected bytes on the wire. */
  totalBytes: number | undefined;

  constructor(kind: PushProgress["kind"], generation: number, beganMs: number) {
    this.#kind = kind;
    this.#generation = generation;
    this.#beganMs = beganMs;
  }

  at(nowMs: number): PushProgress {
    const seconds = Math.max(0.001, (nowMs - this.#beganMs) / 1000);
    const rate = this.bytes / seconds;
    const left = this.totalBytes === undefined ? undefined : Math.max(0, this.totalBytes - this.bytes);
    return {
      kind: this.#kind,
      generation: this.#generation,
      bytes: this.bytes,
      resumed_bytes: this.resumedBytes,
      total_bytes: this.totalBytes ?? null,
      bytes_per_second: Math.round(rate),
      seconds_left: left === undefined || rate === 0 ? null : Math.round(left / rate),
      since: new Date(this.#beganMs).toISOString(),
    };
  }
}
