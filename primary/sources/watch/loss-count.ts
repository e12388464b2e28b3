// Counts what a source dropped, by reason, and says when it is time for a `loss` event: for what should have become an
// event always, for what was not ours to keep (forged, malformed) past a rate.
import { nowTimestamp } from "../../../shared/format/timestamp.js";
import type { JsonObject } from "./element-change.js";

/** Rejections between two reports from which on they are told: fewer are noise that any local user can make. */
const REJECTED_TOLD_FROM = 100;

export class LossCount {
  readonly #lost = new Map<string, number>();
  readonly #rejected = new Map<string, number>();
  readonly #totals = new Map<string, number>();
  #since = nowTimestamp();
  lostSoFar = 0;

  lost(reason: string, count: number): void {
    this.lostSoFar += count;
    add(this.#lost, reason, count);
    add(this.#totals, reason, count);
  }

  rejected(reason: string, count: number): void {
    add(this.#rejected, reason, count);
    add(this.#totals, reason, count);
  }

  /** What was dropped since the last report, with its bounds in time, if it is to be told; then counting begins anew. */
  takeReport(): JsonObject | undefined {
    const manyRejected = sum(this.#rejected) >= REJECTED_TOLD_FROM;
    const report =
      this.#lost.size > 0 || manyRejected
        ? { from: this.#since, to: nowTimestamp(), lost: asObject(this.#lost), rejected: asObject(this.#rejected) }
        : undefined;
    this.#lost.clear();
    this.#rejected.clear();
    this.#since = nowTimestamp();
    return report;
  }

  /** Since the start, by reason. */
  totals(): JsonObject {
    return asObject(this.#totals);
  }
}

function add(counts: Map<string, number>, reason: string, count: number): void {
  counts.set(reason, (counts.get(reason) ?? 0) + count);
}

function sum(counts: Map<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

function asObject(counts: Map<string, number>): JsonObject {
  return Object.fromEntries(counts);
}
