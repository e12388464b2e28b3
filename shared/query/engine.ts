// The query engine: every store under a root that has a current generation, the queries on them, and the envelope that
// says what an answer speaks for. Reads promoted generations only; there is no way to write through it.
import { readdir } from "node:fs/promises";
import type { Logger } from "../log.js";
import { RootLayout } from "../store/layout.js";
import { readStoreFile } from "../store/store-file.js";
import type { FollowedFeed } from "./feed/follow-feed.js";
import { HnswPool } from "./hnsw-pool.js";
import { type AnomaliesQuery, queryAnomalies } from "./query-anomalies.js";
import { type ChainQuery, queryChain } from "./query-chain.js";
import type { QueryContext } from "./query-context.js";
import { type ElementsQuery, queryElements } from "./query-elements.js";
import { QueryError } from "./query-error.js";
import { type EventQuery, queryEvent } from "./query-event.js";
import type { PrimaryHead, Promoted, QueryOptions } from "./query-message.js";
import { querySearch, type SearchQuery } from "./query-search.js";
import { querySimilar, type SimilarQuery } from "./query-similar.js";
import { queryState, type StateQuery } from "./query-state.js";
import { queryStats } from "./query-stats.js";
import { isCatalogDamage, QueryStore } from "./query-store.js";
import { queryTimeline, type TimelineQuery } from "./query-timeline.js";
import { readResidentBytes } from "./read-resident-bytes.js";
import { Retries } from "./retries.js";
import { type Askable, tellAskable } from "./search/ask-spaces.js";
import { type QuestionCounts, QuestionHost } from "./search/question-host.js";
import type { VectorIndex } from "./vector-index.js";

/** How far an answer is behind the primary, as far as is known. */
export interface Behind {
  known: boolean;
  entries: number | null;
  seconds_since_primary_heard: number | null;
}

/** What every answer says about itself. */
export interface Envelope {
  store: string;
  origin: string;
  generation: number;
  /** Entries that the answer speaks for. */
  size: number;
  /** The last of them, or null in an empty store. */
  seq: number | null;
  behind: Behind;
}

/** What `status` says of one store. */
export type StoreStatus = Envelope & {
  ready: boolean;
  spaces: { space: string; index: ReturnType<VectorIndex["status"]>; questions: Askable }[];
};

/** Whether an engine in a process of its own hears of promotions. */
export interface FeedStatus {
  connected: boolean;
  /** Since when it does, or does not. */
  since: string;
  /** Why it does not. */
  problem: string | null;
}

export interface EngineStatus {
  stores: StoreStatus[];
  /** Left out by a child of the daemon. */
  feed?: FeedStatus;
  questions: QuestionCounts;
  memory: { engine_bytes: number; index_bytes: number; questions_bytes: number };
}

export interface EngineOptions extends Pick<QueryOptions, "root" | "indexProcesses"> {
  /** Whether promotions and heads are told of; undefined where they always are. */
  feed?: () => FollowedFeed;
  log: Logger;
  /** Pause before what failed is tried again for the first time. Default 1000. */
  leastPauseMs?: number;
}

/** Hears that the store is answered from a generation. */
export type OnAnswered = (store: string, answered: Promoted) => void;

/** So long after the feed broke off, what the primary said last says nothing of how far behind an answer is. */
const FEED_OLD_MS = 10_000;
/** In the place of a store's UUID, where their folder cannot be read. */
const ALL_STORES = "all";

interface HeldStore {
  uuid: string;
  origin: string;
  store: QueryStore;
  head?: PrimaryHead;
}

export class QueryEngine {
  readonly #layout: RootLayout;
  readonly #pool: HnswPool;
  readonly #questions: QuestionHost;
  readonly #log: Logger;
  readonly #feed: (() => FollowedFeed) | undefined;
  readonly #stopping = new AbortController();
  readonly #retries: Retries;
  readonly #stores = new Map<string, HeldStore>();
  readonly #opening = new Map<string, Promise<HeldStore>>();
  readonly #heads = new Map<string, PrimaryHead>();
  /** Whoever listened last: hears of what a later try answers. */
  #onAnswered: OnAnswered | undefined;
  /** Whether the stores on disk have been looked up, so that having none means that there are none. */
  #lookedUp = false;

  constructor({ root, indexProcesses, feed, log, leastPauseMs }: EngineOptions) {
    this.#layout = new RootLayout(root);
    this.#log = log;
    this.#feed = feed;
    this.#pool = new HnswPool(indexProcesses, log);
    this.#questions = new QuestionHost({ root, log });
    this.#retries = new Retries({ signal: this.#stopping.signal, log, leastPauseMs });
  }

  /** Catches up with what is on disk. @throws what the folder of stores cannot be read for */
  async start(): Promise<void> {
    await this.catchUp();
  }

  /**
   * Opens every store with a current generation and catches up with it; `onAnswered` hears of each that is answered then.
   * A store that cannot be read is tried again later. Cheap where nothing is new.
   *
   * @throws what the folder of stores cannot be read for; that is tried again later too
   */
  async catchUp(onAnswered = this.#onAnswered): Promise<void> {
    this.#onAnswered = onAnswered;
    const uuids = await this.#listStores();
    // All before the first of them catches up: until then they are answered as not ready, not as unknown.
    for (const uuid of uuids) await this.#hold(uuid).catch((error: Error) => this.#failed(uuid, error));
    this.#lookedUp = true;
    for (const uuid of this.#stores.keys()) await this.#catchUpStore(uuid);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { store } of this.#stores.values()) await store.close();
    await this.#questions.stop();
    await this.#pool.stop();
  }

  /**
   * Resolves when answers come from `generation` of the store, or from a later one. Where it rejects, it is tried again later,
   * and `onAnswered` hears of that.
   */
  async promoted(uuid: string, generation: number, onAnswered = this.#onAnswered): Promise<Promoted> {
    this.#onAnswered = onAnswered;
    this.#retries.begin(uuid);
    try {
      const { store } = await this.#hold(uuid);
      return await this.#promote(uuid, store, generation);
    } catch (error) {
      this.#failed(uuid, error as Error);
      throw error;
    }
  }

  setPrimaryHead(uuid: string, head: PrimaryHead): void {
    this.#heads.set(uuid, head);
  }

  chain(store: string | undefined, query: ChainQuery) {
    return this.#answer(store, (context) => queryChain(context, query));
  }

  timeline(store: string | undefined, query: TimelineQuery) {
    return this.#answer(store, (context) => queryTimeline(context, query));
  }

  event(store: string | undefined, query: EventQuery) {
    return this.#answer(store, (context) => queryEvent(context, query));
  }

  state(store: string | undefined, query: StateQuery) {
    return this.#answer(store, (context) => queryState(context, query));
  }

  elements(store: string | undefined, query: ElementsQuery) {
    return this.#answer(store, (context) => queryElements(context, query));
  }

  anomalies(store: string | undefined, query: AnomaliesQuery) {
    return this.#answer(store, (context) => queryAnomalies(context, query));
  }

  stats(store: string | undefined) {
    return this.#answer(store, queryStats);
  }

  similar(store: string | undefined, query: SimilarQuery) {
    return this.#answer(store, (context) => querySimilar(context, query));
  }

  search(store: string | undefined, query: SearchQuery) {
    return this.#answer(store, (context) => querySearch(context, query));
  }

  /** All stores, ready or not, the questions embedded here, and the memory of this process and its children. */
  async status(): Promise<EngineStatus> {
    const stores = await Promise.all([...this.#stores.values()].map((held) => this.#statusOf(held)));
    const children = await Promise.all(this.#pool.pids().map(readResidentBytes));
    const { pid, counts } = this.#questions;
    const memory = {
      engine_bytes: process.memoryUsage.rss(),
      index_bytes: children.reduce((a, b) => a + b, 0),
      questions_bytes: pid === undefined ? 0 : await readResidentBytes(pid),
    };
    return { stores, ...this.#feedStatus(), questions: { ...counts }, memory };
  }

  #feedStatus(): { feed?: FeedStatus } {
    const feed = this.#feed?.();
    if (!feed) return {};
    const { connected, forMs, problem } = feed;
    return { feed: { connected, since: new Date(Date.now() - forMs).toISOString(), problem } };
  }

  async #statusOf(held: HeldStore): Promise<StoreStatus> {
    const spaces = [...held.store.spaces].map(async ([space, index]) => {
      return { space, index: index.status(), questions: await tellAskable(this.#questions, index.space) };
    });
    const ready = held.store.answered !== undefined;
    return { ...this.#envelope(held, held.store.answered), ready, spaces: await Promise.all(spaces) };
  }

  async #answer<A extends object>(asked: string | undefined, ask: (context: QueryContext) => A | Promise<A>) {
    const held = this.#find(asked);
    try {
      const answered = held.store.answered;
      const answer = await ask(held.store.context());
      // A page's own size stands over the envelope's: all pages of an answer speak for what the first one did.
      return withSeq({ ...this.#envelope(held, answered), ...answer });
    } catch (error) {
      if (!isCatalogDamage(error)) throw error;
      held.store.rebuild((error as Error).message).catch((failure: Error) => this.#failed(held.uuid, failure));
      const hint = "ask again in a moment";
      throw new QueryError("not-ready", "the catalog was found damaged and is being built again", {
        cause: error,
        hint,
      });
    }
  }

  #envelope({ uuid, origin }: HeldStore, answered: Promoted | undefined): Envelope {
    const size = answered?.size ?? 0;
    const behind = behindOf(this.#isFeedOld() ? undefined : this.#heads.get(uuid), size);
    return withSeq({ store: uuid, origin, generation: answered?.generation ?? 0, size, seq: null, behind });
  }

  #isFeedOld(): boolean {
    const feed = this.#feed?.();
    return feed !== undefined && !feed.connected && feed.forMs > FEED_OLD_MS;
  }

  #find(asked: string | undefined): HeldStore {
    const all = [...this.#stores.values()];
    const found = asked === undefined ? all : all.filter(({ uuid, origin }) => uuid === asked || origin === asked);
    if (found.length === 1) return found[0] as HeldStore;
    const names = all.map(({ uuid, origin }) => `${uuid} (${origin})`).join(", ");
    if (!this.#lookedUp) {
      throw new QueryError("not-ready", "the stores are being opened", { hint: "ask again in a moment" });
    }
    if (all.length === 0) {
      throw new QueryError("not-ready", "no generation has arrived yet", { hint: "ask again after the first seal" });
    }
    if (asked === undefined || found.length > 1) {
      throw new QueryError("bad-parameter", `store is ${JSON.stringify(asked) ?? "missing"}, and there are several`, {
        hint: `name one of them by its UUID: ${names}`,
      });
    }
    throw new QueryError("unknown-store", `there is no store ${JSON.stringify(asked)} here`, {
      hint: `there is ${names}`,
    });
  }

  async #listStores(): Promise<string[]> {
    try {
      const uuids = await readdir(this.#layout.stores).catch(noneYet);
      this.#retries.passed(ALL_STORES);
      return uuids;
    } catch (error) {
      this.#retries.failed(ALL_STORES, error as Error, () => void this.catchUp().catch(() => undefined));
      throw error;
    }
  }

  /** With the generation on disk. Never rejects: what fails is tried again later. */
  async #catchUpStore(uuid: string): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    try {
      const { store } = await this.#hold(uuid);
      const current = store.currentGeneration();
      if (current === 0) return;
      const answered = await this.#promote(uuid, store, current);
      this.#onAnswered?.(uuid, answered);
    } catch (error) {
      this.#failed(uuid, error as Error);
    }
  }

  async #promote(uuid: string, store: QueryStore, generation: number): Promise<Promoted> {
    const answered = await store.promote(generation);
    this.#retries.passed(uuid);
    return answered;
  }

  #failed(uuid: string, error: Error): void {
    this.#retries.failed(uuid, error, () => void this.#catchUpStore(uuid));
  }

  /** Two promotions of a store that is new here open it once. */
  #hold(uuid: string): Promise<HeldStore> {
    const opening = this.#opening.get(uuid) ?? this.#open(uuid);
    this.#opening.set(uuid, opening);
    opening.catch(() => this.#opening.delete(uuid));
    return opening;
  }

  async #open(uuid: string): Promise<HeldStore> {
    const layout = this.#layout.store(uuid);
    const { origin } = await readStoreFile(layout.storeFile);
    const { signal } = this.#stopping;
    const store = new QueryStore({
      layout,
      uuid,
      pool: this.#pool,
      questions: this.#questions,
      log: this.#log,
      signal,
    });
    const held = { uuid, origin, store };
    this.#stores.set(uuid, held);
    return held;
  }
}

function withSeq<E extends Envelope>(envelope: E): E {
  return { ...envelope, seq: envelope.size > 0 ? envelope.size - 1 : null };
}

function behindOf(head: PrimaryHead | undefined, size: number): Behind {
  if (!head) return { known: false, entries: null, seconds_since_primary_heard: null };
  const seconds = Math.max(0, Date.now() - head.atMs) / 1000;
  return { known: true, entries: Math.max(0, head.size - size), seconds_since_primary_heard: seconds };
}

function noneYet(error: NodeJS.ErrnoException): string[] {
  if (error.code === "ENOENT") return [];
  throw error;
}
