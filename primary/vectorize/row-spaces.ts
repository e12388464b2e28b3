// The rows of all spaces in `live/vector`: each level in force appends to its own; spaces of other levels get no new rows,
// but what no seal has named of theirs is named by the next.
import { readdir, readFile } from "node:fs/promises";
import { FormatError } from "../../shared/format/format-error.js";
import { sha256Hex } from "../../shared/format/hash.js";
import type { SealedSpace } from "../../shared/format/seal.js";
import { isSpaceName, parseSpace, type Space, spaceName } from "../../shared/format/space.js";
import type { Logger } from "../../shared/log.js";
import type { TreeLayout } from "../../shared/store/layout.js";
import type { RowsOfSpace } from "./embed-protocol.js";
import { recoverRows } from "./recover-rows.js";
import { RowFiles, removeHalfMade } from "./row-files.js";
import { SeqSet } from "./seq-set.js";
import { VectorizeError } from "./vectorize-error.js";

/** Rows that seals cover: by space, by file, a count. */
export type SealedRowCounts = ReadonlyMap<string, ReadonlyMap<string, number>>;

export interface RowSpacesOptions {
  /** `live` of the store. */
  tree: TreeLayout;
  log: Logger;
  segmentBytes?: number | undefined;
}

export interface SpacesToOpen {
  /** Of the levels in force. */
  spaces: readonly Space[];
  sealedRows: SealedRowCounts;
  /** Whether a row that no seal covers may be this event's. */
  isOpen: (seq: number) => boolean;
  /** Whether it may be a later row of this event, which a generation holds with its first one already. */
  isSealed: (seq: number) => boolean;
}

export class RowSpaces {
  readonly #options: RowSpacesOptions;
  readonly #byName = new Map<string, RowFiles>();
  /** Spaces that are being made: each once, whoever is first. */
  readonly #making = new Map<string, Promise<RowFiles>>();
  /** Their folders are being written. */
  readonly #begun = new Set<Promise<void>>();
  /** Rows were taken for a seal that is being made: its generation may hold no row that it does not name. */
  #held: Promise<void> | undefined;

  constructor(options: RowSpacesOptions) {
    this.#options = options;
  }

  /** Takes up what is on disk; returns the events whose rows were found. @throws VectorizeError `space-differs`, `space-unreadable`, `rows-missing` */
  async open({ spaces, ...options }: SpacesToOpen): Promise<number[]> {
    const active = [...new Map(spaces.map((space) => [spaceName(space), space])).values()];
    const found: number[] = [];
    for (const space of [...active, ...(await this.#othersOnDisk(active.map(spaceName)))]) {
      found.push(...(await this.#recover(space, options)));
    }
    return found;
  }

  /** A space that is not there yet is made. Waits while rows are held. @throws VectorizeError `write-failed`, `space-differs` */
  async append({ space, firstSeq, bytes }: RowsOfSpace): Promise<void> {
    const files = this.#byName.get(spaceName(space)) ?? (await this.prepare(space));
    while (this.#held) await this.#held;
    await files.append(bytes, firstSeq);
  }

  /** Has a space ready to append to that may be new: what was on disk is open since the start. @throws VectorizeError `space-differs` */
  async prepare(space: Space): Promise<RowFiles> {
    const name = spaceName(space);
    const there = this.#byName.get(name) ?? this.#making.get(name);
    if (there) return there;
    const making = this.#make(space).finally(() => this.#making.delete(name));
    this.#making.set(name, making);
    return making;
  }

  /** Events below `size` that have a row in the space; kept up from then on if it was opened or prepared before. */
  async seqsOf(space: string, size: number): Promise<SeqSet> {
    return this.#byName.get(space)?.seqs(size) ?? new SeqSet(0);
  }

  /**
   * The runs of rows since the last take, by space name. From now on none is written until `stands` is settled.
   *
   * @throws VectorizeError `write-failed` when a file cannot be rid of what was written half: then nothing is taken
   */
  async take(stands?: Promise<unknown>): Promise<SealedSpace[]> {
    if (stands) this.#holdUntil(stands);
    await this.#begunAreMade();
    // Before any is taken: taken rows that no seal then names would make every later generation a bad one.
    for (const files of this.#byName.values()) await files.cutTorn();
    const definitions = await this.#readDefinitions();
    const taken: SealedSpace[] = [];
    for (const [space, definition] of definitions) {
      const added = await (this.#byName.get(space) as RowFiles).take();
      if (added.length > 0) taken.push({ space, definition, added });
    }
    return taken.sort((a, b) => (a.space < b.space ? -1 : 1));
  }

  async close(): Promise<void> {
    for (const files of this.#byName.values()) await files.close();
  }

  #holdUntil(stands: Promise<unknown>): void {
    const released = () => {
      if (this.#held === held) this.#held = undefined;
    };
    const held = stands.then(released, released);
    this.#held = held;
  }

  /** Those that began before rows were held; the others wait for the end of it. */
  async #begunAreMade(): Promise<void> {
    await Promise.allSettled(this.#begun);
  }

  /** SHA-256 of each `space.json`, as it stands on disk. */
  async #readDefinitions(): Promise<[space: string, definition: string][]> {
    const { tree } = this.#options;
    const read = async (space: string): Promise<[string, string]> => [
      space,
      sha256Hex(await readFile(tree.spaceFile(space))),
    ];
    return Promise.all([...this.#byName.keys()].map(read));
  }

  async #othersOnDisk(active: readonly string[]): Promise<Space[]> {
    const { tree, log } = this.#options;
    const spaces: Space[] = [];
    for (const entry of await readdir(tree.vector, { withFileTypes: true })) {
      const { name } = entry;
      if (!entry.isDirectory() || !isSpaceName(name) || active.includes(name)) continue;
      const text = await readFile(tree.spaceFile(name), "utf8").catch(() => undefined);
      if (text !== undefined) spaces.push(parseSpaceOf(tree.spaceFile(name), text));
      else if (await removeHalfMade(tree, name)) log.warn("removed a half-made space", { space: name });
    }
    return spaces;
  }

  async #make(space: Space): Promise<RowFiles> {
    // A snapshot of half a space would be one of a damaged store.
    while (this.#held) await this.#held;
    const { tree, segmentBytes } = this.#options;
    const files = new RowFiles({ tree, space, segmentBytes });
    const made = files.prepare().finally(() => this.#begun.delete(made));
    this.#begun.add(made);
    await made;
    this.#byName.set(files.name, files);
    return files;
  }

  async #recover(space: Space, { sealedRows, ...which }: Omit<SpacesToOpen, "spaces">): Promise<number[]> {
    const { tree, segmentBytes, log } = this.#options;
    const files = new RowFiles({ tree, space, segmentBytes });
    await files.prepare();
    const sealed = sealedRows.get(files.name) ?? new Map<string, number>();
    const { last, runs, seqs, cutBytes } = await recoverRows({ tree, space, sealedRows: sealed, ...which });
    if (cutBytes > 0) log.warn("rows cut off, they will be made again", { space: files.name, bytes: cutBytes });
    files.resume(last, runs);
    this.#byName.set(files.name, files);
    return seqs;
  }
}

/** What is not understood can't be gone on with: the next seal names the rows of every space. */
function parseSpaceOf(path: string, text: string): Space {
  try {
    return parseSpace(text);
  } catch (cause) {
    const isNewer = cause instanceof FormatError && cause.code === "newer-space";
    const hint = isNewer
      ? "go back to the later version"
      : "restore it from a generation, or remove its folder if none has it";
    throw new VectorizeError("space-unreadable", `${path}: ${(cause as Error).message}`, { cause, hint });
  }
}
