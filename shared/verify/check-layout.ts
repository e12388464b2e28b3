// Nothing but a store's own files may be in a generation: plain files and folders under the names of the layout. What a
// stream smuggles in beside them (links, devices, odd names) is refused before anything is read.
import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { isSpaceName } from "../format/space.js";
import type { TreeLayout } from "../store/layout.js";
import { allInOrder } from "./all-in-order.js";
import { VerifyError } from "./verify-error.js";

const SEGMENT = /^\d{20}\.jsonl$/;

/** @throws VerifyError `incomplete` for a part that is missing, `tampered` for one that has no place here */
export async function checkLayout(tree: TreeLayout): Promise<void> {
  const timing = { entries: "folder", payloads: "folder", tree: "folder", checkpoint: "file?" } as const;
  const space = (name: string) =>
    checkFolder(tree.space(name), `vector/${name}`, { "space.json": "file" }, /^\d{20}\.vec$/);
  await allInOrder([
    checkFolder(tree.dir, "", { timing: "folder", vector: "folder" }),
    checkFolder(tree.timing, "timing", timing),
    checkFolder(tree.entries, "timing/entries", {}, SEGMENT),
    checkFolder(tree.payloads, "timing/payloads", {}, SEGMENT),
    checkFolder(tree.tree, "timing/tree", {}, /^\d{1,2}\.hashes$/),
    checkVectorFolder(tree).then((spaces) => allInOrder(spaces.map(space))),
  ]);
}

type Kind = "folder" | "file" | "file?";

async function checkFolder(dir: string, name: string, named: Record<string, Kind>, files?: RegExp): Promise<void> {
  const found = await listFolder(dir, name);
  for (const entry of found) {
    const expected = named[entry.name] ?? (files?.test(entry.name) ? "file" : undefined);
    const fits = expected === "folder" ? entry.isDirectory() : expected !== undefined && entry.isFile();
    if (!fits) throw outOfPlace(name, entry.name);
  }
  for (const [wanted, kind] of Object.entries(named)) {
    if (kind !== "file?" && !found.some((entry) => entry.name === wanted)) throw missing(name, wanted);
  }
}

async function checkVectorFolder(tree: TreeLayout): Promise<string[]> {
  const spaces: string[] = [];
  for (const entry of await listFolder(tree.vector, "vector")) {
    if (entry.name === "generation" && entry.isFile()) continue;
    if (!entry.isDirectory() || !isSpaceName(entry.name)) throw outOfPlace("vector", entry.name);
    spaces.push(entry.name);
  }
  return spaces;
}

async function listFolder(dir: string, name: string): Promise<Dirent[]> {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch (cause) {
    throw new VerifyError("incomplete", { file: name || "." }, "the folder is missing", { cause });
  }
}

function outOfPlace(folder: string, name: string): VerifyError {
  const file = folder === "" ? name : `${folder}/${name}`;
  return new VerifyError("tampered", { file }, "this has no place in a generation");
}

function missing(folder: string, name: string): VerifyError {
  const file = folder === "" ? name : `${folder}/${name}`;
  return new VerifyError("incomplete", { file }, "this part of the generation is missing");
}
