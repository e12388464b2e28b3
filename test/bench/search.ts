// The `search` bench: nearest neighbours through VectorIndex at 100,000 rows, beside bare hnswlib-node on the same vectors
// with the same parameters in the same run. Vectors are clustered, of moderate intrinsic dimension, with noise, fixed seed.
import { mkdir, mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import hnswlib from "hnswlib-node";
import { formatRows } from "../../shared/format/vector-row.js";
import { createLogger } from "../../shared/log.js";
import { HnswPool } from "../../shared/query/hnsw-pool.js";
import { BestHits, scanBlock } from "../../shared/query/nearest-rows.js";
import { searchBreadth } from "../../shared/query/search-segments.js";
import { VectorIndex } from "../../shared/query/vector-index.js";
import { listRows, readRowChunks } from "../../shared/query/vector-rows.js";
import { seededRandom, testSpace } from "../support/build-store.js";
import type { BenchRow } from "./bench-row.js";

const ROWS = 100_000;
const K = 10;
const OUTSTANDING = 32;
const TIMED_QUERIES = 4000;
const RECALL_QUERIES = 200;
const LOAD_MS = 3000;

export async function benchSearch(rows = ROWS): Promise<BenchRow[]> {
  return [...(await benchDimensions(rows, 64)), ...(await benchDimensions(rows, 384))];
}

async function benchDimensions(rows: number, dimensions: number): Promise<BenchRow[]> {
  const root = await mkdtemp(join(tmpdir(), "isochron-bench-"));
  try {
    const rowsDir = join(root, "vector");
    await mkdir(rowsDir);
    const queries = await writeVectors(rowsDir, rows, dimensions);
    const one = await rebuild(root, rowsDir, dimensions, 1);
    await one.stop();
    const two = await rebuild(root, rowsDir, dimensions, 2);
    const ours = await measure(two.index, rowsDir, queries);
    const memoryMb = await residentMb(two.pool);
    await two.stop();
    const bare = await measureBare(join(root, "index-1"), queries);
    return report(`search ${rows}x${dimensions}`, { ours, bare, memoryMb, oneS: one.seconds, twoS: two.seconds });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Rows of the `.vec` files, and queries drawn from the same clusters but not among the rows. */
async function writeVectors(dir: string, rows: number, dimensions: number): Promise<Float32Array[]> {
  const draw = clusteredVectors(dimensions, 7);
  const perFile = Math.ceil((64 * 1024 * 1024) / (4 * dimensions + 8));
  for (let first = 0; first < rows; first += perFile) {
    const file = await open(join(dir, `${String(first).padStart(20, "0")}.vec`), "w");
    for (let at = first; at < Math.min(rows, first + perFile); at += 1000) {
      const length = Math.min(1000, rows - at, first + perFile - at);
      await file.write(
        formatRows(
          Array.from({ length }, (_, i) => ({ seq: at + i, vector: draw() })),
          testSpace(dimensions),
        ),
      );
    }
    await file.close();
  }
  return Array.from({ length: TIMED_QUERIES }, draw);
}

/** 500 clusters in a subspace of 24 dimensions, spread within it, and noise in every dimension. */
export function clusteredVectors(dimensions: number, seed: number): () => Float32Array {
  const random = seededRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const vectorOf = (length: number) => Float32Array.from({ length }, normal);
  const basis = Array.from({ length: 24 }, () => vectorOf(dimensions));
  const centres = Array.from({ length: 500 }, () => vectorOf(basis.length));
  return () => {
    const centre = centres[Math.floor(random() * centres.length)] as Float32Array;
    const vector = vectorOf(dimensions).map((value) => 0.3 * value);
    for (const [b, axis] of basis.entries()) {
      const weight = (centre[b] as number) + 0.6 * normal();
      for (let i = 0; i < dimensions; i += 1) vector[i] = (vector[i] as number) + weight * (axis[i] as number);
    }
    const length = Math.hypot(...vector);
    return vector.map((value) => value / length);
  };
}

async function rebuild(root: string, rowsDir: string, dimensions: number, processes: number) {
  const log = createLogger("warn");
  const pool = new HnswPool(processes, log);
  const dir = join(root, `index-${processes}`);
  const index = new VectorIndex({ dir, space: testSpace(dimensions), pool, log, currentDir: rowsDir });
  const startMs = performance.now();
  await index.open(rowsDir);
  await index.idle();
  const seconds = (performance.now() - startMs) / 1000;
  const { state, covered, rows } = index.status();
  if (state !== "ready" || covered !== rows) throw new Error(`the index is ${state} with ${covered} of ${rows} rows`);
  const stop = async () => {
    await index.close();
    await pool.stop();
  };
  return { index, pool, seconds, stop };
}

interface Measured {
  qps: number;
  p50Ms: number;
  p99Ms: number;
  recall: number;
}

async function measure(index: VectorIndex, rowsDir: string, queries: Float32Array[]): Promise<Measured> {
  await index.nearest(queries[0] as Float32Array, K);
  const times: number[] = [];
  for (const query of queries.slice(0, TIMED_QUERIES / 2)) {
    const startMs = performance.now();
    await index.nearest(query, K);
    times.push(performance.now() - startMs);
  }
  const qps = await underLoad((i) => index.nearest(queries[i % queries.length] as Float32Array, K));
  const exact = await exactNeighbours(rowsDir, queries.slice(0, RECALL_QUERIES));
  const found: number[][] = [];
  for (const query of queries.slice(0, RECALL_QUERIES)) {
    found.push((await index.nearest(query, K)).map(({ seq }) => seq));
  }
  return { qps, ...percentiles(times), recall: recallOf(found, exact) };
}

/** Queries per second with a fixed number outstanding. */
async function underLoad(ask: (i: number) => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  let asked = 0;
  const client = async () => {
    while (performance.now() - startMs < LOAD_MS) await ask(asked++);
  };
  await Promise.all(Array.from({ length: OUTSTANDING }, client));
  return (asked * 1000) / (performance.now() - startMs);
}

/** hnswlib-node alone, in this process, on the one segment that the build with one process made. */
async function measureBare(dir: string, queries: Float32Array[]): Promise<Omit<Measured, "recall">> {
  const name = (await readdir(dir)).find((file) => file.endsWith(".hnsw")) as string;
  const sidecar = JSON.parse(await readFile(join(dir, name.replace(".hnsw", ".json")), "utf8")) as {
    dimensions: number;
  };
  const index = new hnswlib.HierarchicalNSW("ip", sidecar.dimensions);
  index.readIndexSync(join(dir, name));
  index.setEf(searchBreadth(sidecar.dimensions));
  const points = queries.map((query) => Array.from(query));
  const times: number[] = [];
  for (const point of points.slice(0, TIMED_QUERIES / 2)) {
    const startMs = performance.now();
    index.searchKnn(point, K);
    times.push(performance.now() - startMs);
  }
  const startMs = performance.now();
  let asked = 0;
  while (performance.now() - startMs < LOAD_MS) index.searchKnn(points[asked++ % points.length] as number[], K);
  return { qps: (asked * 1000) / (performance.now() - startMs), ...percentiles(times) };
}

async function exactNeighbours(rowsDir: string, queries: Float32Array[]): Promise<number[][]> {
  const dimensions = (queries[0] as Float32Array).length;
  const best = queries.map(() => new BestHits(K));
  const files = listRows(rowsDir, testSpace(dimensions), rowsDir);
  for await (const block of readRowChunks(files, testSpace(dimensions), 0, files.rows)) {
    for (const [q, query] of queries.entries()) scanBlock(block, 0, files.rows, query, true, best[q] as BestHits);
  }
  return best.map((hits) => hits.sorted().map(({ position }) => position));
}

/** Share of the exact neighbours that were found. */
export function recallOf(found: number[][], exact: number[][]): number {
  let hits = 0;
  for (const [q, truth] of exact.entries()) hits += truth.filter((seq) => found[q]?.includes(seq)).length;
  return hits / (exact.length * K);
}

function percentiles(times: number[]): { p50Ms: number; p99Ms: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] as number;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** Resident memory of this process (the engine's part) and the children. */
async function residentMb(pool: HnswPool): Promise<number> {
  const pages = await Promise.all(pool.pids().map((pid) => readFile(`/proc/${pid}/status`, "utf8")));
  const childKb = pages.reduce((sum, text) => sum + Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0), 0);
  return (process.memoryUsage.rss() + childKb * 1024) / 2 ** 20;
}

interface Found {
  ours: Measured;
  bare: Omit<Measured, "recall">;
  memoryMb: number;
  oneS: number;
  twoS: number;
}

function report(bench: string, { ours, bare, memoryMb, oneS, twoS }: Found): BenchRow[] {
  const row = (
    metric: string,
    unit: string,
    value: number,
    yardstick: number | null,
    goal: string,
    met: boolean | null,
  ): BenchRow => {
    const ratio = yardstick === null ? null : value / yardstick;
    return { bench, metric, unit, ours: value, yardstick, ratio, goal, met };
  };
  return [
    row("recall@10", "share", ours.recall, null, ">= 0.98", ours.recall >= 0.98),
    row("qps, 32 outstanding", "1/s", ours.qps, bare.qps, "ratio >= 0.8", ours.qps / bare.qps >= 0.8),
    row("p50", "ms", ours.p50Ms, bare.p50Ms, "", null),
    row("p99", "ms", ours.p99Ms, bare.p99Ms, "<= 5", ours.p99Ms <= 5),
    row("rebuild rate, 2 processes against 1", "s^-1", 1 / twoS, 1 / oneS, "ratio >= 1.5", oneS / twoS >= 1.5),
    row("rebuild with 1 process", "s", oneS, null, "", null),
    row("rebuild with 2 processes", "s", twoS, null, "", null),
    row("memory, engine and children", "MiB", memoryMb, null, "", null),
  ];
}
