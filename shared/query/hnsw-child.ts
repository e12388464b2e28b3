// The process that hnswlib-node runs in: it can crash (a bad file, a full disk) and take nothing with it but itself. It
// builds segments, loads them only into new instances, and answers batches of queries. It ends with its parent.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rename, stat, writeFile } from "node:fs/promises";
import { setPriority } from "node:os";
import hnswlib, { type HierarchicalNSW } from "hnswlib-node";
import { sha256Hex } from "../format/hash.js";
import { isFiniteVector } from "../format/vector-row.js";
import { EqualRows } from "./equal-rows.js";
import type {
  BuildAnswer,
  BuildRequest,
  HnswReply,
  HnswRequest,
  LoadRequest,
  SearchAnswer,
  SearchRequest,
} from "./hnsw-message.js";
import { formatSeqs } from "./segment-seqs.js";
import { readRowChunks, seqOfRow, vectorOfRow } from "./vector-rows.js";

interface LoadedSegment {
  index: HierarchicalNSW;
  first: number;
  ef: number;
}

const RANDOM_SEED = 100;
/** Points that an index has room for at first; it grows as it fills, because few of the rows may differ. */
const FIRST_ROOM = 1024;
/** Building must not take the processor from the answers. */
const BUILD_NICENESS = 5;

const loaded = new Map<number, LoadedSegment>();
// The parent decides when this process ends; a signal to the whole group is the parent's to handle.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
process.on("disconnect", () => process.exit(0));
process.on("message", (request: HnswRequest) => {
  void answer(request).then((reply) => process.send?.(reply));
});

async function answer(request: HnswRequest): Promise<HnswReply> {
  const { call } = request;
  try {
    switch (request.op) {
      case "search":
        return { call, answer: search(request) };
      case "load":
        return { call, answer: await load(request) };
      case "unload":
        return { call, answer: loaded.delete(request.id) };
      case "build":
        return { call, answer: await build(request) };
    }
  } catch (error) {
    return { call, error: (error as Error).message };
  }
}

function search({ segments, queries, count, k, ef }: SearchRequest): SearchAnswer {
  const positions = new Float64Array(count * segments.length * k).fill(-1);
  const cosines = new Float32Array(positions.length);
  const dimensions = queries.length / count;
  const point = new Array<number>(dimensions).fill(0);
  let at = 0;
  for (let q = 0; q < count; q += 1) {
    // hnswlib-node takes arrays only; filling one is ten times as fast as Array.from.
    for (let i = 0; i < dimensions; i += 1) point[i] = queries[q * dimensions + i] as number;
    for (const id of segments) {
      const segment = loaded.get(id);
      if (!segment) throw new Error(`segment ${id} is not loaded here`);
      const { neighbors, distances } = nearest(segment, point, k, Math.max(ef, k));
      for (let i = 0; i < neighbors.length; i += 1) {
        positions[at + i] = segment.first + (neighbors[i] as number);
        cosines[at + i] = 1 - (distances[i] as number);
      }
      at += k;
    }
  }
  return { positions, cosines };
}

function nearest(segment: LoadedSegment, point: number[], k: number, ef: number) {
  const { index } = segment;
  if (segment.ef !== ef) index.setEf(ef);
  segment.ef = ef;
  return index.searchKnn(point, Math.min(k, index.getCurrentCount()));
}

/** hnswlib does not say when a file is short or changed, so the file is hashed before it is read. */
async function load({ id, shape, path, sha256, added, first }: LoadRequest): Promise<void> {
  if ((await hashFile(path)) !== sha256) throw new Error("the file's SHA-256 is not that of its sidecar");
  const index = new hnswlib.HierarchicalNSW(shape.metric, shape.dimensions);
  index.readIndexSync(path);
  if (index.getCurrentCount() !== added || index.getNumDimensions() !== shape.dimensions) {
    throw new Error(`the file holds ${index.getCurrentCount()} rows, its sidecar says ${added}`);
  }
  loaded.set(id, { index, first, ef: -1 });
}

/**
 * A vector that many rows have goes in once: hnswlib links each point to its nearest, and were those all the same point again,
 * no way would lead on to any other.
 */
async function build({ shape, rows, rowShape, first, count, path, seqsPath }: BuildRequest): Promise<BuildAnswer> {
  setPriority(BUILD_NICENESS);
  const index = new hnswlib.HierarchicalNSW(shape.metric, shape.dimensions);
  let room = Math.min(count, FIRST_ROOM);
  index.initIndex(room, shape.m, shape.efConstruction, RANDOM_SEED);
  const seqs = new Float64Array(count);
  const equals = new EqualRows(count);
  const point = new Array<number>(shape.dimensions).fill(0);
  for await (const chunk of readRowChunks(rows, rowShape, first, first + count)) {
    for (let i = 0; i < chunk.rows; i += 1) {
      const label = chunk.first + i - first;
      const vector = vectorOfRow(chunk, i);
      seqs[label] = seqOfRow(chunk, i);
      if (!isFiniteVector(vector) || !equals.add(label, vector)) continue;
      if (index.getCurrentCount() === room) {
        room = Math.min(count, room * 2);
        index.resizeIndex(room);
      }
      for (let d = 0; d < shape.dimensions; d += 1) point[d] = vector[d] as number;
      index.addPoint(point, label);
    }
  }
  const besides = formatSeqs(seqs, equals.ring);
  index.writeIndexSync(`${path}.new`);
  await writeFile(`${seqsPath}.new`, besides);
  const answer = {
    sha256: await hashFile(`${path}.new`),
    bytes: (await stat(`${path}.new`)).size,
    seqsSha256: sha256Hex(besides),
    added: index.getCurrentCount(),
    lastSeq: seqs.at(-1) ?? -1,
  };
  // Not synced: a file that a power cut tears does not fit its sidecar, and is built again.
  await rename(`${path}.new`, path);
  await rename(`${seqsPath}.new`, seqsPath);
  return answer;
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
