// Fills spaces behind everything else: events of generations that have no row in a space yet get one. What an operator asks
// for and what the configuration wants later go the same way. Only events whose first row stands in a generation are
// touched, so no seal waits for a fill, and it never meets the vectorizer at one event; and which events have a row is
// asked of the files, so that none ever gets two in one space.
import { setTimeout as sleep } from "node:timers/promises";
import { EmbedError } from "../../../shared/embed/embed-error.js";
import type { RowLevel } from "../../../shared/embed/levels.js";
import { PRIORITIES, type Priority } from "../../../shared/format/entry.js";
import type { SeqRanges } from "../../../shared/format/seq-ranges.js";
import { nowTimestamp } from "../../../shared/format/timestamp.js";
import type { AppendedEvent } from "../../event.js";
import { isSealEntry } from "../find-rowless.js";
import { Fill, type FillScope, type FillTarget } from "./fill.js";
import { fillRange, otherSpace, type RangeParts, STOPPED } from "./fill-range.js";
import type { FillOrder, FillRecord } from "./fill-record.js";
import { describeFill, type FillStatus } from "./fill-status.js";
import { eventsOf } from "./next-range.js";

export interface SpaceFillerOptions extends RangeParts {
  /** Folder of the ledger's entries. */
  entries: string;
  record: FillRecord;
  /** The level that events of a priority get when there is time. */
  later: Partial<Record<Priority, RowLevel>>;
  /** Durable events, as far as the filler was told. */
  ledgerSize: () => number;
  /** The rows of an order are written. Called again where a crash came between it and the generation. */
  onFilled: (fill: Fill, order: FillOrder) => Promise<unknown>;
  /** An order only waits for its generation. */
  onEnded: () => void;
  /** An order waits for events that are in no generation yet. */
  onUnsealed: () => void;
  /** How long a fill in trouble waits before it tries again. Default 5 s. */
  retryMs?: number | undefined;
}

/** Small enough that whoever comes next is not kept waiting where a worker does not stop by itself. */
const RANGE = { events: 512, span: 8192 };
const RETRY_MS = 5000;
/** A model that cannot be used is seldom there a moment later, and to try it costs reading it. */
const MODEL_RETRY_FACTOR = 6;
/** How far a fill gets before that is written down: so much of the ledger is looked through again after a restart. */
const NOTE_EVENTS = 10_000;

export class SpaceFiller {
  readonly #options: SpaceFillerOptions;
  readonly #stop = new AbortController();
  /** What the configuration wants comes first: it is of the more urgent events. */
  #fills: Fill[] = [];
  /** Orders whose rows are written: `sealing` once the ledger has heard of it. */
  readonly #ends = new Map<Fill, "telling" | "sealing">();
  readonly #work = new Set<Promise<void>>();
  #sealed: { size: number; late: SeqRanges } = { size: 0, late: [] };
  #lanes = 0;

  constructor(options: SpaceFillerOptions) {
    this.#options = options;
  }

  /** Goes on with what the record holds. `size`, `late`: of the newest generation. */
  start(size: number, late: SeqRanges): void {
    this.#sealed = { size, late };
    for (const scope of laterScopes(this.#options.later)) this.#add(new Fill(scope));
    for (const order of this.#options.record.orders) this.#add(new Fill(order, order));
  }

  get fills(): readonly Fill[] {
    return this.#fills;
  }

  states(): FillStatus[] {
    return this.#fills.map((fill) => this.state(fill));
  }

  state(fill: Fill): FillStatus {
    const { ground } = this.#options;
    const isSealing = this.#ends.has(fill);
    return describeFill(fill, { isSealing, sealed: this.#sealed.size, lanes: ground.lanes, atMs: performance.now() });
  }

  /** The space of a level. @throws EmbedError */
  target(level: RowLevel): Promise<FillTarget> {
    return this.#options.ground.target(level);
  }

  roomBytes(): Promise<number> {
    return this.#options.roomBytes();
  }

  /** A fill of which is known what there would be to do, and which does nothing. @throws EmbedError */
  async draft(scope: FillScope): Promise<Fill> {
    const { ground, entries, ledgerSize } = this.#options;
    const fill = new Fill(scope);
    fill.target = await ground.target(scope.level);
    await fill.survey(entries, await ground.seqsOf(fill.target.space, ledgerSize()), scope.from, ledgerSize);
    return fill;
  }

  /** How many events of a draft are embedded in a second, by all workers; what is made of them is thrown away. @throws EmbedError */
  async measure(draft: Fill): Promise<number | undefined> {
    const { ground } = this.#options;
    const { level, priorities } = draft.scope;
    let perSecond: number | undefined;
    // The first time a model is loaded.
    for (const events of [1, RANGE.events]) {
      const range = draft.take({ size: Number.POSITIVE_INFINITY, late: [] }, { ...RANGE, events });
      if (!range) break;
      const beganMs = performance.now();
      const { end } = await ground.embed(level, priorities, range);
      const made = eventsOf({ ...range, to: end }).length;
      perSecond = (made / Math.max(1, performance.now() - beganMs)) * 1000 * ground.lanes;
    }
    return perSecond;
  }

  /** Resolves once it is durable: it goes on whatever happens to whoever asked. */
  async order(space: string, { level, priorities, from, to }: FillScope, id: string): Promise<Fill> {
    const asked_at = nowTimestamp();
    const order = {
      id,
      level,
      space,
      from,
      to,
      priorities: [...priorities],
      asked_at,
      paused: false,
      done_below: from,
    };
    await this.#options.record.put(order);
    const fill = new Fill(order, order);
    this.#add(fill);
    if (to > this.#sealed.size) this.#options.onUnsealed();
    return fill;
  }

  async pause(fill: Fill, paused: boolean): Promise<void> {
    if (!fill.order) return;
    fill.order.paused = paused;
    await this.#options.record.put(fill.order);
    this.#pump();
  }

  /** Rows that were made stay. */
  async cancel(fill: Fill): Promise<void> {
    if (fill.order) await this.#options.record.remove(fill.order.id);
    fill.ending.abort(new Error("the fill was cancelled"));
    this.#forget(fill);
  }

  /** Durable events, in order. Never blocks. */
  appended(events: readonly AppendedEvent[]): void {
    for (const fill of this.#fills) {
      for (const { seq, entry } of events) fill.appended(seq, entry.priority, isSealEntry(entry));
    }
  }

  /** A generation stands. To be called before the loop's next turn: rows that are written from then on are not in it. */
  sealed(size: number, late: SeqRanges): void {
    this.#sealed = { size, late };
    for (const fill of this.#fills) fill.lookAgain();
    for (const [fill, end] of this.#ends) if (end === "sealing") this.#keep(this.#close(fill));
    this.#keep(this.#noteProgress());
    this.#pump();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("the filler was stopped"));
    for (const { ending } of this.#fills) ending.abort(this.#stop.signal.reason);
    await Promise.allSettled([...this.#work]);
  }

  #add(fill: Fill): void {
    this.#fills.push(fill);
    const begin = async () => {
      await this.#tried(fill, () => this.#survey(fill));
      this.#pump();
    };
    this.#keep(begin());
  }

  async #survey(fill: Fill): Promise<void> {
    const { ground, entries, ledgerSize, record } = this.#options;
    const { level, priorities, from } = fill.scope;
    const target = await ground.prepare(level);
    const { order } = fill;
    if (order && order.space !== target.space) throw otherSpace(level, order.space);
    fill.target = target;
    const doneBelow = order ? order.done_below : record.laterDoneBelow(target.space, priorities);
    await fill.survey(entries, await ground.seqsOf(target.space, ledgerSize()), Math.max(from, doneBelow), ledgerSize);
  }

  #pump(): void {
    if (this.#stop.signal.aborted) return;
    while (this.#lanes < this.#options.ground.lanes && this.#startRange()) this.#lanes += 1;
    for (const fill of this.#fills) if (fill.order && fill.isDone && !this.#ends.has(fill)) this.#keep(this.#end(fill));
  }

  #startRange(): boolean {
    for (const fill of this.#fills) {
      if (!fill.surveyed || fill.trouble || fill.order?.paused) continue;
      const range = fill.take(this.#sealed, RANGE);
      if (!range) continue;
      const work = fillRange(this.#options, fill, range, (one, part) => this.#tried(one, part));
      this.#keep(
        work.finally(() => {
          this.#lanes -= 1;
          this.#pump();
        }),
      );
      return true;
    }
    return false;
  }

  /** All rows are there: the ledger hears of it, and a generation that holds both is the end. */
  async #end(fill: Fill): Promise<void> {
    this.#ends.set(fill, "telling");
    const told = await this.#tried(fill, () => this.#options.onFilled(fill, fill.order as FillOrder));
    if (told === STOPPED) return;
    this.#ends.set(fill, "sealing");
    this.#options.onEnded();
  }

  async #close(fill: Fill): Promise<void> {
    const { record, log } = this.#options;
    this.#forget(fill);
    await record.remove((fill.order as FillOrder).id).catch((error: unknown) => {
      log.warn("an order that is done is not forgotten: it is looked at again after a restart", { error });
    });
  }

  /** Does it until it succeeds; in between, and for `status`, the fill is in trouble. */
  async #tried<T>(fill: Fill, work: () => Promise<T>): Promise<T | typeof STOPPED> {
    const { log, retryMs = RETRY_MS } = this.#options;
    const { signal } = fill.ending;
    while (!signal.aborted) {
      try {
        const done = await work();
        fill.trouble = undefined;
        return done;
      } catch (error) {
        if (signal.aborted) break;
        const { message: reason, hint } = error as Error & { hint?: string };
        if (fill.trouble?.reason !== reason) log.warn("a fill does not go on", { level: fill.scope.level, error });
        fill.trouble = { reason, hint };
        await sleep(error instanceof EmbedError ? MODEL_RETRY_FACTOR * retryMs : retryMs, undefined, { signal }).catch(
          () => undefined,
        );
      }
    }
    return STOPPED;
  }

  /** What is durable is what the newest generation holds. */
  async #noteProgress(): Promise<void> {
    const { record, log } = this.#options;
    // What is not known of one would be lost.
    if (this.#fills.some(({ surveyed }) => !surveyed)) return;
    const orders: FillOrder[] = [];
    const later: { space: string; priorities: Priority[]; done_below: number }[] = [];
    for (const fill of this.#fills) {
      const { order, scope } = fill;
      const { space } = fill.target as FillTarget;
      if (order) {
        order.done_below = Math.min(fill.doneBelow, order.to);
        orders.push(order);
      } else later.push({ space, priorities: [...scope.priorities], done_below: fill.doneBelow });
    }
    await record.progress(orders, later, NOTE_EVENTS).catch((error: unknown) => {
      log.warn("how far fills are cannot be written down: a restart looks again", { error });
    });
  }

  #forget(fill: Fill): void {
    this.#fills = this.#fills.filter((one) => one !== fill);
    this.#ends.delete(fill);
  }

  #keep(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }
}

/** One for each level, of the priorities that get it later. */
function laterScopes(later: SpaceFillerOptions["later"]): FillScope[] {
  const levels = [...new Set(PRIORITIES.flatMap((priority) => later[priority] ?? []))];
  return levels.map((level) => {
    const priorities = PRIORITIES.filter((priority) => later[priority] === level);
    return { level, priorities, from: 0, to: Number.POSITIVE_INFINITY };
  });
}
