// Deletes the generations that nobody needs and no rule keeps, a moment after the last push or seal: each deletion commits
// the filesystem, and a commit in the middle of the next increment costs it 10 to 30 ms. What cannot go now (a send still
// reads it) is tried again by itself, later each time, and keeps none of the others.
import PQueue from "p-queue";
import type { Logger } from "../log.js";
import { removeGenerations, scanGenerations } from "./generations.js";
import type { StoreLayout } from "./layout.js";
import { readSealedMs } from "./read-sealed-time.js";
import { type DatedGeneration, KEEP_CURRENT, type KeepRule, needsTimes, selectKept } from "./select-kept.js";
import type { SpareProcesses } from "./spare-processes.js";

const QUIET_MS = 2500;
/**
 * Under steady traffic there is no quiet: then after about this long, several in one commit. Each time another while, from half
 * of it on: replicas of one primary get their generations in the same moments, and those that share a disk would all delete at once.
 */
const MOST_MS = 10_000;
const RETRY_FIRST_MS = 1000;
const RETRY_MOST_MS = 10_000;

export interface TidierOptions {
  store: StoreLayout;
  /** What stays for its own sake; default the current one. */
  keep?: KeepRule;
  /** Whether a generation that no rule keeps must stay all the same. */
  isNeeded: (generation: number) => boolean;
  /**
   * `isNeeded` is asked, and this told, in the same turn in which the deletion starts: nobody can choose a generation as a
   * base in between.
   */
  onDelete?: (generation: number) => void;
  retryFirstMs?: number;
  /** Processes for its commands. */
  spares?: SpareProcesses | undefined;
  log: Logger;
}

/** A deletion that failed, until it goes well. */
interface Stuck {
  failures: number;
  /** By `performance.now()`, as all times here are: a clock that is set back must not put deletions off. */
  notBeforeMs: number;
}

export class GenerationTidier {
  readonly #options: TidierOptions;
  readonly #keep: KeepRule;
  readonly #runs = new PQueue({ concurrency: 1 });
  readonly #stuck = new Map<string, Stuck>();
  /** Seals never change: each is read once. */
  readonly #sealedMs = new Map<number, number | undefined>();
  #kept: DatedGeneration[] = [];
  /** Number of the newest generation that was there at the last look. */
  #newestSeen = 0;
  #timer: NodeJS.Timeout | undefined;
  /** What was noticed is tidied by then. */
  #latestMs: number | undefined;
  #stopped = false;

  constructor(options: TidierOptions) {
    this.#options = options;
    this.#keep = options.keep ?? KEEP_CURRENT;
  }

  /** Generations that the rule keeps, ascending, as they were found last. */
  get kept(): readonly DatedGeneration[] {
    return this.#kept;
  }

  /** Whether a generation stays for its own sake. Those that have come since the last look do until the next one. */
  keeps(generation: number): boolean {
    return generation > this.#newestSeen || this.#kept.some((kept) => kept.generation === generation);
  }

  /** Something changed: a generation was sealed, promoted or acked. */
  notice(): void {
    const nowMs = performance.now();
    this.#latestMs ??= nowMs + (MOST_MS / 2) * (1 + Math.random());
    this.#tidyIn(Math.max(0, Math.min(QUIET_MS, this.#latestMs - nowMs)));
  }

  /** Deletes now what is not needed now. Never rejects. */
  tidy(): Promise<void> {
    this.#latestMs = undefined;
    return this.#runs.add(async () => {
      try {
        await this.#run();
      } catch (error) {
        this.#options.log.warn("older generations stay for now", { error });
      }
      this.#planRetry();
    });
  }

  /** Waits for a deletion under way; no other follows. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#runs.onIdle();
  }

  async #run(): Promise<void> {
    const { store, isNeeded, onDelete, spares } = this.#options;
    const { whole, half } = await scanGenerations(store);
    const dated = await this.#date(whole);
    const kept = selectKept(dated, this.#keep);
    this.#kept = dated.filter(({ generation }) => kept.has(generation));
    this.#newestSeen = whole.at(-1) ?? 0;
    const nowMs = performance.now();
    const isDue = (name: string) => (this.#stuck.get(name)?.notBeforeMs ?? 0) <= nowMs;
    const unneeded = whole.filter((generation) => !kept.has(generation) && !isNeeded(generation));
    for (const generation of unneeded) onDelete?.(generation);
    const unwanted = [...unneeded.map(String), ...half];
    // Somebody else deleted it.
    for (const name of this.#stuck.keys()) if (!unwanted.includes(name)) this.#stuck.delete(name);
    const names = unwanted.filter(isDue);
    const failed = await removeGenerations(store, names, { spares });
    for (const name of names) this.#note(name, failed.get(name));
    for (const generation of unneeded) this.#sealedMs.delete(generation);
  }

  /** Only where a rule asks for times, or they are shown: the steady state reads the newest one's. */
  async #date(whole: readonly number[]): Promise<DatedGeneration[]> {
    const { store } = this.#options;
    const wanted = needsTimes(this.#keep) ? whole : whole.slice(-this.#keep.last);
    for (const generation of wanted) {
      if (this.#sealedMs.has(generation)) continue;
      this.#sealedMs.set(generation, await readSealedMs(store.generation(generation)));
    }
    return whole.map((generation) => ({ generation, sealedMs: this.#sealedMs.get(generation) }));
  }

  #note(name: string, error: unknown): void {
    const { log, retryFirstMs = RETRY_FIRST_MS } = this.#options;
    const failures = this.#stuck.get(name)?.failures ?? 0;
    if (error === undefined) {
      if (this.#stuck.delete(name)) log.info("a generation that could not go is deleted", { generation: name });
      return;
    }
    if (failures === 0) log.warn("a generation cannot be deleted yet", { generation: name, error });
    const delayMs = Math.min(RETRY_MOST_MS, retryFirstMs * 2 ** Math.min(failures, 10));
    this.#stuck.set(name, { failures: failures + 1, notBeforeMs: performance.now() + delayMs });
  }

  #planRetry(): void {
    if (this.#latestMs !== undefined || this.#stuck.size === 0) return;
    const nextMs = Math.min(...[...this.#stuck.values()].map(({ notBeforeMs }) => notBeforeMs));
    this.#tidyIn(Math.max(0, nextMs - performance.now()));
  }

  #tidyIn(delayMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => void this.tidy(), delayMs);
  }
}
