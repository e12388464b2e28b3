// The first step of a release: the sources as git has them, in a folder of their own, so that nothing else that lies in
// the checkout gets in. A tree that differs from its commit is refused, because nobody could make that release again.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ReleaseError } from "./release-error.js";
import { runStep } from "./run-step.js";

export interface Sources {
  folder: string;
  /** All of its hexadecimal digits. */
  commit: string;
  /** When it was made, in seconds since 1970: the time of every file in the release. */
  commitSeconds: number;
  /** Of package.json; with `-dirty.` and the commit where the tree differs from it. */
  version: string;
}

export interface TakeOptions {
  /** The checkout. */
  project: string;
  /** An empty folder. */
  folder: string;
  /** Whether the tree may differ from its commit. */
  dirty: boolean;
  signal: AbortSignal;
}

/** @throws ReleaseError dirty-tree */
export async function takeSources({ project, folder, dirty, signal }: TakeOptions): Promise<Sources> {
  const git = (...args: string[]) =>
    runStep("git", args, { cwd: project, signal, hint: "run this in a git checkout of Isochron" });
  const [commit = "", seconds] = (await git("log", "-1", "--format=%H %ct")).split(" ");
  const changes = await git("status", "--porcelain");
  if (changes !== "" && !dirty) throw dirtyTree(changes);
  const archive = join(folder, "..", "sources.tar");
  if (changes === "") await git("archive", "--format=tar", `--output=${archive}`, commit);
  else await archiveAsItLies(git, project, archive, signal);
  await runStep("tar", ["-xf", archive], { cwd: folder, signal, hint: "see that the temp folder has room" });
  const { version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string };
  const suffix = changes === "" ? "" : `-dirty.${commit.slice(0, 9)}`;
  return { folder, commit, commitSeconds: Number(seconds), version: `${version}${suffix}` };
}

/** What git would add: files it knows that are still there, and new ones that it does not ignore. */
async function archiveAsItLies(
  git: (...args: string[]) => Promise<string>,
  project: string,
  archive: string,
  signal: AbortSignal,
): Promise<void> {
  const gone = new Set((await git("ls-files", "-z", "--deleted")).split("\0"));
  const all = await git("ls-files", "-z", "--cached", "--others", "--exclude-standard");
  const there = all.split("\0").filter((path) => path !== "" && !gone.has(path));
  await writeFile(`${archive}.list`, there.map((path) => `${path}\0`).join(""));
  const args = ["--null", `--files-from=${archive}.list`, "-cf", archive];
  await runStep("tar", args, { cwd: project, signal, hint: "see that the temp folder has room" });
}

function dirtyTree(changes: string): ReleaseError {
  const lines = changes.split("\n");
  const shown = lines.slice(0, 10).join("\n") + (lines.length > 10 ? `\n… and ${lines.length - 10} more` : "");
  return new ReleaseError("dirty-tree", `the tree is not what the commit says:\n${shown}`, {
    hint: "commit or stash this; or `npm run release -- --dirty`, whose version says so",
  });
}
