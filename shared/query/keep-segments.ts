// The sealed HNSW segments of one space: taken up from disk, loaded into children, built where they are missing, merged,
// and built again when they are damaged. What no segment here answers for, the vector index scans.
import type { Space } from "../format/space.js";
import type { Logger } from "../log.js";
import type { HnswPool } from "./hnsw-pool.js";
import { planSegments, type RowRange } from "./plan-segments.js";
import type { HeldSegment } from "./search-segments.js";
import { deleteSegment, type SegmentFile, sealSegment, segmentPaths, segmentShape } from "./segment-file.js";
import type { RowFiles } from "./vector-rows.js";

export interface KeptSegmentsOptions {
  /** Folder of the segments. */
  dir: string;
  space: Space;
  pool: HnswPool;
  log: Logger;
  /** Floats of newest rows that wait for a segment; by default MOST_TAIL_FLOATS. */
  tailFloats?: number;
  /** Awaited after each round of builds: other rows than before are above the last segment. */
  onBuilt: () => Promise<void>;
}

/** Builds that may fail in a row before rows are left to the exact scan until the next start. */
const MOST_FAILURES = 3;

export class KeptSegments {
  readonly #options: KeptSegmentsOptions;
  readonly #closing = new AbortController();
  #files: RowFiles = { dir: "", laterDir: "", files: [], rows: 0 };
  /** Sorted, without overlap. */
  #segments: HeldSegment[] = [];
  #upkeep: Promise<void> | undefined;
  #failures = 0;
  /** Deletion of damaged files, which must be over before the same names are written again. */
  #deleting: Promise<void> = Promise.resolve();

  constructor(options: KeptSegmentsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#segments.length;
  }
  /** Position after the last row of the last segment. */
  get end(): number {
    const last = this.#segments.at(-1);
    return last ? last.first + last.rows : 0;
  }
  get isBuilding(): boolean {
    return this.#upkeep !== undefined;
  }
  /** Segments cannot be built here. */
  get isGivenUp(): boolean {
    return this.#failures >= MOST_FAILURES;
  }

  /** Those that can be asked now. */
  ready(): HeldSegment[] {
    return this.#segments.filter(({ host, id }) => host.isReady(id));
  }

  /** Resolves when children hold them, or their files were found to be damaged. */
  async take(found: readonly SegmentFile[], files: RowFiles): Promise<void> {
    this.#files = files;
    await Promise.all(found.map((segment) => this.#load(segment)));
  }

  /** From now on these are the rows; what they lack is built. */
  follow(files: RowFiles): void {
    this.#files = files;
    this.#maintain();
  }

  /** Resolves when none is being built. */
  async idle(): Promise<void> {
    while (this.#upkeep) await this.#upkeep;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const { host, id } of this.#segments) host.unload(id);
    await this.#upkeep;
  }

  /** Puts the segment in the place of those it covers once a child has it. Resolves to whether its file was good. */
  async #load({ sidecar, path, ring }: SegmentFile): Promise<boolean> {
    const { pool, space, dir } = this.#options;
    const { first, rows, added, sha256 } = sidecar;
    const segment: HeldSegment = { id: pool.nextSegmentId(), first, rows, ring, host: pool.leastLoaded() };
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
  #onDamaged(segment: HeldSegment, reason: string): void {
    const { dir, log } = this.#options;
    const { first, rows } = segment;
    log.warn("HNSW segment cannot be loaded, building it again", { dir, first, rows, reason });
    this.#failures += 1;
    this.#segments = this.#segments.filter((one) => one !== segment);
    // What stays there all the same is written over, or not taken up at the next start.
    this.#deleting = this.#deleting
      .then(() => deleteSegment(dir, segment))
      .catch((error: unknown) => log.warn("damaged HNSW segment cannot be deleted", { dir, first, rows, error }));
    void this.#deleting.then(() => this.#maintain());
  }

  #maintain(): void {
    if (this.#upkeep || this.#closing.signal.aborted) return;
    if (this.isGivenUp || this.#plan().length === 0) return;
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

  /** Never rejects. */
  async #buildAll(): Promise<void> {
    const { dir, onBuilt, log } = this.#options;
    await Promise.all(this.#plan().map((range) => this.#build(range)));
    await onBuilt().catch((error: unknown) => {
      // They are read from disk for each query then, and tried again after the next build.
      log.error("newest rows cannot be brought into memory", { dir, error });
    });
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
      if (signal.aborted) return;
      this.#failures += 1;
      log.error("HNSW segment cannot be built", { dir, first, rows: count, failures: this.#failures, error });
    }
  }
}
