// Levels that fell back come back without a restart: what they stand on (the runtime, the model's files) is looked at once a
// minute, and where it has changed the level is tried again. What failed as it stands would fail again, and is left until
// the next start; but for a want of memory, which may be over: that is tried again after ten minutes, and twice that each time.
import { setTimeout as sleep } from "node:timers/promises";
import { isModelLevel, type ModelLevel, type RowLevel } from "../../shared/embed/levels.js";
import type { ResolvedLevel } from "../../shared/embed/resolve-level.js";
import type { Logger } from "../../shared/log.js";
import type { LevelPlan } from "./level-plan.js";

export interface LevelWatchOptions {
  plan: LevelPlan;
  /** What the level stands on, as a text that changes when that does. */
  groundOf: (level: ModelLevel) => Promise<string>;
  resolve: (level: RowLevel) => Promise<ResolvedLevel>;
  log: Logger;
  /** Default 60000. */
  everyMs?: number;
  /** Milliseconds. Default `performance.now`. */
  now?: () => number;
}

const EVERY_MS = 60_000;
const FIRST_RETRY_MS = 600_000;
const LONGEST_RETRY_MS = 86_400_000;

interface Retry {
  atMs: number;
  /** Until the one after it. */
  nextMs: number;
}

export class LevelWatch {
  readonly #options: LevelWatchOptions;
  readonly #stop = new AbortController();
  /** Of levels that fell back: what they stood on then. */
  readonly #failedOn = new Map<ModelLevel, string>();
  /** Of those that may come back as they stand. */
  readonly #retries = new Map<ModelLevel, Retry>();
  #running: Promise<void> | undefined;
  #unwatch: () => void = () => undefined;

  constructor(options: LevelWatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#noteFailed();
    this.#unwatch = this.#options.plan.onChange(() => void this.#noteFailed());
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#unwatch();
    this.#stop.abort();
    await this.#running;
  }

  /** Tries the levels again that stand on something else than when they fell back. */
  async look(): Promise<void> {
    const { plan, groundOf, resolve } = this.#options;
    for (const { level, fault } of plan.state()) {
      if (!fault || !isModelLevel(level)) continue;
      const ground = await groundOf(level);
      if (ground === this.#failedOn.get(level) && !this.#isRetryDue(level, fault.code)) continue;
      const resolved = await resolve(level);
      this.#failedOn.set(level, ground);
      if (resolved.fault?.code !== fault.code) plan.set(resolved);
    }
  }

  #isRetryDue(level: ModelLevel, code: string): boolean {
    if (code !== "encoder-died") return false;
    const nowMs = (this.#options.now ?? performance.now.bind(performance))();
    const retry = this.#retries.get(level) ?? { atMs: nowMs + FIRST_RETRY_MS, nextMs: 2 * FIRST_RETRY_MS };
    const isDue = nowMs >= retry.atMs;
    const next = { atMs: nowMs + retry.nextMs, nextMs: Math.min(2 * retry.nextMs, LONGEST_RETRY_MS) };
    this.#retries.set(level, isDue ? next : retry);
    return isDue;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { everyMs = EVERY_MS, log } = this.#options;
    while (!signal.aborted) {
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.look().catch((error: unknown) => log.warn("vector levels could not be looked at", { error }));
    }
  }

  async #noteFailed(): Promise<void> {
    const { plan, groundOf } = this.#options;
    for (const { level, fault } of plan.state()) {
      if (!isModelLevel(level)) continue;
      if (!fault) this.#failedOn.delete(level);
      else if (!this.#failedOn.has(level)) this.#failedOn.set(level, await groundOf(level));
    }
  }
}
