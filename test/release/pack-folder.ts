// A folder as a tarball with its digest beside it: sorted, everything of root's and of one time, so that the same files
// give the same bytes. The tarball gets its name when it is whole, the digest last.
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { hashFile } from "../../shared/models/hash-file.js";
import { runStep } from "./run-step.js";

export interface PackOptions {
  /** Where the top folder lies. */
  parent: string;
  /** The one folder that the tarball holds. */
  top: string;
  /** The time of every file. */
  seconds: number;
  /** Path of the tarball, `….tar.gz`. */
  file: string;
  signal: AbortSignal;
}

export interface Packed {
  file: string;
  sha256: string;
}

export async function packFolder({ parent, top, seconds, file, signal }: PackOptions): Promise<Packed> {
  const partial = `${file}.partial`;
  const options = { cwd: parent, signal, hint: "see that there is room for it" };
  await mkdir(dirname(file), { recursive: true });
  try {
    await runStep("tar", ["--create", `--file=${partial}.tar`, ...SAME_BYTES, `--mtime=@${seconds}`, top], options);
    await runStep("gzip", ["--no-name", "--force", `${partial}.tar`], options);
    await rename(`${partial}.tar.gz`, file);
  } finally {
    for (const left of [`${partial}.tar`, `${partial}.tar.gz`]) await rm(left, { force: true });
  }
  const sha256 = await hashFile(file);
  await writeFile(`${file}.sha256`, `${sha256}  ${basename(file)}\n`);
  return { file, sha256 };
}

const SAME_BYTES = [
  ...["--format=gnu", "--sort=name", "--hard-dereference"],
  ...["--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"],
];
