// A sealed HNSW segment on disk: `<first>-<rows>.hnsw`, its rows' sequence numbers beside it, and a sidecar that says what
// hnswlib's own file does not. The sidecar is written last: without it there is no segment.
import { closeSync } from "node:fs";
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { sha256Hex } from "../format/hash.js";
import type { Space } from "../format/space.js";
import { type RowShape, rowBytes } from "../format/vector-row.js";
import { readInto } from "../store/read-part.js";
import type { BuildAnswer, SegmentShape } from "./hnsw-message.js";
import type { RowRange } from "./plan-segments.js";
import { parseSeqs, type SegmentSeqs } from "./segment-seqs.js";
import { openRows, type RowFiles } from "./vector-rows.js";

/** 2: each vector once in the index, and the rows that have it beside their sequence numbers. */
export const SEGMENT_FORMAT = 2;
const M = 16;
const EF_CONSTRUCTION = 200;

const hex64 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const sidecarSchema = z.strictObject({
  format: z.literal(SEGMENT_FORMAT),
  fingerprint: hex64,
  dimensions: count,
  metric: z.enum(["ip", "cosine"]),
  m: count,
  efConstruction: count,
  first: count,
  rows: count,
  added: count,
  lastSeq: z.int(),
  bytes: count,
  sha256: hex64,
  seqsSha256: hex64,
  /** SHA-256 over the stored bytes of the first and the last row: other rows, other segment. */
  edgesSha256: hex64,
});
export type Sidecar = z.infer<typeof sidecarSchema>;

export interface SegmentFile {
  sidecar: Sidecar;
  path: string;
  /** Sequence number of each row. */
  seqs: Float64Array;
  /** Which rows have equal vectors (equal-rows.ts). */
  ring: Uint32Array;
}

export function segmentShape(space: Space): SegmentShape {
  // The inner product of vectors of length 1 is their cosine, and costs no second normalisation.
  const metric = space.normalised ? "ip" : "cosine";
  return { dimensions: space.dimensions, metric, m: M, efConstruction: EF_CONSTRUCTION };
}

export function segmentPaths(dir: string, range: RowRange): { path: string; seqsPath: string; sidecarPath: string } {
  const stem = join(dir, `${String(range.first).padStart(20, "0")}-${range.rows}`);
  return { path: `${stem}.hnsw`, seqsPath: `${stem}.seqs`, sidecarPath: `${stem}.json` };
}

/** Makes a built segment one that a later start will find. */
export async function sealSegment(
  dir: string,
  range: RowRange,
  space: Space,
  rows: RowFiles,
  built: BuildAnswer,
): Promise<SegmentFile> {
  const { path, seqsPath, sidecarPath } = segmentPaths(dir, range);
  const sidecar: Sidecar = {
    format: SEGMENT_FORMAT,
    fingerprint: space.fingerprint,
    ...segmentShape(space),
    first: range.first,
    rows: range.rows,
    ...built,
    edgesSha256: await hashEdges(rows, space, range),
  };
  await writeFile(`${sidecarPath}.new`, `${JSON.stringify(sidecar)}\n`);
  await rename(`${sidecarPath}.new`, sidecarPath);
  return { sidecar, path, ...(await readSeqs(seqsPath, sidecar)) };
}

/**
 * The segments in `dir` that fit the space and its rows, sorted and without overlap; files of any other are deleted.
 * The index file itself is hashed by the child that loads it.
 */
export async function findSegments(dir: string, space: Space, rows: RowFiles): Promise<SegmentFile[]> {
  const found: SegmentFile[] = [];
  for (const name of (await readdir(dir)).filter((one) => one.endsWith(".json")).sort()) {
    const segment = await readSegment(dir, name, space, rows).catch(() => undefined);
    if (segment) found.push(segment);
  }
  const kept = withoutOverlap(found);
  await sweep(dir, kept);
  return kept;
}

export async function deleteSegment(dir: string, range: RowRange): Promise<void> {
  const { path, seqsPath, sidecarPath } = segmentPaths(dir, range);
  for (const file of [sidecarPath, path, seqsPath]) await rm(file, { force: true });
}

async function readSegment(dir: string, name: string, space: Space, rows: RowFiles): Promise<SegmentFile | undefined> {
  const sidecar = sidecarSchema.parse(JSON.parse(await readFile(join(dir, name), "utf8")));
  const { path, seqsPath, sidecarPath } = segmentPaths(dir, sidecar);
  const shape = segmentShape(space);
  const fits =
    sidecarPath === join(dir, name) &&
    sidecar.fingerprint === space.fingerprint &&
    (Object.keys(shape) as (keyof SegmentShape)[]).every((key) => sidecar[key] === shape[key]) &&
    sidecar.rows > 0 &&
    sidecar.first + sidecar.rows <= rows.rows &&
    sidecar.edgesSha256 === (await hashEdges(rows, space, sidecar));
  return fits ? { sidecar, path, ...(await readSeqs(seqsPath, sidecar)) } : undefined;
}

async function readSeqs(path: string, sidecar: Sidecar): Promise<SegmentSeqs> {
  const bytes = await readFile(path);
  if (sha256Hex(bytes) !== sidecar.seqsSha256) throw new Error(`${path} does not fit its sidecar`);
  return parseSeqs(bytes, sidecar.rows);
}

async function hashEdges(rows: RowFiles, shape: RowShape, range: RowRange): Promise<string> {
  const edges = [range.first, range.first + range.rows - 1];
  return sha256Hex(Buffer.concat(await Promise.all(edges.map((position) => readRow(rows, shape, position)))));
}

async function readRow(rows: RowFiles, shape: RowShape, position: number): Promise<Buffer> {
  const file = rows.files.find(({ first, rows: length }) => position >= first && position < first + length);
  if (!file) throw new Error(`there is no row ${position}`);
  const bytes = Buffer.alloc(rowBytes(shape));
  const fd = openRows(rows, file.name);
  try {
    await readInto(fd, bytes, (position - file.first) * bytes.length);
  } finally {
    closeSync(fd);
  }
  return bytes;
}

/** A crash between a merge and the deletion of its parts leaves both: the larger is the merge. */
function withoutOverlap(found: SegmentFile[]): SegmentFile[] {
  const kept: SegmentFile[] = [];
  for (const segment of [...found].sort((a, b) => b.sidecar.rows - a.sidecar.rows)) {
    const { first, rows } = segment.sidecar;
    const apart = ({ sidecar }: SegmentFile) => first + rows <= sidecar.first || sidecar.first + sidecar.rows <= first;
    if (kept.every(apart)) kept.push(segment);
  }
  return kept.sort((a, b) => a.sidecar.first - b.sidecar.first);
}

async function sweep(dir: string, kept: readonly SegmentFile[]): Promise<void> {
  const keep = new Set(kept.flatMap(({ sidecar }) => Object.values(segmentPaths(dir, sidecar))));
  for (const name of await readdir(dir)) if (!keep.has(join(dir, name))) await rm(join(dir, name), { force: true });
}
