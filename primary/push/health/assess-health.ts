// How a replica is doing, from what its link knows: one state, the reason in words and what to do. Pure: no clock, no
// network. Every state a link can be in is here, and nowhere else.
import { wholeSeconds } from "../../../shared/format/timestamp.js";
import type { NeedsFull } from "../base/needs-full.js";
import type { PushError, PushErrorCode } from "../push-error.js";

export const LINK_HEALTH = [
  /** Nothing is known yet: the primary has just started. */
  "connecting",
  "healthy",
  /** Reached, but what it acked is too old, it is overloaded, or the last push failed. */
  "lagging",
  "unreachable",
  /** No room for what would be sent. */
  "full",
  /** It holds another history than this primary, or cannot verify what it got. */
  "diverged",
  /** Nothing here is a base for it any more: all of the store must be sent. */
  "needs-full",
  /** Another host, another store, or a store whose key it does not trust. */
  "foreign",
  /** It speaks another protocol. */
  "version-mismatch",
  /** Held by an operator. */
  "paused",
] as const;
export type LinkHealth = (typeof LINK_HEALTH)[number];

export interface Assessment {
  health: LinkHealth;
  reason: string;
  /** Undefined while it is well. */
  code: PushErrorCode | "lagging" | "overloaded" | "paused" | undefined;
  hint: string | undefined;
}

export interface LinkFacts {
  /** What the link is doing, for the reason of a healthy one. */
  doing: string;
  /** A hello was answered since the start. */
  heardFrom: boolean;
  /** What the last attempt failed with, until one goes well. */
  failure: PushError | undefined;
  /** Why an operator holds it. */
  paused: string | undefined;
  /** Why nothing here can be its base, and what is done about it. */
  needsFull: NeedsFull | undefined;
  /** Why it has no room for the next push. */
  lacksRoom: string | undefined;
  /** Since when there is a generation that it has not acked. */
  behindSinceMs: number | undefined;
  nowMs: number;
  /** Behind for longer than this is lagging. */
  lagMs: number;
  /** One-minute load per core at the replica, if it is more than it may be. */
  overload: number | undefined;
}

const HEALTH_OF_CODE: Record<PushErrorCode, LinkHealth> = {
  unreachable: "unreachable",
  login: "unreachable",
  stalled: "unreachable",
  "host-key": "foreign",
  "foreign-store": "foreign",
  "untrusted-origin": "foreign",
  "protocol-mismatch": "version-mismatch",
  "newer-format": "version-mismatch",
  "bad-answer": "version-mismatch",
  "bad-request": "version-mismatch",
  regressed: "diverged",
  diverged: "diverged",
  "not-verified": "diverged",
  "bad-ack": "diverged",
  "no-space": "full",
  "needs-full": "needs-full",
  "base-missing": "lagging",
  "partial-missing": "lagging",
  "bad-stream": "lagging",
  busy: "lagging",
  "internal-error": "lagging",
  "send-failed": "lagging",
  internal: "lagging",
};

export function assessHealth(facts: LinkFacts): Assessment {
  const { paused, failure, needsFull, lacksRoom, overload } = facts;
  if (paused !== undefined) return { health: "paused", reason: paused, code: "paused", hint: "`resume` lets it go on" };
  // Said though it cannot be reached: whoever looks has to know before it is back.
  if (needsFull && (!failure || healthOfFailure(failure) === "unreachable")) {
    const reason = failure ? `${needsFull.reason}; ${failure.message}` : needsFull.reason;
    return { health: "needs-full", reason, code: "needs-full", hint: failure?.hint ?? needsFull.hint };
  }
  if (failure) {
    const { code, message, hint } = failure;
    return { health: healthOfFailure(failure), reason: message, code, hint };
  }
  if (!facts.heardFrom) return { health: "connecting", reason: facts.doing, code: undefined, hint: undefined };
  if (lacksRoom !== undefined) {
    return { health: "full", reason: lacksRoom, code: "no-space", hint: "free space on the replica" };
  }
  if (overload !== undefined) {
    const reason = `the replica's load is ${overload.toFixed(1)} per core; it is pushed to less often`;
    return { health: "lagging", reason, code: "overloaded", hint: undefined };
  }
  return assessLag(facts);
}

/** A refusal of a code that this version does not know is told as it came. */
export function healthOfFailure({ code, kind }: PushError): LinkHealth {
  return HEALTH_OF_CODE[code] ?? (kind === "conflict" ? "version-mismatch" : "lagging");
}

function assessLag({ behindSinceMs, nowMs, lagMs, doing }: LinkFacts): Assessment {
  if (behindSinceMs === undefined || nowMs - behindSinceMs < lagMs) {
    return { health: "healthy", reason: doing, code: undefined, hint: undefined };
  }
  const since = wholeSeconds(new Date(behindSinceMs).toISOString());
  return { health: "lagging", reason: `behind since ${since}; ${doing}`, code: "lagging", hint: undefined };
}
