// An increment may add; it may not touch what was verified before. The walk hashes only new entries, so a stream from a
// stolen transport key could rewrite old bytes under a valid checkpoint. This machine's kernel lists what differs from
// the base; every listed range of an old file must still hold the old bytes, and nothing old may go or change its name.
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Subvolume, TreeLayout } from "../store/layout.js";
import { SUBVOLUMES } from "../store/layout.js";
import { type Change, listChanges } from "../store/list-changes.js";
import { VerifyError } from "./verify-error.js";

/** Replaced by every seal, and checked by the walk. */
const REPLACED = new Set(["timing/checkpoint", "vector/generation"]);
/** Names that `send` gives to files on their way to their own. */
const ON_ITS_WAY = /^o\d+-\d+-\d+$/;
const HARMLESS = new Set(["snapshot", "utimes", "chown", "chmod", "mkfile", "mkdir"]);

/** @throws VerifyError `tampered`, naming file and byte */
export async function checkOnlyAppended(base: TreeLayout, arrived: TreeLayout): Promise<void> {
  await Promise.all(SUBVOLUMES.map((name) => checkSubvolume(name, base.subvolume(name), arrived.subvolume(name))));
}

async function checkSubvolume(name: Subvolume, base: string, arrived: string): Promise<void> {
  for await (const change of listChanges(base, arrived)) {
    const file = `${name}/${change.path}`;
    if (HARMLESS.has(change.operation) || REPLACED.has(file) || ON_ITS_WAY.test(change.path)) {
      // A file on its way lands by a rename; the only old names it may land on are those that every seal replaces.
      await checkLanding(name, base, change);
      continue;
    }
    const oldBytes = (await stat(join(base, change.path)).catch(() => undefined))?.size;
    if (oldBytes === undefined && change.operation === "update_extent") continue;
    const range = touchedRange(change, oldBytes ?? 0);
    if (!range)
      throw new VerifyError("tampered", { file }, `the increment did a ${change.operation} to what was there before`);
    await compareRange({ file, base: join(base, change.path), arrived: join(arrived, change.path) }, range);
  }
}

async function checkLanding(name: Subvolume, base: string, { operation, values }: Change): Promise<void> {
  const landing = values.dest;
  if (operation !== "rename" || landing === undefined) return;
  const file = `${name}/${landing}`;
  if (REPLACED.has(file) || ON_ITS_WAY.test(landing)) return;
  if (await stat(join(base, landing)).catch(() => undefined)) {
    throw new VerifyError("tampered", { file }, "the increment put another file in the place of an old one");
  }
}

/** Old bytes that a change may have touched, or `undefined` for a change that no append makes. */
function touchedRange({ operation, values }: Change, oldBytes: number): { from: number; to: number } | undefined {
  const from = Number(values.offset);
  const to = Math.min(oldBytes, from + Number(values.len));
  if (operation === "update_extent" && Number.isSafeInteger(from) && Number.isSafeInteger(to)) return { from, to };
  if (operation === "truncate" && Number(values.size) >= oldBytes) return { from: oldBytes, to: oldBytes };
  return undefined;
}

const COMPARE_BYTES = 1024 * 1024;

async function compareRange(
  paths: { file: string; base: string; arrived: string },
  range: { from: number; to: number },
) {
  const [base, arrived] = await Promise.all([open(paths.base, "r"), open(paths.arrived, "r")]);
  try {
    for (let at = range.from; at < range.to; at += COMPARE_BYTES) {
      const length = Math.min(COMPARE_BYTES, range.to - at);
      const [before, after] = await Promise.all([readAt(base, at, length), readAt(arrived, at, length)]);
      if (before.equals(after)) continue;
      const offset =
        at +
        Math.max(
          0,
          before.findIndex((byte, i) => byte !== after[i]),
        );
      throw new VerifyError("tampered", { file: paths.file, offset }, "the increment rewrote what was verified before");
    }
  } finally {
    await Promise.all([base.close(), arrived.close()]);
  }
}

async function readAt(file: Awaited<ReturnType<typeof open>>, offset: number, lengthBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(lengthBytes);
  const { bytesRead } = await file.read(bytes, 0, lengthBytes, offset);
  return bytes.subarray(0, bytesRead);
}
