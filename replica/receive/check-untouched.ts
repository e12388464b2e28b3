// An increment may add; it may not touch what was verified before. The walk hashes only new entries, so a stream made
// with a stolen transport key could rewrite old bytes under a valid checkpoint. The inspected stream says which old
// files were written to and where; every such range must still hold the base's bytes.
import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { SUBVOLUMES, type Subvolume, type TreeLayout } from "../../shared/store/layout.js";
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
  const growing = await growingSegments(base);
  const checks = SUBVOLUMES.flatMap((name) => {
    const { made, touched } = inspected.get(name) as InspectedSubvolume;
    return [
      ...[...made].map((path) => checkNew(name, path, base.subvolume(name))),
      ...[...touched].map(([path, ranges]) => {
        if (isSegment(name, path) && !growing.has(path)) throw grown(`${name}/${path}`);
        const files = { base: join(base.subvolume(name), path), arrived: join(arrived.subvolume(name), path) };
        return checkRanges(`${name}/${path}`, files, ranges);
      }),
    ];
  });
  await allInOrder(checks);
}

/** Of each folder of lines the last segment, relative to `timing`. */
async function growingSegments(base: TreeLayout): Promise<Set<string>> {
  const [entries, payloads] = await Promise.all([base.entries, base.payloads].map((dir) => listSegments(dir, "jsonl")));
  return new Set([`entries/${entries?.at(-1)}`, `payloads/${payloads?.at(-1)}`]);
}

function isSegment(name: Subvolume, path: string): boolean {
  return name === "timing" && /^(?:entries|payloads)\//.test(path);
}

/** The walk begins in the last segment: what is put behind the lines of an earlier one, it would not see. */
function grown(file: string): VerifyError {
  return new VerifyError("tampered", { file }, "the increment wrote to a segment that another one follows");
}

/** Making a file where one is (`creat`), or renaming one onto it, replaces what was verified. */
async function checkNew(name: Subvolume, path: string, base: string): Promise<void> {
  if (await stat(join(base, path)).catch(() => undefined)) {
    throw new VerifyError("tampered", { file: `${name}/${path}` }, "the increment replaced what was there before");
  }
}

async function checkRanges(
  file: string,
  paths: { base: string; arrived: string },
  ranges: TouchedRange[],
): Promise<void> {
  const base = await open(paths.base, "r").catch(() => undefined);
  // A file that the stream wrote to, that it did not make and that the base lacks: the receive would have failed.
  if (!base) throw new VerifyError("tampered", { file }, "the increment wrote to a file that nobody made");
  try {
    const { size } = await base.stat();
    const arrived = await open(paths.arrived, "r");
    try {
      for (const { from, to } of ranges) await compareRange(file, base, arrived, from, Math.min(to, size));
    } finally {
      await arrived.close();
    }
  } finally {
    await base.close();
  }
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
