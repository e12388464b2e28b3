// The engine's end of one HNSW child, which runs from its first segment or build on: batches the queries that wait, restarts a dead
// child, and loads its segments again.
// A query that a dead child held is rejected at once with HnswGone; the caller scans those rows exactly instead.
import { fileURLToPath } from "node:url";
import { type ForkedChild, forkChild } from "../fork-child.js";
import type { Logger } from "../log.js";
import type { BuildAnswer, BuildRequest, HnswReply, HnswRequest, LoadRequest, SearchAnswer } from "./hnsw-message.js";
import type { RowHit } from "./nearest-rows.js";

export type SegmentSpec = Omit<LoadRequest, "op" | "call"> & {
  /** The file cannot be loaded; the segment must be built again. */
  onDamaged: (reason: string) => void;
};

/** The child died before it answered. */
export class HnswGone extends Error {}

interface Waiting {
  segments: readonly number[];
  query: Float32Array;
  k: number;
  ef: number;
  resolve: (hits: RowHit[]) => void;
  reject: (error: Error) => void;
}

const CHILD = fileURLToPath(new URL("./hnsw-child.js", import.meta.url));
/** One batch at a time: what comes while the child works goes together in the next. */
const MOST_PER_BATCH = 32;
const MOST_RESTART_DELAY_MS = 30_000;
/** A process that ran for this long was well: the next starts at once. */
const WELL_AFTER_MS = 60_000;

export class HnswHost {
  readonly #log: Logger;
  #child: ForkedChild | undefined;
  #closed = false;
  #startedMs = 0;
  /** In a row. */
  #deaths = 0;
  #nextCall = 1;
  #busy = false;
  #restart: NodeJS.Timeout | undefined;
  readonly #calls = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  #waiting: Waiting[] = [];
  readonly #specs = new Map<number, SegmentSpec>();
  readonly #ready = new Set<number>();
  /** One load at a time: if the child dies of it, it is known which file it was. */
  #loading: Promise<void> = Promise.resolve();

  constructor(log: Logger) {
    this.#log = log;
  }

  async stop(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGKILL");
    await gone;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Rows held, to share out new segments evenly. */
  get rows(): number {
    let rows = 0;
    for (const spec of this.#specs.values()) rows += spec.added;
    return rows;
  }

  isReady(id: number): boolean {
    return this.#ready.has(id);
  }

  /** Resolves when the segment is loaded, or is known not to be loadable (`onDamaged` was called then). */
  async load(spec: SegmentSpec): Promise<void> {
    this.#specs.set(spec.id, spec);
    this.#startOnce();
    await this.#loadInTurn(spec);
  }

  /** Queries already handed over are answered first. */
  unload(id: number): void {
    this.#specs.delete(id);
    this.#ready.delete(id);
    const retry = () => {
      if (this.#waiting.some((waiting) => waiting.segments.includes(id))) setTimeout(retry, 10);
      else this.#call({ op: "unload", call: 0, id }).catch(() => {});
    };
    retry();
  }

  /** Hits of all `segments`, not yet merged. Queries that share the same `segments` array travel together. */
  search(segments: readonly number[], query: Float32Array, k: number, ef: number): Promise<RowHit[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ segments, query, k, ef, resolve, reject });
      // Later in this turn, so that queries which come together go together.
      if (!this.#busy) queueMicrotask(() => this.#flush());
    });
  }

  build(request: Omit<BuildRequest, "op" | "call">): Promise<BuildAnswer> {
    this.#startOnce();
    return this.#call({ op: "build", call: 0, ...request }) as Promise<BuildAnswer>;
  }

  /** One that has died is started again by its end. */
  #startOnce(): void {
    if (this.#child === undefined && !this.#closed) this.#start();
  }

  #start(): void {
    const child = forkChild(CHILD);
    this.#child = child;
    child.on("message", (reply: HnswReply) => this.#onReply(reply));
    child.on("error", (error) => this.#log.debug("HNSW process cannot be reached", { error }));
    child.once("exit", (code, signal) => this.#onExit(child, code, signal));
    this.#startedMs = performance.now();
  }

  #flush(): void {
    if (this.#busy || this.#waiting.length === 0) return;
    this.#busy = true;
    void this.#sendBatch(this.#takeBatch()).finally(() => {
      this.#busy = false;
      this.#flush();
    });
  }

  #takeBatch(): Waiting[] {
    const { segments, query } = this.#waiting[0] as Waiting;
    const end = this.#waiting.findIndex(
      (one, i) => i >= MOST_PER_BATCH || one.segments !== segments || one.query.length !== query.length,
    );
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }

  async #sendBatch(batch: Waiting[]): Promise<void> {
    const { segments, query } = batch[0] as Waiting;
    const k = Math.max(...batch.map((one) => one.k));
    const ef = Math.max(...batch.map((one) => one.ef));
    const queries = new Float32Array(batch.length * query.length);
    for (const [i, one] of batch.entries()) queries.set(one.query, i * query.length);
    try {
      const answer = await this.#call({ op: "search", call: 0, segments, queries, count: batch.length, k, ef });
      const width = segments.length * k;
      for (const [i, one] of batch.entries()) one.resolve(hitsOf(answer as SearchAnswer, i * width, width));
    } catch (error) {
      for (const one of batch) one.reject(error as Error);
    }
  }

  #loadInTurn(spec: SegmentSpec): Promise<void> {
    this.#loading = this.#loading.then(() => this.#loadNow(spec));
    return this.#loading;
  }

  /** Never rejects. */
  async #loadNow(spec: SegmentSpec): Promise<void> {
    const { onDamaged, ...request } = spec;
    // Between two children: the next one loads all specs when it starts, and may have had this one before its turn here.
    if (!this.#child?.connected || this.#ready.has(spec.id) || this.#specs.get(spec.id) !== spec) return;
    try {
      await this.#call({ op: "load", call: 0, ...request });
      if (this.#specs.has(spec.id)) this.#ready.add(spec.id);
    } catch (error) {
      // A child that was stopped says nothing about the file; one that died of the file must not be given it again.
      if (this.#closed || this.#specs.get(spec.id) !== spec) return;
      this.#specs.delete(spec.id);
      onDamaged((error as Error).message);
    }
  }

  #call(request: HnswRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const child = this.#child;
      if (!child?.connected) {
        reject(new HnswGone("the HNSW process is not running"));
        return;
      }
      const call = this.#nextCall++;
      this.#calls.set(call, { resolve, reject });
      child.send({ ...request, call }, (error) => {
        if (error) this.#settle(call)?.reject(new HnswGone("the HNSW process is gone", { cause: error }));
      });
    });
  }

  #settle(call: number) {
    const waiting = this.#calls.get(call);
    this.#calls.delete(call);
    return waiting;
  }

  #onReply({ call, answer, error }: HnswReply): void {
    const waiting = this.#settle(call);
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(error));
  }

  #onExit(child: ForkedChild, code: number | null, signal: string | null): void {
    if (this.#child !== child) return;
    this.#ready.clear();
    for (const { reject } of this.#calls.values()) reject(new HnswGone(`the HNSW process ended (${signal ?? code})`));
    this.#calls.clear();
    for (const { reject } of this.#waiting.splice(0)) reject(new HnswGone("the HNSW process ended"));
    if (this.#closed) return;
    const ranMs = performance.now() - this.#startedMs;
    this.#deaths = ranMs >= WELL_AFTER_MS ? 1 : this.#deaths + 1;
    const delayMs = this.#deaths === 1 ? 0 : Math.min(MOST_RESTART_DELAY_MS, 100 * 2 ** this.#deaths);
    this.#log.warn("HNSW process ended, starting another", { code, signal, delay_ms: delayMs });
    this.#restart = setTimeout(() => {
      this.#start();
      for (const spec of this.#specs.values()) void this.#loadInTurn(spec);
    }, delayMs);
  }
}

function hitsOf({ positions, cosines }: SearchAnswer, from: number, width: number): RowHit[] {
  const hits: RowHit[] = [];
  for (let i = from; i < from + width; i += 1) {
    const position = positions[i] as number;
    if (position >= 0) hits.push({ position, cosine: cosines[i] as number });
  }
  return hits;
}
