// Archives as the roles take them: what `npm run release` makes of this tree, the same under other version numbers, and this
// machine's Node.js.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { makeRelease } from "../release/make-release.js";

export interface Archive {
  path: string;
  sha256: string;
}

export interface Release {
  version: string;
  program: Archive;
  /** What models run on. */
  runtime: Archive;
}

const PROJECT = fileURLToPath(new URL("../../..", import.meta.url));

const CACHE = join(PROJECT, "release/.cache");
const IN_CI = process.env.CI === "true";

/**
 * The tree as it lies here. Packages are compiled if none are kept: some minutes, once. In CI they are compiled in any case, and
 * must come out as they were kept by others: by the release's own tests, and by whatever compiled them for this checkout.
 */
export async function buildRelease(folder: string, say: (line: string) => void): Promise<Release> {
  const before = await compiledModules();
  const [program, runtime] = await makeRelease({
    ...{ project: PROJECT, tools: PROJECT, out: folder, cache: CACHE },
    ...{ dirty: true, fresh: IN_CI, runtime: true, signal: new AbortController().signal, say },
  });
  const after = await compiledModules();
  for (const [name, files] of before) assert.deepEqual(after.get(name) ?? files, files, name);
  if (!program || !runtime) throw new Error("the release is not two archives");
  const { version } = JSON.parse(await readInside(program.file, "release.json")) as { version: string };
  return {
    version,
    program: { path: program.file, sha256: program.sha256 },
    runtime: { path: runtime.file, sha256: runtime.sha256 },
  };
}

/** The same program under another version number. `change` may do to it what a faulty version would have. */
export async function renameRelease(
  { program, runtime }: Release,
  version: string,
  change?: (top: string) => Promise<void>,
): Promise<Release> {
  const folder = `${program.path}-${version}`;
  const top = join(folder, `isochron-${version}`);
  await mkdir(top, { recursive: true });
  await execa("tar", ["--extract", "--file", program.path, "--directory", top, "--strip-components=1"]);
  for (const name of ["package.json", "release.json"]) {
    const manifest = JSON.parse(await readFile(join(top, name), "utf8")) as object;
    await writeFile(join(top, name), JSON.stringify({ ...manifest, version }));
  }
  await change?.(top);
  const packed = await pack(folder, `isochron-${version}`);
  await rm(top, { recursive: true });
  return { version, program: packed, runtime };
}

/** The next version but `steps - 1` by its last number. */
export function laterVersion(version: string, steps: number): string {
  const [major, minor, patch] = version.split(/[.+-]/);
  return `${major}.${minor}.${Number(patch) + steps}`;
}

/** `bin/node` in a top folder, as the archives of nodejs.org have it. */
export async function packNode(folder: string): Promise<Archive> {
  const top = join(folder, "node");
  await mkdir(join(top, "bin"), { recursive: true });
  await cp(await realpath(process.execPath), join(top, "bin/node"));
  const archive = await pack(folder, "node");
  await rm(top, { recursive: true });
  return archive;
}

/** By the name of what they were made of; the names of the files are their hashes. */
async function compiledModules(): Promise<Map<string, string[]>> {
  const kept = await readdir(CACHE).catch(() => []);
  const names = kept.filter((name) => name.startsWith("native-"));
  return new Map(await Promise.all(names.map(async (name) => [name, await readdir(join(CACHE, name))] as const)));
}

async function readInside(archive: string, name: string): Promise<string> {
  const found = ["--extract", "--to-stdout", "--wildcards", "--no-wildcards-match-slash", `*/${name}`];
  return (await execa("tar", ["--file", archive, ...found])).stdout;
}

async function pack(folder: string, name: string): Promise<Archive> {
  const path = join(folder, `${name}.tar.gz`);
  await execa("tar", ["--create", "--use-compress-program=gzip -1", "--file", path, "--directory", folder, name]);
  const sha256 = createHash("sha256");
  return { path, sha256: sha256.update(await readFile(path)).digest("hex") };
}
