// A fill in a line, for `status` and for whoever waits for one.
import type { FillStatus } from "../vectorize/fill/fill-status.js";
import { formatSeconds } from "./follow-order.js";

/** `all-MiniLM-L6-v2-0123456789ab: 1204 of 5000 events, 310/s, 13 s left`. */
export function formatFill(fill: FillStatus): string {
  const { space, level, state, reason, hint, made, missing, left_out: leftOut, events_per_second: pace } = fill;
  const name = space ?? level;
  const left = fill.seconds_left === null ? "" : `, about ${formatSeconds(fill.seconds_left)} left`;
  const out = leftOut > 0 ? `, ${leftOut} left out` : "";
  const rate = pace === null ? "" : `, ${Math.round(pace)}/s`;
  const far = `${made} of ${made + missing} events${out}`;
  switch (state) {
    case "looking":
      return `${name}: looking which events lack a row`;
    case "filling":
      return `${name}: ${far}${rate}${left}`;
    case "waiting":
      return `${name}: ${far}, the next ones when they are in a generation`;
    case "sealing":
      return `${name}: ${far}, waiting for their generation`;
    case "paused":
      return `${name}: ${far}, paused`;
    case "stuck":
      return `${name}: ${far}, not going on: ${reason}${hint === null ? "" : ` (${hint})`}`;
    case "done":
      return `${name}: no event lacks a row${out}`;
  }
}
