// Nearest neighbours in one space of one store: sealed HNSW segments in child processes, and an exact scan of every row
// that no ready segment covers (the newest, and any whose segment is being built, loaded or rebuilt). The vectors on disk
// are the truth; segments are derived. A row must never be missing from an answer without the answer waiting for it.
import { mkdir } from "node:fs/promises";
import { toUnit } from "../embed/unit-vector.js";
import type { Space } from "../format/space.js";
import { isFiniteVector } from "../format/vector-row.js";
import { EqualEvents, equalTo, firstOfEach, offerEquals, SAME_COSINE } from "./equal-rows.js";
import { RowTableFiller } from "./fill-row-table.js";
import { KeptSegments, type KeptSegmentsOptions } from "./keep-segments.js";
import { nearRuns } from "./near-runs.js";
import { BestHits, type RowHit, scanBlock } from "./nearest-rows.js";
import { MOST_TAIL_FLOATS, uncovered } from "./plan-segments.js";
import { RowTable } from "./row-table.js";
import { type ScannedRows, scanRows } from "./scan-rows.js";
import { SegmentSearch } from "./search-segments.js";
import { findSegments, type SegmentFile } from "./segment-file.js";
import { TailRows } from "./tail-rows.js";
import { listRows, type RowFiles, readRowChunks, vectorOfRow } from "./vector-rows.js";

/** `dir` is `<store>/index/<space>`, made when missing. */
export interface VectorIndexOptions extends Omit<KeptSegmentsOptions, "onBuilt"> {
  /** The space's folder in whatever generation is current: a query may be older than the last promotion. */
  currentDir: string;
  /** hnswlib's search breadth; by default chosen for the space's dimensions. */
  ef?: number;
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

export class VectorIndex {
  readonly #options: VectorIndexOptions;
  readonly #table = new RowTable();
  readonly #tail: TailRows;
  readonly #segments: KeptSegments;
  readonly #search: SegmentSearch;
  #files: RowFiles = { dir: "", laterDir: "", files: [], rows: 0 };

  constructor(options: VectorIndexOptions) {
    this.#options = options;
    const { dimensions } = options.space;
    this.#tail = new TailRows(dimensions, 4 * MOST_TAIL_FLOATS);
    this.#segments = new KeptSegments({ ...options, onBuilt: () => this.#refillTail() });
    this.#search = new SegmentSearch(dimensions, options.ef);
  }

  /**
   * Takes up the segments on disk that fit the rows in `rowsDir`, reads the rest, and starts building what is missing.
   * Rows of events at or above `size` are left out of every answer, and a warning says so.
   */
  async open(rowsDir: string, size = Number.POSITIVE_INFINITY): Promise<void> {
    const { dir, space, currentDir } = this.#options;
    await mkdir(dir, { recursive: true });
    const files = listRows(rowsDir, space, currentDir);
    const found = await findSegments(dir, space, files);
    await this.#readSeqs(files, found, size);
    this.#files = files;
    await this.#segments.take(found, files);
    await this.#refillTail();
    this.#segments.follow(files);
  }

  /** Moves on to a later generation's rows. Once it resolves, answers hold them all. */
  async advance(rowsDir: string, size = Number.POSITIVE_INFINITY): Promise<void> {
    const { space, currentDir, log } = this.#options;
    const files = listRows(rowsDir, space, currentDir);
    const filler = new RowTableFiller(this.#table, size);
    for await (const chunk of readRowChunks(files, space, this.#table.rows, files.rows)) {
      filler.addChunk(chunk);
      this.#tail.append(chunk);
    }
    filler.tellLeftOut(log, rowsDir);
    this.#files = files;
    this.#segments.follow(files);
  }

  /**
   * The `k` nearest events with `seq < below`, nearest first. `query` need not have length 1, but a length. Of events with the very same
   * cosine `perCosine` at most, the newest: so that one text which came a thousand times leaves room for others.
   */
  async nearest(
    query: Float32Array,
    k: number,
    below = Number.POSITIVE_INFINITY,
    perCosine = Number.POSITIVE_INFINITY,
  ): Promise<Neighbour[]> {
    const unit = toUnit(query);
    if (!isFiniteVector(unit)) return [];
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
    if (!isFiniteVector(unit)) return undefined;
    const equals = new EqualEvents();
    const add = (position: number) => {
      if (this.#table.isLatest(position)) equals.add(this.#table.seqAt(position));
    };
    const ready = this.#segments.ready();
    const ranges = uncovered(ready, this.#files.rows);
    if (ranges.some((range) => this.#tail.outside(range) > 0)) return undefined;
    // Before the wait for the children: a segment that comes meanwhile takes its rows out of the tail.
    const block = this.#tail.block();
    const lost = await this.#search.ask(ready, unit, 1, ({ first, rows, ring }, hits) => {
      for (const { position, cosine } of hits) {
        if (cosine < SAME_COSINE) continue;
        for (const label of equalTo(ring, position - first, rows)) add(first + label);
      }
    });
    if (lost.length > 0) return undefined;
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
    const held = seqs.filter((seq) => this.has(seq));
    const seqAt = new Map(held.map((seq) => [this.#table.positionOf(seq), seq]));
    const runs = nearRuns([...seqAt.keys()].sort((a, b) => a - b));
    const hits = new BestHits(runs.reduce((sum, { rows }) => sum + rows, 0));
    const scanned = this.#scanned();
    for (const run of runs) await scanRows(scanned, run, unit, hits);
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
    const ranges = uncovered(this.#segments.ready(), rows);
    const missing = ranges.reduce((sum, range) => sum + this.#tail.outside(range), 0);
    const building = this.#segments.isBuilding || missing > 0;
    const state = this.#segments.isGivenUp ? "exact" : building ? "building" : "ready";
    return { state, rows, covered: rows - missing, segments: this.#segments.count };
  }

  /** Resolves when no segment is being built. */
  idle(): Promise<void> {
    return this.#segments.idle();
  }

  close(): Promise<void> {
    return this.#segments.close();
  }

  async #nearestRows(unit: Float32Array, k: number, perCosine: number): Promise<RowHit[]> {
    const scanned = this.#scanned();
    const ready = this.#segments.ready();
    const best = new BestHits(k);
    // Asked first and awaited last: the children search while this process scans.
    const asked = this.#search.ask(ready, unit, k, (segment, hits) => offerEquals(segment, hits, k, perCosine, best));
    // If the scan fails, nobody awaits it.
    asked.catch(() => undefined);
    for (const range of uncovered(ready, scanned.files.rows)) await scanRows(scanned, range, unit, best);
    for (const range of await asked) await scanRows(scanned, range, unit, best);
    return best.sorted();
  }

  /** What a query reads from begin to end, whatever comes meanwhile. */
  #scanned(): ScannedRows {
    return { files: this.#files, tail: this.#tail, space: this.#options.space };
  }

  async #readSeqs(files: RowFiles, found: readonly SegmentFile[], size: number): Promise<void> {
    const { space, log } = this.#options;
    const filler = new RowTableFiller(this.#table, size);
    const readTo = async (to: number) => {
      for await (const chunk of readRowChunks(files, space, this.#table.rows, to)) filler.addChunk(chunk);
    };
    for (const { sidecar, seqs } of found) {
      await readTo(sidecar.first);
      for (const seq of seqs) filler.add(seq);
    }
    await readTo(files.rows);
    filler.tellLeftOut(log, files.dir);
  }

  /** Brings the rows above the last segment into memory, as many as fit. */
  async #refillTail(): Promise<void> {
    this.#tail.startAt(this.#segments.end);
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
