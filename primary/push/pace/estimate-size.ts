// How large a push will be, without sending it: what the generation's files have grown by since the base. Files of a
// ledger only grow and their names ascend, so only the newest of each folder are looked at.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { SUBVOLUMES, type TreeLayout } from "../../../shared/store/layout.js";

/** Increments are in whole blocks: the last one of a file that has grown is sent again from its start. */
const BLOCK_BYTES = 4096;
/** The stream's own words on a file: its name, its times, its lengths; and those on a whole subvolume. */
const FILE_STREAM_BYTES = 400;
const SUBVOLUME_STREAM_BYTES = 200;

const MOST_KEPT = 64;

type Measure = (tree: TreeLayout, base: TreeLayout | undefined) => Promise<number>;

/** Sizes that were looked at lately: many links push the same increment. */
export class SendSizes {
  readonly #countExtents: Measure;
  readonly #sizes = new Map<string, Promise<number>>();

  /** `countExtents`: bytes of the streams with extents as they are on disk. */
  constructor(countExtents: Measure) {
    this.#countExtents = countExtents;
  }

  /** Bytes of the raw streams of both subvolumes, within a few per cent. */
  estimate(tree: TreeLayout, base: TreeLayout | undefined): Promise<number> {
    return this.#once("raw", estimateSendBytes, tree, base);
  }

  /** Bytes of the streams with extents as they are on disk, counted: they depend on how the files were written. */
  extents(tree: TreeLayout, base: TreeLayout | undefined): Promise<number> {
    return this.#once("extents", this.#countExtents, tree, base);
  }

  #once(kind: string, measure: Measure, tree: TreeLayout, base: TreeLayout | undefined): Promise<number> {
    const key = `${kind} ${base?.dir ?? ""} ${tree.dir}`;
    const size = this.#sizes.get(key) ?? measure(tree, base);
    this.#sizes.delete(key);
    this.#sizes.set(key, size);
    size.catch(() => this.#sizes.delete(key));
    for (const oldest of this.#sizes.keys()) if (this.#sizes.size > MOST_KEPT) this.#sizes.delete(oldest);
    return size;
  }
}

/** Bytes of the raw streams of both subvolumes, within a few per cent. */
export async function estimateSendBytes(tree: TreeLayout, base: TreeLayout | undefined): Promise<number> {
  const sizes = SUBVOLUMES.map(
    async (name) => SUBVOLUME_STREAM_BYTES + (await growthOf(tree.subvolume(name), base?.subvolume(name))),
  );
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}

async function growthOf(dir: string, baseDir: string | undefined): Promise<number> {
  const [entries, old] = await Promise.all([
    readdir(dir, { withFileTypes: true }),
    baseDir === undefined ? [] : readdir(baseDir).catch(() => []),
  ]);
  const known = new Set(old);
  const lastKnown =
    old
      .filter((name) => SEGMENT.test(name))
      .sort()
      .at(-1) ?? "";
  const changed = entries.filter(({ name }) => !SEGMENT.test(name) || name >= lastKnown);
  const sizes = changed.map((entry) => {
    const before = baseDir !== undefined && known.has(entry.name) ? join(baseDir, entry.name) : undefined;
    const path = join(dir, entry.name);
    return entry.isDirectory() ? growthOf(path, before) : growthOfFile(path, before);
  });
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}

/** Segments, of entries, payloads and rows: all but the last stay as they are. */
const SEGMENT = /^\d{20}\./;

async function growthOfFile(path: string, before: string | undefined): Promise<number> {
  const [now, then] = await Promise.all([stat(path), before === undefined ? undefined : stat(before)]);
  if (then && then.size === now.size && then.mtimeMs === now.mtimeMs) return 0;
  const unchangedBytes = then ? Math.floor(Math.min(then.size, now.size) / BLOCK_BYTES) * BLOCK_BYTES : 0;
  return FILE_STREAM_BYTES + now.size - unchangedBytes;
}
