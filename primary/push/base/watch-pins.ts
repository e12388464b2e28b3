// Looks now and then at what the bases of replicas that are behind cost, and has links let go of those past a bound
// (bound-pins.ts). In the steady state there are none, and a look costs nothing. It deletes nothing itself.
import { joinSignals } from "../../../shared/join-signals.js";
import type { Logger } from "../../../shared/log.js";
import { freeSpace } from "../../../shared/store/btrfs.js";
import type { TreeLayout } from "../../../shared/store/layout.js";
import { boundPins, type CostlyPin, type PinBounds } from "./bound-pins.js";
import type { LinkPins } from "./link-pins.js";
import { measurePinned } from "./measure-pinned.js";

const EVERY_MS = 2000;
/** Younger ones are those of replicas that will have caught up before they are measured. */
const MEASURE_AFTER_MS = 60_000;
const MEASURE_AGAIN_MS = 600_000;
const MEASURE_LIMIT_MS = 60_000;
/** Deleted bytes come free a while later: until then it looks as if nothing had helped. */
const SETTLE_MS = 30_000;

/** What this reads of a link, and asks of it. */
export interface PinningLink {
  readonly name: string;
  readonly pins: LinkPins;
  /** Its base goes, and with it the way to bring the replica up by an increment. */
  letBaseGo(reason: string): void;
  /** Notes durably since when its base is out of date, if it has not yet. */
  notePins(): Promise<void>;
}

export interface PinWatchOptions {
  links: readonly PinningLink[];
  /** Number of the newest generation. */
  newest: () => number;
  /** Whether a generation stays anyway: its pin then costs nothing. */
  isKept: (generation: number) => boolean;
  tree: (generation: number) => TreeLayout;
  /** Any folder on the volume. */
  volume: string;
  bounds: PinBounds;
  measureAfterMs?: number;
  log: Logger;
}

export class PinWatch {
  readonly #options: PinWatchOptions;
  /** `bytes` is undefined where it could not be measured. */
  readonly #measured = new Map<number, { bytes: number | undefined; atMs: number }>();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #fullUntilMs = 0;

  constructor(options: PinWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.check(Date.now()).then(() => {
        if (!this.#stopping.signal.aborted) this.start();
      });
    }, EVERY_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the primary stops"));
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** One look. Never rejects. */
  async check(nowMs: number): Promise<void> {
    try {
      await this.#look(nowMs);
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#options.log.warn("what bases cost could not be found out", { error });
    }
  }

  async #look(nowMs: number): Promise<void> {
    const { links, newest, volume, bounds } = this.#options;
    for (const { pins } of links) pins.noteNewest(newest(), nowMs);
    this.#forget();
    if (this.#costly().length === 0) return;
    await this.#measure(nowMs);
    for (const link of links) await link.notePins().catch((error: unknown) => this.#warnOf(link, error));
    const { freeBytes, totalBytes } = await freeSpace(volume);
    const minFreeBytes = nowMs < this.#fullUntilMs ? 0 : bounds.minFreeBytes;
    const bytesOf = new Map([...this.#measured].map(([generation, { bytes }]) => [generation, bytes ?? 0]));
    // Asked for anew: a push may have begun while this was waiting, and from here on nothing waits.
    const costs = { pins: this.#costly(), bytesOf, volumeBytes: totalBytes, freeBytes, nowMs };
    const reasons = boundPins(costs, { ...bounds, minFreeBytes });
    if (reasons.size > 0 && freeBytes < minFreeBytes) this.#fullUntilMs = nowMs + SETTLE_MS;
    for (const link of links) {
      const reason = reasons.get(link.name);
      if (reason !== undefined) link.letBaseGo(reason);
    }
  }

  /** On a full volume the note fails, and then above all the bounds must be kept. */
  #warnOf({ name }: PinningLink, error: unknown): void {
    this.#options.log.warn("since when a base is out of date is not noted on disk", { replica: name, error });
  }

  /** Pins that keep what would else be deleted. */
  #costly(): CostlyPin[] {
    const { links, isKept } = this.#options;
    return links.flatMap(({ name, pins }) =>
      pins.isPushing
        ? []
        : pins.list.flatMap(({ generation, supersededMs }) =>
            supersededMs === undefined || isKept(generation) ? [] : [{ link: name, generation, supersededMs }],
          ),
    );
  }

  async #measure(nowMs: number): Promise<void> {
    const { tree, newest, measureAfterMs = MEASURE_AFTER_MS, log } = this.#options;
    for (const { generation, supersededMs } of this.#costly()) {
      const known = this.#measured.get(generation);
      if (nowMs - supersededMs < measureAfterMs || (known && nowMs - known.atMs < MEASURE_AGAIN_MS)) continue;
      const limits = { signals: [this.#stopping.signal], withinMs: MEASURE_LIMIT_MS };
      const measured = joinSignals(limits, (limit) => measurePinned(tree(generation), tree(newest()), limit));
      const bytes = await measured.catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) log.warn("what a base costs could not be measured", { generation, error });
        return known?.bytes;
      });
      this.#measured.set(generation, { bytes, atMs: nowMs });
    }
  }

  #forget(): void {
    const pinned = new Set(this.#options.links.flatMap(({ pins }) => pins.list.map(({ generation }) => generation)));
    for (const generation of this.#measured.keys()) if (!pinned.has(generation)) this.#measured.delete(generation);
  }
}
