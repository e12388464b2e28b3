import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { DTYPES } from "../../../shared/format/row-values.js";
import { formatRows, parseRows, rowBytes, type VectorRow } from "../../../shared/format/vector-row.js";
import { createLogger } from "../../../shared/log.js";
import { HnswPool } from "../../../shared/query/hnsw-pool.js";
import { KeptSegments } from "../../../shared/query/keep-segments.js";
import { findSegments, type SegmentFile, sealSegment, segmentShape } from "../../../shared/query/segment-file.js";
import { VectorIndex } from "../../../shared/query/vector-index.js";
import { listRows } from "../../../shared/query/vector-rows.js";
import { flipByte, groupVector, seededRandom, testSpace, unitVector } from "../../support/build-store.js";
import { until } from "../../support/until.js";

const DIMENSIONS = 16;
const TAIL_FLOATS = 500 * DIMENSIONS;
const log = createLogger("error", () => true);
let folder: string;
let pool: HnswPool;
let indexes = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "isochron-vectors-"));
  pool = new HnswPool(2, log);
});
after(async () => {
  await pool.stop();
  await rm(folder, { recursive: true, force: true });
});

function someRows(count: number, seed: number, firstSeq = 0): VectorRow[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => ({
    seq: firstSeq + i,
    vector: groupVector(DIMENSIONS, i % 20, random, 0.8),
  }));
}

async function writeRows(
  rows: readonly VectorRow[][],
  name = String(indexes++),
  space = testSpace(DIMENSIONS),
): Promise<string> {
  const dir = join(folder, name, "rows");
  await mkdir(dir, { recursive: true });
  let first = 0;
  for (const part of rows) {
    await writeFile(join(dir, `${String(first).padStart(20, "0")}.vec`), formatRows(part, space));
    first += part.length;
  }
  return dir;
}

function indexOf(rowsDir: string, space = testSpace(DIMENSIONS), currentDir = rowsDir): VectorIndex {
  const dir = join(rowsDir, "..", "index");
  return new VectorIndex({ dir, space, pool, log, tailFloats: TAIL_FLOATS, currentDir });
}

function exact(rows: readonly VectorRow[], query: Float32Array, k: number): number[] {
  const cosine = (vector: Float32Array) => vector.reduce((sum, value, i) => sum + value * (query[i] as number), 0);
  return rows
    .map(({ seq, vector }) => ({ seq, cosine: cosine(vector) }))
    .sort((a, b) => b.cosine - a.cosine)
    .slice(0, k)
    .map(({ seq }) => seq);
}

async function recallAt10(
  index: VectorIndex,
  rows: readonly VectorRow[],
  onAnswer: (right: number) => void = () => {},
): Promise<number> {
  const random = seededRandom(99);
  let found = 0;
  for (let q = 0; q < 40; q += 1) {
    const query = groupVector(DIMENSIONS, q % 20, random, 0.8);
    const near = (await index.nearest(query, 10)).map(({ seq }) => seq);
    const right = exact(rows, query, 10).filter((seq) => near.includes(seq)).length;
    onAnswer(right);
    found += right;
  }
  return found / 400;
}

/** Rows whose segment is being built are scanned. On a busy machine one may be finished before the last answer. */
async function assertScanned(index: VectorIndex, rows: readonly VectorRow[]): Promise<void> {
  const { segments } = index.status();
  const recall = await recallAt10(index, rows, (right) => {
    const now = index.status();
    if (now.state === "building" && now.segments === segments) assert.equal(right, 10);
  });
  assert.ok(recall >= 0.98, `recall is ${recall}`);
}

test("answers agree with an exact search while segments are built, after it, and after a restart", async () => {
  const rows = someRows(3000, 1);
  const dir = await writeRows([rows.slice(0, 1200), rows.slice(1200)]);
  const index = indexOf(dir);
  await index.open(dir);
  await assertScanned(index, rows);
  await index.idle();
  assert.deepEqual(index.status(), { state: "ready", rows: 3000, covered: 3000, segments: 2 });
  assert.ok((await recallAt10(index, rows)) >= 0.98);
  await index.close();
  const again = indexOf(dir);
  await again.open(dir);
  assert.equal(again.status().segments, 2);
  assert.equal(again.status().state, "ready");
  assert.ok((await recallAt10(again, rows)) >= 0.98);
  await again.close();
});

test("rows that arrive are answered at once, first from the tail, then from merged segments", async () => {
  const rows = someRows(2000, 2);
  const dir = await writeRows([rows.slice(0, 300)]);
  const index = indexOf(dir);
  await index.open(dir);
  for (let count = 600; count <= 2000; count += 100) {
    await writeRows([rows.slice(0, count)], join(dir, "..").slice(folder.length + 1));
    await index.advance(dir);
    assert.equal((await index.nearest((rows[count - 1] as VectorRow).vector, 1))[0]?.seq, count - 1);
  }
  await index.idle();
  assert.ok(index.status().segments <= 3);
  assert.ok((await recallAt10(index, rows)) >= 0.98);
  assert.equal((await readdir(join(dir, "..", "index"))).length, index.status().segments * 3);
  await index.close();
});

test("an event that has two rows is answered once, by its later vector", async () => {
  const rows = someRows(1500, 3);
  const moved = { seq: 7, vector: groupVector(DIMENSIONS, 500, seededRandom(5), 0) };
  const dir = await writeRows([[...rows, moved]]);
  const index = indexOf(dir);
  await index.open(dir);
  await index.idle();
  assert.equal((await index.nearest(moved.vector, 1))[0]?.seq, 7);
  const near = await index.nearest((rows[7] as VectorRow).vector, 20);
  assert.equal(near.filter(({ seq }) => seq === 7).length, 0);
  assert.equal(near.length, 20);
  assert.deepEqual(await index.vectorOf(7), moved.vector);
  assert.ok((await index.nearest(moved.vector, 5, 7)).every(({ seq }) => seq < 7));
  await index.close();
});

test("a segment file that is cut short, changed, or without its parts is built again from the vectors", async () => {
  const rows = someRows(1200, 4);
  const dir = await writeRows([rows]);
  const made = indexOf(dir);
  await made.open(dir);
  await made.idle();
  await made.close();
  const segments = join(dir, "..", "index");
  const fileOf = async (extension: string) =>
    join(segments, (await readdir(segments)).find((name) => name.endsWith(extension)) as string);
  const harms = [
    async () => truncate(await fileOf(".hnsw"), 1000),
    async () => flipByte(await fileOf(".hnsw"), 5000),
    async () => flipByte(await fileOf(".seqs"), 80),
    async () => rm(await fileOf(".hnsw")),
    async () => writeFile(await fileOf(".json"), "{}"),
  ];
  for (const harm of harms) {
    await harm();
    const index = indexOf(dir);
    await index.open(dir);
    await assertScanned(index, rows);
    await index.idle();
    assert.equal(index.status().state, "ready");
    assert.ok((await recallAt10(index, rows)) >= 0.98);
    await index.close();
  }
});

test("a damaged segment that cannot be deleted either is left to the exact scan, and harms nothing else", async () => {
  const rows = someRows(1500, 14);
  const dir = await writeRows([rows]);
  const index = indexOf(dir);
  await index.open(dir);
  await index.idle();
  await index.close();
  const folderOfIndex = join(dir, "..", "index");
  const [file] = (await readdir(folderOfIndex)).filter((name) => name.endsWith(".hnsw"));
  await rm(join(folderOfIndex, file as string));
  await mkdir(join(folderOfIndex, file as string));
  const again = indexOf(dir);
  await again.open(dir);
  await until(() => again.status().state === "exact");
  await again.idle();
  assert.equal(await recallAt10(again, rows), 1);
  await again.close();
});

test("rows that cannot be read into memory after a build are told, and the segment answers", async () => {
  const rows = someRows(1500, 15);
  const dir = await writeRows([rows]);
  const told: string[] = [];
  const space = testSpace(DIMENSIONS);
  const kept = new KeptSegments({
    dir: join(dir, "..", "index"),
    ...{ space, pool, tailFloats: TAIL_FLOATS },
    log: { ...log, error: (message) => void told.push(message) },
    onBuilt: async () => {
      throw new Error("the disk does not answer");
    },
  });
  await mkdir(join(dir, "..", "index"));
  kept.follow(listRows(dir, space, dir));
  await kept.idle();
  assert.equal(kept.end, 1500);
  assert.deepEqual(told, ["newest rows cannot be brought into memory"]);
  await kept.close();
});

test("a build that nobody waits for any more ends, and writes nothing more", async () => {
  const dir = await writeRows([someRows(40_000, 16)]);
  const space = testSpace(DIMENSIONS);
  const path = join(dir, "..", "late.hnsw");
  const ending = new AbortController();
  const request = {
    shape: segmentShape(space),
    ...{
      rows: listRows(dir, space, dir),
      rowShape: space,
      first: 0,
      count: 40_000,
      path,
      seqsPath: `${path}.seqs`,
    },
  };
  const others = pool.pids().length;
  const building = pool.build(request, ending.signal);
  await until(() => pool.pids().length > others);
  ending.abort();
  await assert.rejects(building, { name: "AbortError" });
  await until(() => pool.pids().length === others);
  assert.deepEqual((await readdir(join(dir, ".."))).sort(), ["rows"]);
});

test("a child that is killed costs no answer: its rows are scanned until the next child has them", async () => {
  const rows = someRows(2400, 6);
  const dir = await writeRows([rows]);
  const index = indexOf(dir);
  await index.open(dir);
  await index.idle();
  const random = seededRandom(3);
  const queries = Array.from({ length: 60 }, (_, i) => groupVector(DIMENSIONS, i % 20, random, 0.8));
  const asked = queries.map((query) => index.nearest(query, 10));
  for (const pid of pool.pids()) process.kill(pid, "SIGKILL");
  for (const [i, near] of (await Promise.all(asked)).entries()) {
    const wanted = exact(rows, queries[i] as Float32Array, 10);
    assert.ok(near.filter(({ seq }) => wanted.includes(seq)).length >= 9);
  }
  await until(() => index.status().state === "ready");
  assert.ok((await recallAt10(index, rows)) >= 0.98);
  await index.close();
});

test("a child that dies while it loads costs the one file that it was loading, and no other", async () => {
  const rows = someRows(4010, 14);
  const alone = new HnswPool(1, log);
  const dir = await writeRows([rows.slice(0, 2400)]);
  const indexDir = join(dir, "..", "index");
  const options = { dir: indexDir, space: testSpace(DIMENSIONS), log, tailFloats: TAIL_FLOATS, currentDir: dir };
  const made = new VectorIndex({ ...options, pool: alone });
  await made.open(dir);
  for (const count of [2400, 3500, 4010]) {
    await writeRows([rows.slice(0, count)], join(dir, "..").slice(folder.length + 1));
    await made.advance(dir);
    await made.idle();
  }
  assert.equal(made.status().segments, 3);
  await made.close();
  await alone.stop();
  const again = new HnswPool(1, log);
  assert.deepEqual(again.pids(), [], "without a segment there is nothing that it could do");
  const index = new VectorIndex({ ...options, pool: again });
  const opened = index.open(dir);
  await until(() => again.pids().length === 1);
  const [child] = again.pids() as [number];
  // So that what it is sent stays unanswered.
  process.kill(child, "SIGSTOP");
  while (index.rows < rows.length) await turn();
  for (let i = 0; i < 10; i += 1) await turn();
  process.kill(child, "SIGKILL");
  await opened;
  while (index.status().state === "building") await sleep(20);
  assert.deepEqual([index.status().state, index.status().segments], ["ready", 3]);
  await index.close();
  await again.stop();
});

test("rows whose generation is deleted before a query has read them are read from the current one", async () => {
  const rows = someRows(300, 12);
  const dir = await writeRows([rows]);
  const current = join(dir, "..", "current");
  const index = indexOf(dir, testSpace(DIMENSIONS), current);
  await index.open(dir);
  try {
    await rename(dir, current);
    for (const { seq, vector } of [rows[0], rows[299]] as VectorRow[]) {
      assert.deepEqual(await index.vectorOf(seq), vector);
      assert.equal((await index.nearest(vector, 1))[0]?.seq, seq);
    }
    await index.idle();
    assert.equal(index.status().covered, 300);
  } finally {
    await index.close();
  }
});

test("a segment whose generation is deleted while it is taken up or sealed is still of the same rows", async () => {
  const rows = someRows(700, 13);
  const dir = await writeRows([rows]);
  const [current, segments] = [join(dir, "..", "current"), join(dir, "..", "index")];
  const space = testSpace(DIMENSIONS);
  const index = indexOf(dir, space, current);
  await index.open(dir);
  await index.idle();
  await index.close();
  const files = listRows(dir, space, current);
  await rename(dir, current);
  const found = await findSegments(segments, space, files);
  assert.deepEqual(
    found.map(({ sidecar }) => sidecar.rows),
    [700],
  );
  const { sidecar } = found[0] as SegmentFile;
  const { added, lastSeq, bytes, sha256, seqsSha256 } = sidecar;
  const built = { added, lastSeq, bytes, sha256, seqsSha256 };
  assert.deepEqual((await sealSegment(segments, sidecar, space, files, built)).sidecar, sidecar);
});

test("a row that is not finite is nobody's neighbour and harms no other", async () => {
  const rows = someRows(1100, 8);
  const dir = await writeRows([rows]);
  const path = join(dir, `${"0".repeat(20)}.vec`);
  const bytes = await readFile(path);
  bytes.writeFloatLE(Number.NaN, 9 * (8 + 4 * DIMENSIONS) + 8);
  await writeFile(path, bytes);
  const index = indexOf(dir);
  await index.open(dir);
  const others = rows.filter(({ seq }) => seq !== 9);
  await assertScanned(index, others);
  await index.idle();
  assert.equal(index.status().state, "ready");
  assert.ok((await recallAt10(index, others)) >= 0.98);
  await index.close();
});

for (const dtype of DTYPES) {
  test(`${dtype} rows of a model answer from disk, from the tail, from segments and after a restart, as singles of length 1`, async () => {
    const space = testSpace(DIMENSIONS, dtype);
    const rows = someRows(1600, 10);
    const dir = await writeRows([rows.slice(0, 900), rows.slice(900)], undefined, space);
    const read = await Promise.all(
      [0, 1].map((part) => readFile(join(dir, `${String(part * 900).padStart(20, "0")}.vec`))),
    );
    // What is stored is the truth: answers are compared with it, and it with what was to be stored.
    const stored = read.flatMap((bytes) => [...parseRows(bytes, space)]);
    const scaled = stored.map(({ seq, vector }) => ({ seq, vector: unitVector(vector) }));
    const index = indexOf(dir, space);
    await index.open(dir);
    await assertScanned(index, scaled);
    await index.idle();
    assert.equal(index.status().state, "ready");
    assert.ok((await recallAt10(index, scaled)) >= 0.98);
    assert.ok((await recallAt10(index, rows)) >= 0.93);
    await index.close();
    const again = indexOf(dir, space);
    await again.open(dir);
    assert.equal(again.status().segments, index.status().segments);
    for (const seq of [0, 899, 900, 1599]) {
      const vector = (await again.vectorOf(seq)) as Float32Array;
      assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6, `${seq}`);
      const [nearest] = await again.nearest(vector, 1);
      assert.equal(nearest?.seq, seq);
      assert.ok(Math.abs((nearest?.cosine as number) - 1) < 1e-6);
    }
    await again.close();
  });
}

test("a zero row and a row of infinities in f16 are nobody's neighbour and harm no other", async () => {
  const space = testSpace(DIMENSIONS, "f16");
  const rows = someRows(1100, 12);
  const dir = await writeRows([rows], undefined, space);
  const path = join(dir, `${"0".repeat(20)}.vec`);
  const bytes = await readFile(path);
  const width = rowBytes(space);
  bytes.fill(0, 9 * width + 8, 10 * width);
  bytes.writeUInt16LE(0x7c00, 10 * width + 8);
  bytes.writeUInt16LE(0x7e00, 11 * width + 8);
  await writeFile(path, bytes);
  const index = indexOf(dir, space);
  await index.open(dir);
  const others = rows.filter(({ seq }) => seq < 9 || seq > 11);
  assert.ok((await recallAt10(index, others)) >= 0.98);
  await index.idle();
  assert.equal(index.status().state, "ready");
  assert.ok((await recallAt10(index, others)) >= 0.96);
  for (const seq of [9, 10]) {
    const vector = (await index.vectorOf(seq)) as Float32Array;
    assert.deepEqual([await index.nearest(vector, 3), await index.equalsOf(seq)], [[], undefined]);
    assert.deepEqual(await index.cosinesOf(vector, [0, 1]), new Map());
  }
  await index.close();
});

test("vectors that thousands of rows have keep no other from being found, and each answers with its newest rows", async () => {
  const random = seededRandom(5);
  const vectors = Array.from({ length: 40 }, (_, group) => groupVector(DIMENSIONS, group, random, 0.8));
  // As in a log: the first vector has every second row, each later one half as many as the one before, and all have one.
  const rows = Array.from({ length: 6000 }, (_, seq): VectorRow => {
    const of = seq < vectors.length ? seq : Math.min(Math.floor(-Math.log2(1 - random())), vectors.length - 1);
    return { seq, vector: vectors[of] as Float32Array };
  });
  const dir = await writeRows([rows]);
  const index = indexOf(dir);
  await index.open(dir);
  await index.idle();
  const check = async (one: VectorIndex) => {
    for (const vector of vectors) {
      const newest = rows.filter((row) => row.vector === vector).slice(-10);
      const near = await one.nearest(vector, newest.length);
      assert.deepEqual(new Set(near.map(({ seq }) => seq)), new Set(newest.map(({ seq }) => seq)));
      assert.ok(near.every(({ cosine }) => cosine > 0.9999));
    }
    const all = await one.nearest(vectors[0] as Float32Array, rows.length);
    assert.equal(new Set(all.map(({ seq }) => seq)).size, rows.length);
  };
  await check(index);
  await index.close();
  const again = indexOf(dir);
  await again.open(dir);
  assert.equal(again.status().state, "ready");
  await check(again);
  await again.close();
});

test("cosines of some events are exact, wherever their rows lie, and only of those that have one", async () => {
  const rows = someRows(3000, 6);
  const dir = await writeRows([rows]);
  const index = indexOf(dir);
  await index.open(dir);
  await index.idle();
  const query = groupVector(DIMENSIONS, 3, seededRandom(7), 0.8);
  const wanted = [2999, 0, 5, 40, 41, 1500, 9999];
  const cosines = await index.cosinesOf(query, wanted);
  assert.deepEqual(new Set(cosines.keys()), new Set(wanted.slice(0, -1)));
  for (const [seq, cosine] of cosines) {
    const vector = (rows[seq] as VectorRow).vector;
    const right = vector.reduce((sum, value, i) => sum + value * (query[i] as number), 0);
    assert.ok(Math.abs(cosine - right) < 1e-6, `${seq}: ${cosine} is not ${right}`);
  }
  await index.close();
});
