// Nearest neighbours in one space of one store: sealed HNSW segments in child processes, and an exact scan of every row
// that no ready segment covers (the newest, and any whose segment is being built, loaded or rebuilt). The vectors on disk
// are the truth; segments are derived. A row must never be missing from an answer without the answer waiting for it.
import { mkdir } from "node:fs/promises";
import type { Space } from "../format/space.js";
import type { Logger } from "../log.js";
import { EqualEvents, equalTo, firstOfEach, offerEquals, SAME_COSINE } from "./equal-rows.js";
import { HnswGone, type HnswHost } from "./hnsw-host.js";
import type { HnswPool } from "./hnsw-pool.js";
import { nearRuns } from "./near-runs.js";
import { BestHits, type RowHit, scanBlock, toUnit } from "./nearest-rows.js";
import { MOST_TAIL_FLOATS, planSegments, type RowRange, uncovered } from "./plan-segments.js";
import { RowTable } from "./row-table.js";
import {
  deleteSegment,
  findSegments,
  type SegmentFile,
  sealSegment,
  segmentPaths,
  segmentShape,
} from "./segment-file.js";
import { TailRows } from "./tail-rows.js";
import { listRows, type RowChunk, type RowFiles, readRowChunks, seqOfRow, vectorOfRow } from "./vector-rows.js";

export interface VectorIndexOptions {
  /** Folder of the segments, `<store>/index/<space>`. Made when missing. */
  dir: string;
  space: Space;
  pool: HnswPool;
  log: Logger;
  /** The space's folder in whatever generation is current: a query may be older than the last promotion. */
  currentDir?: string;
  /** hnswlib's search breadth; by default chosen for the space's dimensions. */
  ef?: number;
  /** Floats of newest rows that wait for a segment; by default MOST_TAIL_FLOATS. */
  tailFloats?: number;
}

export interface Neighbour {
  seq: number;
  cosine: number;
}

export interface VectorIndexStatus {
  /** `exact`: segments cannot be built here, and every row is scanned. */
  state: "ready" | "building" | "exact";
  rows: number;
  /** Rows that ready segments or the in-memory tail answer for; the others are read from disk for each query. */
  covered: number;
  segments: number;
}

type GiveHits = (segment: Segment, hits: RowHit[]) => void;

interface Segment {
  id: number;
  first: number;
  rows: number;
  /** Rows with equal vectors, of which the index holds the first. */
  ring: Uint32Array;
  host: HnswHost;
}

/** Counts the rows of one catch-up that name no event of the store, and keeps the first's number. */
class LeftOut {
  rows = 0;
  seq = -1;

  note(seq: number): void {
    if (this.rows === 0) this.seq = seq;
    this.rows += 1;
  }
}

/** Builds that may fail in a row before rows are left to the exact scan until the next start. */
const MOST_FAILURES = 3;

export class VectorIndex {
  readonly #options: VectorIndexOptions;
  readonly #closing = new AbortController();
  readonly #table = new RowTable();
  readonly #tail: TailRows;
  #files: RowFiles = { dir: "", files: [], rows: 0 };
  /** Sorted, without overlap. */
  #segments: Segment[] = [];
  #upkeep: Promise<void> | undefined;
  #failures = 0;
  /** Deletion of damaged files, which must be over before the same names are written again. */
  #deleting: Promise<void> = Promise.resolve();
  readonly #arrays = new Map<string, readonly number[]>();

  constructor(options: VectorIndexOptions) {
    this.#options = options;
    this.#tail = new TailRows(options.space.dimensions, 4 * MOST_TAIL_FLOATS);
  }

  /**
   * Takes up the segments on disk that fit the rows in `rowsDir`, reads the rest, and starts building what is missing.
   * Rows of events at or above `size` are left out of every answer, and a warning says so.
   */
  async open(rowsDir: string, size = Number.POSITIVE_INFINITY): Promise<void> {
    const { dir, space, currentDir } = this.#options;
    await mkdir(dir, { recursive: true });
    const files = await listRows(rowsDir, space, currentDir);
    const found = await findSegments(dir, space, files);
    await this.#readSeqs(files, found, size);
    this.#files = files;
    await Promise.all(found.map((segment) => this.#load(segment)));
    await this.#refillTail();
    this.#maintain();
  }

  /** Moves on to a later generation's rows. Once it resolves, answers hold them all. */
  async advance(rowsDir: string, size = Number.POSITIVE_INFINITY): Promise<void> {
    const { space, currentDir } = this.#options;
    const files = await listRows(rowsDir, space, currentDir);
    const leftOut = new LeftOut();
    for await (const chunk of readRowChunks(files, space, this.#table.rows, files.rows)) {
      this.#addRows(chunk, size, leftOut);
      this.#tail.append(chunk);
    }
    this.#warnOf(leftOut, rowsDir);
    this.#files = files;
    this.#maintain();
  }

  /**
   * The `k` nearest events with `seq < below`, nearest first. `query` need not have length 1. Of events with the very same
   * cosine `perCosine` at most, the newest: so that one text which came a thousand times leaves room for others.
   */
  async nearest(
    query: Float32Array,
    k: number,
    below = Number.POSITIVE_INFINITY,
    perCosine = Number.POSITIVE_INFINITY,
  ): Promise<Neighbour[]> {
    const unit = toUnit(query);
    for (let wanted = k; ; wanted *= 4) {
      // Rows that a later one replaced, beyond the answered size, or too many of a kind fall out below: then for more.
      const most = Math.min(this.#files.rows, wanted);
      const hits = await this.#nearestRows(unit, most, perCosine);
      const events = hits
        .filter(({ position }) => this.#table.isLatest(position) && this.#table.seqAt(position) < below)
        .map(({ position, cosine }) => ({ seq: this.#table.seqAt(position), cosine }));
      const kept = firstOfEach(events, perCosine);
      if (kept.length >= k || most === this.#files.rows || hits.length < most) return kept.slice(0, k);
    }
  }

  /** The events with the same vector as `seq`, itself included; undefined if it has none, or they cannot all be told now. */
  async equalsOf(seq: number): Promise<EqualEvents | undefined> {
    const vector = await this.vectorOf(seq);
    if (!vector) return undefined;
    const unit = toUnit(vector);
    const equals = new EqualEvents();
    const add = (position: number) => {
      if (this.#table.isLatest(position)) equals.add(this.#table.seqAt(position));
    };
    const ready = this.#readySegments();
    const ranges = uncovered(ready, this.#files.rows);
    if (ranges.some((range) => this.#tail.outside(range) > 0)) return undefined;
    const lost = await this.#eachHost(ready, unit, 1, (segment, hits) => {
      for (const { position, cosine } of hits) {
        if (cosine < SAME_COSINE) continue;
        for (const label of equalTo(segment.ring, position - segment.first, segment.rows)) add(segment.first + label);
      }
    });
    if (lost.length > 0) return undefined;
    const block = this.#tail.block();
    const scanned = new BestHits(block.rows);
    for (const { first, rows } of ranges) {
      scanBlock(block, first, first + rows, unit, this.#options.space.normalised, scanned);
    }
    for (const { position, cosine } of scanned.sorted()) if (cosine >= SAME_COSINE) add(position);
    return equals;
  }

  /** The event's vector, or undefined if it has none in this space. */
  async vectorOf(seq: number): Promise<Float32Array | undefined> {
    const position = this.#table.positionOf(seq);
    if (position < 0) return undefined;
    const { space } = this.#options;
    for await (const chunk of readRowChunks(this.#files, space, position, position + 1)) return vectorOfRow(chunk, 0);
    return undefined;
  }

  /** Cosines of `query` with the events of `seqs` that have a vector here. Exact. */
  async cosinesOf(query: Float32Array, seqs: readonly number[]): Promise<Map<number, number>> {
    const unit = toUnit(query);
    const files = this.#files;
    const held = seqs.filter((seq) => this.has(seq));
    const seqAt = new Map(held.map((seq) => [this.#table.positionOf(seq), seq]));
    const runs = nearRuns([...seqAt.keys()].sort((a, b) => a - b));
    const hits = new BestHits(runs.reduce((sum, { rows }) => sum + rows, 0));
    try {
      for (const run of runs) await this.#scan(files, run, unit, hits);
    } catch (error) {
      if (isMissing(error) && this.#files !== files) return this.cosinesOf(query, seqs);
      throw error;
    }
    const wanted = hits.sorted().filter(({ position }) => seqAt.has(position));
    return new Map(wanted.map(({ position, cosine }) => [seqAt.get(position) as number, cosine]));
  }

  has(seq: number): boolean {
    return this.#table.positionOf(seq) >= 0;
  }

  get rows(): number {
    return this.#table.rows;
  }

  get space(): Space {
    return this.#options.space;
  }

  status(): VectorIndexStatus {
    const rows = this.#table.rows;
    const missing = uncovered(this.#readySegments(), rows).reduce((sum, range) => sum + this.#tail.outside(range), 0);
    const building = this.#upkeep !== undefined || missing > 0;
    const state = this.#failures >= MOST_FAILURES ? "exact" : building ? "building" : "ready";
    return { state, rows, covered: rows - missing, segments: this.#segments.length };
  }

  /** Resolves when no segment is being built. */
  async idle(): Promise<void> {
    while (this.#upkeep) await this.#upkeep;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const { host, id } of this.#segments) host.unload(id);
    await this.#upkeep;
  }

  async #nearestRows(unit: Float32Array, k: number, perCosine: number): Promise<RowHit[]> {
    const files = this.#files;
    const ready = this.#readySegments();
    const best = new BestHits(k);
    try {
      // Asked first and awaited last: the children search while this process scans.
      const asked = this.#eachHost(ready, unit, k, (segment, hits) => offerEquals(segment, hits, k, perCosine, best));
      for (const range of uncovered(ready, files.rows)) await this.#scan(files, range, unit, best);
      for (const range of await asked) await this.#scan(files, range, unit, best);
    } catch (error) {
      // The generation was deleted under the scan; the next one holds the same rows.
      if (isMissing(error) && this.#files !== files) return this.#nearestRows(unit, k, perCosine);
      throw error;
    }
    return best.sorted();
  }

  /** Gives each segment its hits of the children; resolves to the ranges whose child died, which are yet to be scanned. */
  async #eachHost(ready: Segment[], unit: Float32Array, k: number, give: GiveHits): Promise<RowRange[]> {
    const { space, ef = searchBreadth(space.dimensions) } = this.#options;
    const efEach = Math.ceil(ef * shareOfBreadth(ready.length));
    const hosts = [...new Set(ready.map(({ host }) => host))];
    const lost = await Promise.all(
      hosts.map(async (host) => {
        const held = ready.filter((segment) => segment.host === host);
        try {
          const hits = await host.search(this.#sharedIds(held), unit, k, efEach);
          for (const segment of held) give(segment, hits.filter(isIn(segment)));
          return [];
        } catch (error) {
          if (error instanceof HnswGone) return held;
          throw error;
        }
      }),
    );
    return lost.flat();
  }

  /** One array object for equal lists of segments, by which the host knows queries that can travel together. */
  #sharedIds(held: readonly Segment[]): readonly number[] {
    const key = held.map(({ id }) => id).join();
    const known = this.#arrays.get(key);
    if (known) return known;
    if (this.#arrays.size > 64) this.#arrays.clear();
    const ids = held.map(({ id }) => id);
    this.#arrays.set(key, ids);
    return ids;
  }

  async #scan(files: RowFiles, range: RowRange, unit: Float32Array, best: BestHits): Promise<void> {
    const { space } = this.#options;
    const end = range.first + range.rows;
    const block = this.#tail.block();
    const inMemory = { from: Math.max(range.first, block.first), to: Math.min(end, block.first + block.rows) };
    const parts = [range.first, Math.min(end, block.first), Math.max(range.first, block.first + block.rows), end];
    scanBlock(block, inMemory.from, inMemory.to, unit, space.normalised, best);
    const [beforeFrom, beforeTo, afterFrom, afterTo] = block.rows > 0 ? parts : [range.first, end, end, end];
    for (const [from, to] of [
      [beforeFrom, beforeTo],
      [afterFrom, afterTo],
    ] as [number, number][]) {
      for await (const chunk of readRowChunks(files, space, from, to)) {
        scanBlock(chunk, from, to, unit, space.normalised, best);
      }
    }
  }

  #readySegments(): Segment[] {
    return this.#segments.filter(({ host, id }) => host.isReady(id));
  }

  async #readSeqs(files: RowFiles, found: readonly SegmentFile[], size: number): Promise<void> {
    const leftOut = new LeftOut();
    const { space } = this.#options;
    const add = async (to: number) => {
      for await (const chunk of readRowChunks(files, space, this.#table.rows, to)) this.#addRows(chunk, size, leftOut);
    };
    for (const { sidecar, seqs } of found) {
      await add(sidecar.first);
      for (const seq of seqs) if (!this.#table.add(seq, size)) leftOut.note(seq);
    }
    await add(files.rows);
    this.#warnOf(leftOut, files.dir);
  }

  #addRows(chunk: RowChunk, size: number, leftOut: LeftOut): void {
    for (let i = 0; i < chunk.rows; i += 1) {
      const seq = seqOfRow(chunk, i);
      if (!this.#table.add(seq, size)) leftOut.note(seq);
    }
  }

  #warnOf(leftOut: LeftOut, dir: string): void {
    if (leftOut.rows > 0) this.#options.log.warn("vectors of no event are left out", { dir, ...leftOut });
  }

  /** Puts the segment in the place of those it covers once a child has it. Resolves to whether its file was good. */
  async #load({ sidecar, path, ring }: SegmentFile): Promise<boolean> {
    const { pool, space, dir } = this.#options;
    const { first, rows, added, sha256 } = sidecar;
    const segment: Segment = { id: pool.nextSegmentId(), first, rows, ring, host: pool.leastLoaded() };
    const replaced = this.#segments.filter((one) => one.first >= first && one.first + one.rows <= first + rows);
    let damaged = false;
    const onDamaged = (reason: string) => {
      damaged = true;
      this.#onDamaged(segment, reason);
    };
    await segment.host.load({ id: segment.id, shape: segmentShape(space), path, sha256, added, first, onDamaged });
    if (damaged) return false;
    const kept = this.#segments.filter((one) => !replaced.includes(one));
    this.#segments = [...kept, segment].sort((a, b) => a.first - b.first);
    for (const one of replaced) {
      one.host.unload(one.id);
      await deleteSegment(dir, one);
    }
    return true;
  }

  /** At the first load, or later when a new child loads it again: its rows are scanned until it has been rebuilt. */
  #onDamaged(segment: Segment, reason: string): void {
    const { dir, log } = this.#options;
    const { first, rows } = segment;
    log.warn("HNSW segment cannot be loaded, building it again", { dir, first, rows, reason });
    this.#failures += 1;
    this.#segments = this.#segments.filter((one) => one !== segment);
    this.#deleting = this.#deleting.then(() => deleteSegment(dir, segment));
    void this.#deleting.then(() => this.#maintain());
  }

  #maintain(): void {
    if (this.#upkeep || this.#closing.signal.aborted) return;
    if (this.#failures >= MOST_FAILURES || this.#plan().length === 0) return;
    this.#upkeep = this.#buildAll().finally(() => {
      this.#upkeep = undefined;
      this.#maintain();
    });
  }

  #plan(): RowRange[] {
    const { space, pool, tailFloats } = this.#options;
    const limits = { dimensions: space.dimensions, processes: pool.processes, tailFloats };
    return planSegments(this.#segments, this.#files.rows, limits);
  }

  async #buildAll(): Promise<void> {
    await Promise.all(this.#plan().map((range) => this.#build(range)));
    await this.#refillTail();
  }

  async #build(range: RowRange): Promise<void> {
    const { dir, space, pool, log } = this.#options;
    const { path, seqsPath } = segmentPaths(dir, range);
    const files = this.#files;
    const { first, rows: count } = range;
    const { signal } = this.#closing;
    await this.#deleting;
    try {
      const built = await pool.build(
        { shape: segmentShape(space), rows: files, rowShape: space, first, count, path, seqsPath },
        signal,
      );
      if (await this.#load(await sealSegment(dir, range, space, files, built))) this.#failures = 0;
    } catch (error) {
      // The generation it read from is gone: not a failure of the build, which starts again from the next one.
      if (signal.aborted || this.#files !== files) return;
      this.#failures += 1;
      log.error("HNSW segment cannot be built", { dir, first, rows: count, failures: this.#failures, error });
    }
  }

  /** Brings the rows above the last segment into memory, as many as fit. */
  async #refillTail(): Promise<void> {
    const last = this.#segments.at(-1);
    const first = last ? last.first + last.rows : 0;
    this.#tail.startAt(first);
    const { space } = this.#options;
    while (this.#tail.end < this.#table.rows && this.#tail.hasRoom) {
      const from = this.#tail.end;
      for await (const chunk of readRowChunks(this.#files, space, from, this.#table.rows)) {
        this.#tail.append(chunk);
        if (!this.#tail.hasRoom) break;
      }
      if (this.#tail.end === from) return;
    }
  }
}

/**
 * hnswlib's `ef`, chosen by measurement on clustered vectors at 100,000 rows: recall@10 of at least 0.98 with room to
 * spare (see test/bench/search.ts).
 */
export function searchBreadth(dimensions: number): number {
  return dimensions <= 128 ? 80 : 100;
}

/**
 * How much of the breadth each of several segments needs. The ten nearest of all rows are spread over the segments, and
 * each ranks at least as high among its own segment's rows; the surplus is for when most of them fall into one.
 */
function shareOfBreadth(segments: number): number {
  return Math.min(1, Math.max(0.4, 1.2 / Math.max(1, segments)));
}

function isIn({ first, rows }: Segment): (hit: RowHit) => boolean {
  return ({ position }) => position >= first && position < first + rows;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
