// An increment may add; it may not touch what was verified before. The walk hashes only new entries, so a stream made
// with a stolen transport key could rewrite old bytes under a valid checkpoint. The inspected stream says which old
// files were written to and where; every such range must still hold the base's bytes. Files are not replaced or taken
// away, only the last of its kind grows, and new ones stand behind it.
import { join } from "node:path";
import { SUBVOLUMES, type Subvolume, type TreeLayout } from "../../shared/store/layout.js";
import { readPart } from "../../shared/store/read-part.js";
import { allInOrder } from "../../shared/verify/all-in-order.js";
import type { GenerationFiles } from "../../shared/verify/check-layout.js";
import { VerifyError } from "../../shared/verify/verify-error.js";
import type { InspectedSubvolume, TouchedRange } from "./inspect-stream.js";

const COMPARE_BYTES = 1024 * 1024;

/** A generation, and what `checkLayout` found in it. */
export interface ListedGeneration {
  tree: TreeLayout;
  files: GenerationFiles;
}

/** @throws VerifyError `tampered`, naming file and byte */
export async function checkUntouched(
  base: ListedGeneration,
  arrived: ListedGeneration,
  inspected: ReadonlyMap<Subvolume, InspectedSubvolume>,
): Promise<void> {
  const growing = checkSegments(base.files, arrived.files);
  const said = (name: Subvolume) => inspected.get(name) as InspectedSubvolume;
  for (const name of SUBVOLUMES) {
    for (const path of said(name).made) checkNew(base.files, `${name}/${path}`);
  }
  const touched = SUBVOLUMES.flatMap((name) =>
    [...said(name).touched].map(([path, to]) => [`${name}/${path}`, to] as const),
  );
  await allInOrder(
    touched.map(([file, ranges]) => {
      const mayGrow = growing.has(file) || file.startsWith("timing/tree/");
      return checkRanges(file, { base, arrived }, ranges, mayGrow);
    }),
  );
}

/** Old segments are all there, new ones stand behind them. Returns those that may grow: of each folder the last old one. */
function checkSegments(base: GenerationFiles, arrived: GenerationFiles): Set<string | undefined> {
  const folders = ["timing/entries", "timing/payloads", ...base.spaces.map((space) => `vector/${space}`)];
  return new Set(folders.map((folder) => checkFolder(folder, segmentsIn(base, folder), segmentsIn(arrived, folder))));
}

function segmentsIn(files: GenerationFiles, folder: string): string[] {
  return files.names(folder).filter((name) => name !== "space.json");
}

function checkFolder(folder: string, before: readonly string[], now: readonly string[]): string | undefined {
  const stillThere = new Set(now);
  const gone = before.find((name) => !stillThere.has(name));
  if (gone) throw new VerifyError("tampered", { file: `${folder}/${gone}` }, "the increment took an old segment away");
  const between = now.find((name, i) => i < before.length && name !== before[i]);
  if (between) {
    throw new VerifyError("tampered", { file: `${folder}/${between}` }, "the increment put a segment between old ones");
  }
  const last = before.at(-1);
  return last && `${folder}/${last}`;
}

/** Making a file where one is (`creat`), or renaming one onto it, replaces what was verified. */
function checkNew(base: GenerationFiles, file: string): void {
  if (base.has(file)) throw new VerifyError("tampered", { file }, "the increment replaced what was there before");
}

/** A file that a stream does not write to is what it was; one that it writes to grows only if it is the last of its kind. */
async function checkRanges(
  file: string,
  { base, arrived }: { base: ListedGeneration; arrived: ListedGeneration },
  ranges: readonly TouchedRange[],
  mayGrow: boolean,
): Promise<void> {
  const sizeBytes = base.files.sizeOf(file);
  // A file that the stream wrote to, that it did not make and that the base lacks: the receive would have failed.
  if (sizeBytes === undefined)
    throw new VerifyError("tampered", { file }, "the increment wrote to a file that nobody made");
  if (!mayGrow && arrived.files.sizeOf(file) !== sizeBytes) throw resized(file, sizeBytes);
  const paths = { base: join(base.tree.dir, file), arrived: join(arrived.tree.dir, file) };
  for (const { from, to } of ranges) await compareRange(file, paths, from, Math.min(to, sizeBytes));
}

/** The walk begins in the last segment: what is put behind the lines of an earlier one, it would not see. */
function resized(file: string, offset: number): VerifyError {
  return new VerifyError("tampered", { file, offset }, "the increment changed the length of a file that is closed");
}

async function compareRange(
  file: string,
  paths: { base: string; arrived: string },
  from: number,
  to: number,
): Promise<void> {
  for (let at = from; at < to; at += COMPARE_BYTES) {
    const lengthBytes = Math.min(COMPARE_BYTES, to - at);
    const [before = NOTHING, after = NOTHING] = await Promise.all([
      readPart(paths.base, at, lengthBytes),
      readPart(paths.arrived, at, lengthBytes),
    ]);
    if (before.length === lengthBytes && before.equals(after)) continue;
    const differs = Math.max(
      0,
      before.findIndex((byte, i) => byte !== after[i]),
    );
    throw new VerifyError("tampered", { file, offset: at + differs }, "the increment rewrote what was verified before");
  }
}

const NOTHING = Buffer.alloc(0);
