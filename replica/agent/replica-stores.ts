// The stores that a replica holds, and the rule by which a new one is let in: its origin's key is trusted, and no other
// store of that origin is here. Anything else is refused and said aloud, never mended silently.
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import type { NoteSigner, NoteVerifier } from "../../shared/format/signed-note.js";
import type { Logger } from "../../shared/log.js";
import { RootLayout } from "../../shared/store/layout.js";
import { describeKept, type KeepRule, type KeptGeneration } from "../../shared/store/select-kept.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import { readOriginIfThere } from "../../shared/store/store-file.js";
import { readPartial } from "../receive/keep-partial.js";
import { ReceiveError } from "../receive/receive-error.js";
import type { PartRule } from "../receive/receive-in-parts.js";
import type { ReplicaRoom } from "../receive/require-room.js";
import { type Received, StoreReplica } from "../replicate.js";

export interface ReplicaStoresParts {
  root: string;
  signer: () => NoteSigner;
  /** Read anew for each push: `trust` needs no restart. */
  trustedKeys: () => Promise<NoteVerifier[]>;
  stallMs: number;
  room: ReplicaRoom;
  keep: KeepRule;
  parts: PartRule;
  keepPartialMs: number;
  spares: SpareProcesses;
  onPromoted: (storeUuid: string, generation: number, size: number) => void;
  /** How a push of this origin ended. Every origin that is told of is a trusted one. */
  onReceived: (origin: string, received: Received) => void;
  log: Logger;
}

/** What `status` says of one store. */
export interface HeldStatus {
  store: string;
  origin: string;
  generation: number;
  size: number;
  receiving: boolean;
  wants: "nothing" | "push" | "full";
  /** Why what is held cannot be built on; null if it can. */
  damage: string | null;
  last_ack: string | null;
  /** Generations that `keep` keeps, ascending; the current one is the last. */
  kept: KeptGeneration[];
  /** When the current generation was promoted, before the last start too. */
  last_promotion: string | null;
  /** What the primary said last; null until it is heard after a start. */
  primary: { size: number; generation: number; heard: string } | null;
  /** How far behind what it said, as measured here; null until it is heard. */
  lag: { seconds: number; sealed_seconds: number; entries: number } | null;
  /** What is kept of a push that was cut. */
  partial: { generation: number; bytes: number } | null;
}

/** Of a store that could not be recovered nothing is known. */
const NOTHING_HELD = {
  ...{ generation: 0, size: 0, receiving: false, wants: "nothing", kept: [] },
  ...{ last_ack: null, last_promotion: null, primary: null, lag: null, partial: null },
} satisfies Partial<HeldStatus>;

/** Origins that said hello and have not pushed yet; more than this at once are not waited for. */
const MAX_EXPECTED = 64;

export class ReplicaStores {
  readonly #parts: ReplicaStoresParts;
  readonly #stores = new Map<string, StoreReplica>();
  /** Stores that could not be recovered: it is tried again with each hello. */
  readonly #failed = new Map<string, { origin: string | undefined; message: string }>();
  readonly #expected = new Map<string, string>();
  #opening: Promise<unknown> = Promise.resolve();

  constructor(parts: ReplicaStoresParts) {
    this.#parts = parts;
  }

  /** Recovers every store under the root. One that cannot be held is logged, and does not stand in the way of others. */
  async start(): Promise<void> {
    const { root, log } = this.#parts;
    const layout = new RootLayout(root);
    for (const uuid of await readdir(layout.stores)) {
      const store = layout.store(uuid);
      let origin: string | undefined;
      try {
        // The first push of a store may have been cut: then only what is kept of it names the origin.
        origin = (await readOriginIfThere(store.storeFile)) ?? (await readPartial(store))?.origin;
        if (origin === undefined) log.warn("a store that never had a generation is passed over", { store: uuid });
        else await this.#add(uuid, origin);
      } catch (error) {
        log.error("a store cannot be held; it is tried again when its primary says hello", { store: uuid, error });
        this.#failed.set(uuid, { origin, message: (error as Error).message });
      }
    }
  }

  async stop(): Promise<void> {
    for (const store of this.#stores.values()) await store.stop();
  }

  /** Asks for a push at the next hello of one store, or of all. Returns which. @throws ReceiveError `foreign-store` */
  want(storeUuid: string | undefined, what: "push" | "full"): string[] {
    const wanted = [...this.#stores].filter(([uuid]) => storeUuid === undefined || uuid === storeUuid);
    if (wanted.length === 0) {
      const message = storeUuid ? `store ${storeUuid} is not here` : "there is no store here yet";
      throw new ReceiveError("foreign-store", message, { hint: "`isochron-replica status` lists the stores" });
    }
    for (const [, store] of wanted) store.wants = what;
    return wanted.map(([uuid]) => uuid);
  }

  holds(storeUuid: string): boolean {
    return this.#stores.has(storeUuid);
  }

  status(nowMs = Date.now()): HeldStatus[] {
    const failed = [...this.#failed].map(([uuid, { origin, message }]) => ({
      ...NOTHING_HELD,
      store: uuid,
      origin: origin ?? "",
      damage: `it cannot be held: ${message}`,
    }));
    const held = [...this.#stores].map(([uuid, store]) => ({
      store: uuid,
      origin: store.origin,
      generation: store.generation,
      size: store.size,
      receiving: store.receiving,
      wants: store.wants,
      damage: store.damage ?? null,
      last_ack: timeOf(store.lastAckAtMs),
      last_promotion: timeOf(store.promotedAtMs),
      ...lagOf(store, nowMs),
      kept: describeKept(store.kept),
      partial: store.partial ? { generation: store.partial.generation, bytes: store.partial.bytes } : null,
    }));
    return [...held, ...failed];
  }

  /** @throws ReceiveError `foreign-store`, `untrusted-origin` */
  async find(storeUuid: string, origin: string): Promise<StoreReplica | undefined> {
    const failed = this.#failed.get(storeUuid);
    const known = this.#stores.get(storeUuid);
    const knownOrigin = known?.origin ?? failed?.origin;
    if (knownOrigin !== undefined && knownOrigin !== origin) {
      throw foreign(`store ${storeUuid} is of origin ${knownOrigin} here; the primary says ${origin}`);
    }
    if (known) return known;
    if (failed) {
      failed.origin = origin;
      return this.open(storeUuid);
    }
    await this.#requireTrusted(origin);
    this.#requireFree(origin, storeUuid);
    if (this.#expected.size >= MAX_EXPECTED) this.#expected.delete(this.#expected.keys().next().value as string);
    this.#expected.set(storeUuid, origin);
    return undefined;
  }

  /** @throws ReceiveError `bad-request` without a hello before */
  async open(storeUuid: string): Promise<StoreReplica> {
    const opened = this.#opening.then(async () => {
      const known = this.#stores.get(storeUuid);
      if (known) return known;
      const failed = this.#failed.get(storeUuid);
      if (failed?.origin !== undefined) return this.#addAgain(storeUuid, failed.origin);
      const origin = this.#expected.get(storeUuid);
      if (origin === undefined) throw new ReceiveError("bad-request", `store ${storeUuid} has not said hello`);
      this.#expected.delete(storeUuid);
      this.#requireFree(origin, storeUuid);
      await this.#requireTrusted(origin);
      await this.#dropUnused(origin);
      return this.#add(storeUuid, origin);
    });
    this.#opening = opened.catch(() => undefined);
    return opened;
  }

  /** A store that never had a verified generation holds no origin: anyone who can log in could have begun it. */
  #requireFree(origin: string, storeUuid: string): void {
    for (const [uuid, store] of this.#stores) {
      if (uuid === storeUuid || store.origin !== origin || (store.generation === 0 && !store.receiving)) continue;
      throw foreign(`this replica holds store ${uuid} of origin ${origin}, not ${storeUuid}`);
    }
    for (const [uuid, failed] of this.#failed) {
      if (failed.origin !== origin || !existsSync(new RootLayout(this.#parts.root).store(uuid).dir)) continue;
      throw foreign(`this replica has store ${uuid} of origin ${origin}, not ${storeUuid}, and cannot hold it now`);
    }
  }

  async #requireTrusted(origin: string): Promise<void> {
    const keys = await this.#parts.trustedKeys();
    if (keys.some(({ name }) => name === origin)) return;
    throw new ReceiveError("untrusted-origin", `no key of origin ${origin} is trusted here`, {
      hint: "on the replica: isochron-replica trust VKEY, with what `isochron-primary key --only vkey` prints",
    });
  }

  /** Whoever can log in can begin a store under any UUID: of those that came to nothing no second one is kept. */
  async #dropUnused(origin: string): Promise<void> {
    for (const [uuid, store] of this.#stores) {
      if (store.origin !== origin || store.generation > 0 || store.receiving) continue;
      this.#stores.delete(uuid);
      await store.stop();
      await store.dropPartial("another store of its origin is begun");
      await rm(new RootLayout(this.#parts.root).store(uuid).dir, { recursive: true, force: true });
    }
  }

  /** A store that is on disk, and could not be held before. To call it unknown would have all of it sent again. @throws ReceiveError `internal-error` */
  async #addAgain(storeUuid: string, origin: string): Promise<StoreReplica> {
    try {
      const store = await this.#add(storeUuid, origin);
      this.#failed.delete(storeUuid);
      this.#parts.log.info("a store is held again", { store: storeUuid });
      return store;
    } catch (cause) {
      const { message, hint } = cause as Error & { hint?: string };
      this.#failed.set(storeUuid, { origin, message });
      const options = { cause, ...(hint === undefined ? {} : { hint }) };
      throw new ReceiveError("internal-error", `store ${storeUuid} cannot be held: ${message}`, options);
    }
  }

  async #add(storeUuid: string, origin: string): Promise<StoreReplica> {
    const { root, trustedKeys, onPromoted, onReceived, ...parts } = this.#parts;
    const store = new StoreReplica({
      ...parts,
      layout: new RootLayout(root).store(storeUuid),
      storeUuid,
      origin,
      keys: async () => (await trustedKeys()).filter(({ name }) => name === origin),
      onReceived: (received) => onReceived(origin, received),
      onPromoted: (generation, size) => onPromoted(storeUuid, generation, size),
    });
    await store.start();
    this.#stores.set(storeUuid, store);
    return store;
  }
}

function lagOf(store: StoreReplica, nowMs: number): Pick<HeldStatus, "primary" | "lag"> {
  const known = store.lag(nowMs);
  if (!known) return { primary: null, lag: null };
  const { told, lag } = known;
  return {
    primary: { size: told.size, generation: told.generation, heard: timeOf(told.atMs) as string },
    lag: { seconds: lag.entriesSeconds, sealed_seconds: lag.generationsSeconds, entries: lag.entriesBehind },
  };
}

function timeOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

function foreign(message: string): ReceiveError {
  return new ReceiveError("foreign-store", message, {
    hint: "a store made anew under an old name is another store: remove the old one here by hand if that is meant",
  });
}
