// What `status` and the progress of an order say of a fill. Pure: it is given the time.
import type { VectorLevel } from "../../../shared/embed/levels.js";
import type { Priority } from "../../../shared/format/entry.js";
import type { Fill } from "./fill.js";
import { secondsFor } from "./fill-pace.js";

/**
 * `looking`: it is being found out which events lack a row; `filling`; `waiting`: its next events are in no generation yet;
 * `sealing`: its last rows are in none; `done`: nothing is missing; `paused`; `stuck`: see the reason, it tries again by itself.
 */
export type FillState = "looking" | "filling" | "waiting" | "sealing" | "done" | "paused" | "stuck";

export interface FillStatus {
  /** Null while the level cannot be had. */
  space: string | null;
  level: VectorLevel;
  /** `order`: asked for with `reembed`; `later`: by the configuration, always. */
  kind: "order" | "later";
  state: FillState;
  reason: string | null;
  hint: string | null;
  priorities: readonly Priority[];
  from: number;
  /** Up to but not including it; null without an end. */
  to: number | null;
  /** Events that wait for their row, rows made since the start of the daemon, events left without. */
  missing: number;
  made: number;
  left_out: number;
  /** Null where nothing was done lately. */
  events_per_second: number | null;
  seconds_left: number | null;
  asked_at: string | null;
}

/** `sealed`: entries in the newest generation. */
export function describeFill(
  fill: Fill,
  now: { isSealing: boolean; sealed: number; lanes: number; atMs: number },
): FillStatus {
  const { scope, order, target, trouble, missing, made, leftOut } = fill;
  const pace = fill.pace.eventsPerSecond(now.lanes, now.atMs);
  return {
    space: target?.space ?? order?.space ?? null,
    level: scope.level,
    kind: order ? "order" : "later",
    state: stateOf(fill, now),
    reason: trouble?.reason ?? null,
    hint: trouble?.hint ?? null,
    priorities: scope.priorities,
    from: scope.from,
    to: Number.isFinite(scope.to) ? scope.to : null,
    missing,
    made,
    left_out: leftOut,
    events_per_second: pace === undefined ? null : Math.round(pace * 10) / 10,
    seconds_left: secondsFor(missing, pace),
    asked_at: order?.asked_at ?? null,
  };
}

function stateOf(fill: Fill, { isSealing, sealed }: { isSealing: boolean; sealed: number }): FillState {
  if (fill.trouble) return "stuck";
  if (!fill.surveyed) return "looking";
  if (isSealing) return "sealing";
  if (fill.order?.paused) return "paused";
  if (fill.missing === 0) return "done";
  return fill.givenOutBelow >= sealed ? "waiting" : "filling";
}
