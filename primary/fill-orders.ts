// What operators do to spaces: have one filled with rows of events that are in the ledger, pause that, resume or cancel it.
// Each can be tried without effect first. A fill goes on whether or not anyone waits for it.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isRowLevel, type RowLevel, VECTOR_LEVELS } from "../shared/embed/levels.js";
import { PRIORITIES, type Priority } from "../shared/format/entry.js";
import { formatTimestamp, parseTimestamp } from "../shared/format/timestamp.js";
import { ControlError } from "./control/control-error.js";
import type { Publisher } from "./publish.js";
import type { Fill, FillScope, FillTarget } from "./vectorize/fill/fill.js";
import { secondsFor } from "./vectorize/fill/fill-pace.js";
import type { FillStatus } from "./vectorize/fill/fill-status.js";
import { findSeqAt } from "./vectorize/fill/find-seq-at.js";

export interface FillOrdersParts {
  publisher: Publisher;
  /** Folder of the ledger's entries. */
  entries: string;
}

export interface ReembedRequest {
  /** A level, or the name of the space that one makes. */
  space: string;
  /** Sequence numbers or times: the first event, and the one behind the last. Default: all of the ledger. */
  from?: number | string | undefined;
  to?: number | string | undefined;
  priorities?: readonly Priority[] | undefined;
  dryRun: boolean;
}

export interface ReembedAnswer {
  space: string;
  level: RowLevel;
  dry_run: boolean;
  priorities: readonly Priority[];
  from: number;
  /** Up to but not including it. */
  to: number;
  /** Events without a row in the space, and what their rows come to. */
  missing: number;
  bytes: number;
  /** What fills may take of the volume. */
  room_bytes: number;
  /** Measured on some of the events; null where none is missing. */
  events_per_second: number | null;
  seconds: number | null;
  /** Once it was waited for. */
  done?: { made: number; left_out: number; generation: number };
}

export type HoldAction = "pause" | "resume" | "cancel";

export interface HoldAnswer {
  action: HoldAction;
  dry_run: boolean;
  /** As it was before. */
  fill: FillStatus;
}

/** Someone who waits for the end of a fill. */
export interface FillFollower {
  /** Fires when they leave: the fill goes on. */
  signal: AbortSignal;
  tell(progress: FillStatus): void;
}

const LOOK_MS = 200;

export class FillOrders {
  readonly #parts: FillOrdersParts;

  constructor(parts: FillOrdersParts) {
    this.#parts = parts;
  }

  /** @throws ControlError `unknown-space`, `level-unavailable`, `fill-under-way`, `no-room`, `bad-request`, `not-filled` */
  async reembed(request: ReembedRequest, follower?: FillFollower): Promise<ReembedAnswer> {
    const { filler } = this.#parts.publisher;
    const { level, space, rowBytes } = await this.#find(request.space);
    const scope = await this.#scopeOf(request, level);
    const underWay = this.#orderOf(space);
    const draft = await filler.draft(scope);
    const answer = await this.#describe(request, scope, { space, rowBytes }, draft);
    if (request.dryRun) return answer;
    if (!underWay && draft.missing === 0) return { ...answer, ...(follower ? { done: this.#done(draft) } : {}) };
    if (!underWay && answer.bytes > answer.room_bytes) throw noRoom(answer);
    if (underWay && !isSame(underWay, scope)) throw underWayAlready(space, underWay);
    const fill = underWay ?? (await filler.order(space, scope, randomUUID()));
    if (!follower) return answer;
    await this.#follow(fill, space, follower);
    return { ...answer, done: this.#done(fill) };
  }

  /** @throws ControlError `unknown-space`, `level-unavailable`, `no-fill` */
  async hold(action: HoldAction, { space, dryRun }: { space: string; dryRun: boolean }): Promise<HoldAnswer> {
    const { filler } = this.#parts.publisher;
    const fill = this.#orderOf(space) ?? this.#orderOf((await this.#find(space)).space);
    if (!fill) throw noFill(space, filler.states());
    const answer = { action, dry_run: dryRun, fill: filler.state(fill) };
    if (dryRun) return answer;
    if (action === "cancel") await filler.cancel(fill);
    else await filler.pause(fill, action === "pause");
    return answer;
  }

  /** An order may be of a space that no level makes any more. */
  #orderOf(space: string): Fill | undefined {
    return this.#parts.publisher.filler.fills.find(({ order }) => order?.space === space || order?.level === space);
  }

  async #find(name: string): Promise<FillTarget & { level: RowLevel }> {
    const { filler } = this.#parts.publisher;
    const made: string[] = [];
    for (const level of VECTOR_LEVELS.filter(isRowLevel)) {
      try {
        const target = await filler.target(level);
        if (level === name || target.space === name) return { ...target, level };
        made.push(`${level} (${target.space})`);
      } catch (error) {
        if (level === name) throw unavailable(level, error as Error & { hint?: string });
      }
    }
    const message = `there is no level here that makes vectors of ${JSON.stringify(name)}`;
    throw new ControlError("unknown-space", message, `those there are: ${made.join(", ")}`);
  }

  async #scopeOf({ from = 0, to, priorities = PRIORITIES }: ReembedRequest, level: RowLevel): Promise<FillScope> {
    const size = this.#parts.publisher.ledgerSize();
    const scope = {
      level,
      priorities: PRIORITIES.filter((priority) => priorities.includes(priority)),
      from: await this.#seqOf(from, size),
      to: Math.min(size, await this.#seqOf(to ?? size, size)),
    };
    if (scope.from < scope.to) return scope;
    const message = `no event lies from ${from} to ${to ?? `the ledger's end, ${size}`}`;
    throw new ControlError("bad-request", message, "`to` is behind the last event, and both count from 0");
  }

  async #seqOf(place: number | string, size: number): Promise<number> {
    if (typeof place === "number") return place;
    let micros: number;
    try {
      micros = parseTimestamp(place);
    } catch (cause) {
      throw new ControlError("bad-request", (cause as Error).message, "or give a sequence number");
    }
    return findSeqAt(this.#parts.entries, formatTimestamp(micros), size);
  }

  async #describe(
    { dryRun }: ReembedRequest,
    { level, priorities, from, to }: FillScope,
    { space, rowBytes }: FillTarget,
    draft: Fill,
  ): Promise<ReembedAnswer> {
    const { filler } = this.#parts.publisher;
    const { missing } = draft;
    const pace = dryRun && missing > 0 ? await filler.measure(draft) : undefined;
    const bytes = missing * rowBytes;
    return {
      ...{ space, level, dry_run: dryRun, priorities, from, to, missing, bytes, room_bytes: await filler.roomBytes() },
      events_per_second: pace === undefined ? null : Math.round(pace),
      seconds: secondsFor(missing, pace),
    };
  }

  /** @throws ControlError `not-filled`; the reason of the follower's signal */
  async #follow(fill: Fill, space: string, { signal, tell }: FillFollower): Promise<void> {
    const { filler } = this.#parts.publisher;
    while (filler.fills.includes(fill)) {
      tell(filler.state(fill));
      await sleep(LOOK_MS, undefined, { signal });
    }
    if (fill.ending.signal.aborted) throw new ControlError("not-filled", `filling ${space} was cancelled`);
  }

  #done({ made, leftOut }: Fill): NonNullable<ReembedAnswer["done"]> {
    return { made, left_out: leftOut, generation: this.#parts.publisher.newest()?.generation ?? 0 };
  }
}

function isSame({ scope, order }: Fill, wanted: FillScope): boolean {
  const { priorities, from, to } = wanted;
  // The ledger has grown since: all of it is still all of it.
  const sameEnd = scope.to === to || (order !== undefined && scope.to < to);
  return scope.from === from && sameEnd && String(scope.priorities) === String(priorities);
}

function unavailable(level: RowLevel, { message, hint }: Error & { hint?: string }): ControlError {
  return new ControlError("level-unavailable", `level ${level} cannot be had: ${message}`, hint);
}

function underWayAlready(space: string, { scope }: Fill): ControlError {
  const { from, to, priorities } = scope;
  const what = `events ${from} to ${to - 1} of priority ${priorities.join(", ")}`;
  const hint = `wait for it, or first: isochron-primary reembed --space ${space} --cancel`;
  return new ControlError("fill-under-way", `${space} is being filled already, with ${what}`, hint);
}

function noRoom({ space, missing, bytes, room_bytes: room }: ReembedAnswer): ControlError {
  const message = `rows of ${missing} events in ${space} take ${bytes} bytes; fills may take ${room} of the volume`;
  return new ControlError(
    "no-room",
    message,
    "choose fewer events with --from or --priority, or make the volume larger",
  );
}

function noFill(space: string, fills: readonly FillStatus[]): ControlError {
  const isLater = fills.some((fill) => fill.kind === "later" && (fill.space === space || fill.level === space));
  const hint = isLater
    ? "it is filled because `vectorize.later` says so: change that, and start the daemon again"
    : "see `isochron-primary status`";
  return new ControlError("no-fill", `nobody has asked for ${space} to be filled`, hint);
}
