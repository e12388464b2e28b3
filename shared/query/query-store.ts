// One store as the engine holds it: its catalog, its vector indexes, the generation it answers for. `promote` brings all
// of them up to a generation and only then moves the answers on. An index that does not fit the store is deleted.
import { readdirSync, readFileSync } from "node:fs";
import { access, constants, readFile } from "node:fs/promises";
import { type Checkpoint, parseCheckpoint } from "../format/checkpoint.js";
import { FormatError } from "../format/format-error.js";
import { openNote } from "../format/signed-note.js";
import { isSpaceName, parseSpace, type Space } from "../format/space.js";
import type { Logger } from "../log.js";
import { currentGeneration } from "../store/generations.js";
import { type StoreLayout, TreeLayout } from "../store/layout.js";
import { clearQueryIndex, makeIndexFolder } from "../store/make-index-folder.js";
import { Catalog, CatalogDamage } from "./catalog.js";
import { CatalogLayer } from "./catalog-layer.js";
import { fillCatalog } from "./fill-catalog.js";
import type { HnswPool } from "./hnsw-pool.js";
import { LayeredEvents } from "./layered-events.js";
import type { QueryContext } from "./query-context.js";
import { QueryError } from "./query-error.js";
import type { Promoted } from "./query-message.js";
import { StoredReader } from "./read-stored.js";
import type { Questions } from "./search/question-host.js";
import { TailLayer } from "./tail-layer.js";
import { VectorIndex } from "./vector-index.js";

export interface QueryStoreOptions {
  layout: StoreLayout;
  uuid: string;
  pool: HnswPool;
  questions: Questions;
  log: Logger;
  signal: AbortSignal;
}

/** What answers are made from; replaced as a whole. */
interface Answering extends Promoted {
  root: Buffer;
  layer: LayeredEvents;
  reader: StoredReader;
}

export class QueryStore {
  readonly #options: QueryStoreOptions;
  #catalog: Catalog | undefined;
  readonly #spaces = new Map<string, VectorIndex>();
  #answering: Answering | undefined;
  /** Promotions and rebuilds, one after another. */
  #work: Promise<unknown> = Promise.resolve();
  #rebuilding = false;

  constructor(options: QueryStoreOptions) {
    this.#options = options;
  }

  /**
   * Catches up with `generation`, or with the current one if that is later or the only one there still is. Resolves when
   * answers come from it. Asking again for what is answered already is cheap.
   */
  promote(generation: number): Promise<Promoted> {
    const done = this.#work.then(() => this.#promoteOrRebuild(generation));
    this.#work = done.catch(() => {});
    return done;
  }

  /** The generation that `<store>/current` names; 0 if nothing has been promoted yet. */
  currentGeneration(): number {
    return currentGeneration(this.#options.layout);
  }

  get answered(): Promoted | undefined {
    return this.#answering;
  }

  get spaces(): ReadonlyMap<string, VectorIndex> {
    return this.#spaces;
  }

  /** @throws QueryError `not-ready` */
  context(): QueryContext {
    const { uuid, questions } = this.#options;
    if (!this.#answering) {
      throw new QueryError("not-ready", `store ${uuid} is being indexed`, {
        hint: "ask again in a moment; `status` shows how far it is",
      });
    }
    const { layer, size, root } = this.#answering;
    return { store: uuid, layer, size, root, spaces: this.#spaces, questions };
  }

  /**
   * Starts over from the generation on disk: the catalog was found to be wrong while answering. Resolves at once where that is
   * under way.
   */
  async rebuild(reason: string): Promise<void> {
    if (this.#rebuilding) return;
    this.#rebuilding = true;
    this.#options.log.warn("catalog is damaged, building it again", { store: this.#options.uuid, reason });
    const done = this.#work
      .then(async () => {
        await this.#discard();
        const current = this.currentGeneration();
        if (current > 0) await this.#promoteOnce(current);
      })
      .finally(() => {
        this.#rebuilding = false;
      });
    this.#work = done.catch(() => {});
    return done;
  }

  async close(): Promise<void> {
    await this.#work;
    await this.#closeParts();
  }

  async #promoteOrRebuild(generation: number): Promise<Promoted> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#promoteOnce(generation);
      } catch (error) {
        if (this.#options.signal.aborted || attempt >= 3) throw error;
        if (isCatalogDamage(error)) {
          const reason = (error as Error).message;
          this.#options.log.warn("index does not fit the store, building it again", {
            store: this.#options.uuid,
            reason,
          });
          await this.#discard();
          // A generation deleted while it was read: the current one is later, and holds all of it.
        } else if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  }

  async #promoteOnce(wanted: number): Promise<Promoted> {
    const { layout, signal, log } = this.#options;
    if (this.#answering && this.#answering.generation >= wanted) return this.#answered();
    // Closed, or about to be: nothing may be opened any more.
    signal.throwIfAborted();
    const generation = Math.max(wanted, this.currentGeneration());
    const tree = layout.generation(generation);
    // The first look goes through the thread pool: where the disk does not answer, this waits and queries do not. What follows is
    // small and beside it, and is read in the turn (`read-part.ts`).
    const checkpoint = parseCheckpoint(openNote(await readFile(tree.checkpoint, "utf8"), []).text);
    const reader = new StoredReader(tree, new TreeLayout(layout.current));
    try {
      const catalog = await this.#openCatalog();
      checkSameLedger(catalog, reader, checkpoint);
      await fillCatalog({ catalog, tree, generation, checkpoint, log, signal });
      await this.#advanceSpaces(tree, checkpoint.size);
      this.#answerFrom(catalog, reader, { generation, size: checkpoint.size, root: checkpoint.root });
    } catch (error) {
      reader.close();
      throw error;
    }
    return this.#answered();
  }

  #answerFrom(catalog: Catalog, reader: StoredReader, promoted: Promoted & { root: Buffer }): void {
    const old = this.#answering?.reader;
    const layer = new LayeredEvents([new CatalogLayer(catalog, () => reader), new TailLayer()]);
    this.#answering = { ...promoted, layer, reader };
    // Nobody is in the middle of a read: reads are synchronous. A query that goes on later opens the files anew.
    old?.close();
  }

  #answered(): Promoted {
    const { generation, size } = this.#answering as Answering;
    return { generation, size };
  }

  async #openCatalog(): Promise<Catalog> {
    if (this.#catalog) return this.#catalog;
    const { layout, uuid } = this.#options;
    await makeIndexFolder(layout.queryIndex);
    // A user of its own may not have been given it yet. That is no damage: nothing may be built anew for it.
    await access(layout.queryIndex, constants.W_OK);
    this.#catalog = Catalog.open(layout.catalog, uuid);
    return this.#catalog;
  }

  async #advanceSpaces(tree: TreeLayout, size: number): Promise<void> {
    const { layout, pool, log } = this.#options;
    for (const folder of readdirSync(tree.vector, { withFileTypes: true })) {
      const { name } = folder;
      if (!folder.isDirectory() || !isSpaceName(name)) continue;
      const known = this.#spaces.get(name);
      if (known) {
        await known.advance(tree.space(name), size);
        continue;
      }
      const space = this.#readSpace(tree, name);
      if (!space) continue;
      const currentDir = new TreeLayout(layout.current).space(name);
      const index = new VectorIndex({ dir: layout.segments(name), space, pool, log, currentDir });
      // Before it is open, so that it is closed with the others if it cannot be opened whole.
      this.#spaces.set(name, index);
      await index.open(tree.space(name), size);
    }
  }

  /** A space that a later version wrote answers nothing here, and keeps no other from answering. */
  #readSpace(tree: TreeLayout, name: string): Space | undefined {
    try {
      return parseSpace(readFileSync(tree.spaceFile(name), "utf8"));
    } catch (error) {
      if (!(error instanceof FormatError) || error.code !== "newer-space") throw error;
      this.#options.log.warn("a space is left out", { store: this.#options.uuid, space: name, error });
      return undefined;
    }
  }

  async #discard(): Promise<void> {
    await this.#closeParts();
    await clearQueryIndex(this.#options.layout.queryIndex);
  }

  async #closeParts(): Promise<void> {
    this.#answering?.reader.close();
    this.#answering = undefined;
    const spaces = [...this.#spaces.values()];
    this.#spaces.clear();
    for (const index of spaces) await index.close();
    this.#catalog?.close();
    this.#catalog = undefined;
  }
}

/** Whether an error says that the catalog, not the ledger, is wrong. */
export function isCatalogDamage(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return error instanceof CatalogDamage || (typeof code === "string" && /^SQLITE_(CORRUPT|NOTADB)/.test(code));
}

/** @throws CatalogDamage when the catalog was filled from another ledger than the one that is read now */
function checkSameLedger(catalog: Catalog, reader: StoredReader, checkpoint: Checkpoint): void {
  const { filled, size, root } = catalog.meta();
  if (filled > checkpoint.size)
    throw new CatalogDamage(`the catalog holds ${filled} events, the store ${checkpoint.size}`);
  if (size === checkpoint.size && size > 0 && !root.equals(checkpoint.root)) {
    throw new CatalogDamage("the catalog was built from a ledger with another root");
  }
  if (filled === 0) return;
  const last = catalog
    .prepare("SELECT hash FROM entries WHERE seq = ?")
    .pluck()
    .get(filled - 1) as Buffer;
  if (!last.equals(reader.leaf(filled - 1))) {
    throw new CatalogDamage(`event ${filled - 1} has another hash in the store than in the catalog`);
  }
}
