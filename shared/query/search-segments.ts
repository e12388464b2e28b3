// Asks the children that hold a space's segments, each of them once for all that it holds. What a child that died cannot
// answer is told, so that the caller scans those rows.
import { HnswGone, type HnswHost } from "./hnsw-host.js";
import type { RowHit } from "./nearest-rows.js";
import type { RowRange } from "./plan-segments.js";

/** A segment that a child holds. */
export interface HeldSegment extends RowRange {
  id: number;
  /** Rows with equal vectors, of which the index holds the first. */
  ring: Uint32Array;
  host: HnswHost;
}

export type GiveHits = (segment: HeldSegment, hits: RowHit[]) => void;

/** Lists of segments that are remembered. */
const MOST_LISTS = 64;

export class SegmentSearch {
  readonly #ef: number;
  readonly #lists = new Map<string, readonly number[]>();

  /** `ef`: hnswlib's search breadth; by default chosen for the dimensions. */
  constructor(dimensions: number, ef = searchBreadth(dimensions)) {
    this.#ef = ef;
  }

  /** Gives each segment its `k` hits; resolves to the segments whose child died. */
  async ask(ready: readonly HeldSegment[], unit: Float32Array, k: number, give: GiveHits): Promise<HeldSegment[]> {
    const efEach = Math.ceil(this.#ef * shareOfBreadth(ready.length));
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
  #sharedIds(held: readonly HeldSegment[]): readonly number[] {
    const ids = held.map(({ id }) => id);
    const key = ids.join();
    const known = this.#lists.get(key);
    if (known) return known;
    if (this.#lists.size >= MOST_LISTS) this.#lists.clear();
    this.#lists.set(key, ids);
    return ids;
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

function isIn({ first, rows }: RowRange): (hit: RowHit) => boolean {
  return ({ position }) => position >= first && position < first + rows;
}
