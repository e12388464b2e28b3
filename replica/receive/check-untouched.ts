// An increment may add; it may not touch what was verified before. The walk hashes only new entries, so a stream made
// with a stolen transport key could rewrite old bytes under a valid checkpoint. The inspected stream says which old
// files were written to and where; every such range must still hold the base's bytes. Files are not replaced or taken
// away, only the last of its kind grows, and new ones stand behind it.
import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { SUBVOLUMES, type Subvolume, type TreeLayout } from "../../shared/store/layout.js";
import { listSpaces } from "../../shared/store/list-spaces.js";
import { listSegments } from "../../shared/store/read-lines.js";
import { allInOrder } from "../../shared/verify/all-in-order.js";
import { VerifyError } from "../../shared/verify/verify-error.js";
import type { InspectedSubvolume, TouchedRange } from "./inspect-stream.js";

const COMPARE_BYTES = 1024 * 1024;

/** @throws VerifyError `tampered`, naming file and byte */
export async function checkUntouched(
  base: TreeLayout,
  arrived: TreeLayout,
  inspected: ReadonlyMap<Subvolume, InspectedSubvolume>,
): Promise<void> {
  const growing = await checkSegments(base, arrived);
  const checks = SUBVOLUMES.flatMap((name) => {
    const { made, touched } = inspected.get(name) as InspectedSubvolume;
    return [
      ...[...made].map((path) => checkNew(name, path, base.subvolume(name))),
      ...[...touched].map(([path, ranges]) => {
        const file = `${name}/${path}`;
        const files = { base: join(base.subvolume(name), path), arrived: join(arrived.subvolume(name), path) };
        return checkRanges(file, files, ranges, growing.has(file) || file.startsWith("timing/tree/"));
      }),
    ];
  });
  await allInOrder(checks);
}

/** Old segments are all there, new ones stand behind them. Returns those that may grow: of each folder the last old one. */
async function checkSegments(base: TreeLayout, arrived: TreeLayout): Promise<Set<string | undefined>> {
  const spaces = await listSpaces(base);
  const folders = [
    checkFolder(base, arrived, "timing/entries", "jsonl"),
    checkFolder(base, arrived, "timing/payloads", "jsonl"),
    ...spaces.map((space) => checkFolder(base, arrived, `vector/${space}`, "vec")),
  ];
  return new Set(await allInOrder(folders));
}

async function checkFolder(
  base: TreeLayout,
  arrived: TreeLayout,
  folder: string,
  extension: "jsonl" | "vec",
): Promise<string | undefined> {
  const [before, now] = await Promise.all([
    listSegments(join(base.dir, folder), extension),
    listSegments(join(arrived.dir, folder), extension).catch((): string[] => []),
  ]);
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
async function checkNew(name: Subvolume, path: string, base: string): Promise<void> {
  if (await stat(join(base, path)).catch(() => undefined)) {
    throw new VerifyError("tampered", { file: `${name}/${path}` }, "the increment replaced what was there before");
  }
}

/** A file that a stream does not write to is what it was; one that it writes to grows only if it is the last of its kind. */
async function checkRanges(
  file: string,
  paths: { base: string; arrived: string },
  ranges: TouchedRange[],
  mayGrow: boolean,
): Promise<void> {
  const base = await open(paths.base, "r").catch(() => undefined);
  // A file that the stream wrote to, that it did not make and that the base lacks: the receive would have failed.
  if (!base) throw new VerifyError("tampered", { file }, "the increment wrote to a file that nobody made");
  try {
    const { size } = await base.stat();
    const arrived = await open(paths.arrived, "r");
    try {
      if (!mayGrow && (await arrived.stat()).size !== size) throw resized(file, size);
      for (const { from, to } of ranges) await compareRange(file, base, arrived, from, Math.min(to, size));
    } finally {
      await arrived.close();
    }
  } finally {
    await base.close();
  }
}

/** The walk begins in the last segment: what is put behind the lines of an earlier one, it would not see. */
function resized(file: string, offset: number): VerifyError {
  return new VerifyError("tampered", { file, offset }, "the increment changed the length of a file that is closed");
}

async function compareRange(
  file: string,
  base: FileHandle,
  arrived: FileHandle,
  from: number,
  to: number,
): Promise<void> {
  for (let at = from; at < to; at += COMPARE_BYTES) {
    const lengthBytes = Math.min(COMPARE_BYTES, to - at);
    const [before, after] = await Promise.all([readAt(base, at, lengthBytes), readAt(arrived, at, lengthBytes)]);
    if (before.equals(after)) continue;
    const offset =
      at +
      Math.max(
        0,
        before.findIndex((byte, i) => byte !== after[i]),
      );
    throw new VerifyError("tampered", { file, offset }, "the increment rewrote what was verified before");
  }
}

async function readAt(file: FileHandle, offset: number, lengthBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(lengthBytes);
  const { bytesRead } = await file.read(bytes, 0, lengthBytes, offset);
  return bytes.subarray(0, bytesRead);
}
