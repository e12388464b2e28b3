// The rows of the `search` bench on what a narrower dtype costs and saves: the same vectors stored as f32, f16 and int8. The
// yardstick is brute force over the vectors as they were made, in memory, in the same run.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DTYPES, type Dtype } from "../../shared/format/row-values.js";
import { formatRows, rowBytes } from "../../shared/format/vector-row.js";
import { createLogger } from "../../shared/log.js";
import { HnswPool } from "../../shared/query/hnsw-pool.js";
import { BestHits, type RowBlock, scanBlock } from "../../shared/query/nearest-rows.js";
import { VectorIndex } from "../../shared/query/vector-index.js";
import { listRows, readRowChunks } from "../../shared/query/vector-rows.js";
import { testSpace } from "../support/build-store.js";
import type { BenchRow } from "./bench-row.js";
import { percentile } from "./percentile.js";
import { clusteredVectors, recallOf } from "./search.js";

const ROWS = 8_000;
const DIMENSIONS = 384;
const K = 10;
const QUERIES = 100;
const FIRST_FILE = `${"0".repeat(20)}.vec`;

/** Answers to all queries, and the median time of one. */
interface Answers {
  found: number[][];
  p50Ms: number;
}

export async function benchDtypes(): Promise<BenchRow[]> {
  const draw = clusteredVectors(DIMENSIONS, 7);
  const vectors = Array.from({ length: ROWS }, draw);
  const queries = Array.from({ length: QUERIES }, draw);
  const block = blockOf(vectors);
  const brute = await answerAll(queries, (query) => scanAll([block], query));
  const rows: BenchRow[] = [];
  for (const dtype of DTYPES) rows.push(...(await benchDtype(dtype, vectors, queries, brute)));
  return rows;
}

async function benchDtype(
  dtype: Dtype,
  vectors: readonly Float32Array[],
  queries: readonly Float32Array[],
  brute: Answers,
): Promise<BenchRow[]> {
  const root = await mkdtemp(join(tmpdir(), "isochron-bench-"));
  const space = testSpace(DIMENSIONS, dtype);
  try {
    const dir = join(root, "rows");
    await mkdir(dir);
    const rows = vectors.map((vector, seq) => ({ seq, vector }));
    await writeFile(join(dir, FIRST_FILE), formatRows(rows, space));
    const files = listRows(dir, space, dir);
    const scanned = await answerAll(queries, (query) => scanAll(readRowChunks(files, space, 0, ROWS), query));
    const indexed = await answerFromIndex(root, dir, space, queries);
    return report(dtype, rowBytes(space), { scanned, indexed, brute });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function answerFromIndex(
  root: string,
  dir: string,
  space: ReturnType<typeof testSpace>,
  queries: readonly Float32Array[],
): Promise<Answers> {
  const log = createLogger("warn");
  const pool = new HnswPool(2, log);
  const index = new VectorIndex({ dir: join(root, "index"), space, pool, log, currentDir: dir });
  try {
    await index.open(dir);
    await index.idle();
    const { state } = index.status();
    if (state !== "ready") throw new Error(`the index is ${state}`);
    return await answerAll(queries, async (query) => (await index.nearest(query, K)).map(({ seq }) => seq));
  } finally {
    await index.close();
    await pool.stop();
  }
}

function blockOf(vectors: readonly Float32Array[]): RowBlock {
  const floats = new Float32Array(vectors.length * DIMENSIONS);
  for (const [i, vector] of vectors.entries()) floats.set(vector, i * DIMENSIONS);
  return { first: 0, rows: vectors.length, stride: DIMENSIONS, offset: 0, floats };
}

async function scanAll(blocks: Iterable<RowBlock> | AsyncIterable<RowBlock>, query: Float32Array): Promise<number[]> {
  const best = new BestHits(K);
  for await (const block of blocks) scanBlock(block, 0, ROWS, query, true, best);
  return best.sorted().map(({ position }) => position);
}

/** The first round warms up and is not counted. */
async function answerAll(
  queries: readonly Float32Array[],
  ask: (query: Float32Array) => Promise<number[]>,
): Promise<Answers> {
  for (const query of queries.slice(0, QUERIES / 10)) await ask(query);
  const found: number[][] = [];
  const times: number[] = [];
  for (const query of queries) {
    const startMs = performance.now();
    found.push(await ask(query));
    times.push(performance.now() - startMs);
  }
  return {
    found,
    p50Ms: percentile(
      times.sort((a, b) => a - b),
      50,
    ),
  };
}

function report(
  dtype: Dtype,
  width: number,
  found: { scanned: Answers; indexed: Answers; brute: Answers },
): BenchRow[] {
  const { scanned, indexed, brute } = found;
  const bench = `search ${ROWS}x${DIMENSIONS} ${dtype}`;
  const recall = (metric: string, { found: hits }: Answers, least: number): BenchRow => {
    const value = recallOf(hits, brute.found);
    return {
      bench,
      metric,
      unit: "share",
      ours: value,
      yardstick: 1,
      ratio: value,
      goal: `>= ${least}`,
      met: value >= least,
    };
  };
  const against = (metric: string, unit: string, ours: number, yardstick: number): BenchRow => {
    return { bench, metric, unit, ours, yardstick, ratio: ours / yardstick, goal: "", met: null };
  };
  const [leastScanned, leastIndexed] = dtype === "int8" ? [0.97, 0.96] : [0.999, 0.98];
  return [
    recall("recall@10 of the exact scan, rows on disk", scanned, leastScanned),
    against("p50 of the exact scan, rows on disk", "ms", scanned.p50Ms, brute.p50Ms),
    recall("recall@10 of the index", indexed, leastIndexed),
    against("p50 of the index", "ms", indexed.p50Ms, brute.p50Ms),
    against("bytes of a row", "B", width, rowBytes({ dimensions: DIMENSIONS, dtype: "f32" })),
  ];
}
