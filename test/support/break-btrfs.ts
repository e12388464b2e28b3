// A `btrfs` that fails when told to, put before the real one on a daemon's PATH: every other command, and every byte that
// a command reads or writes, is the real program's. Each fault names the step that it breaks.
import { existsSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { eventually } from "./eventually.js";

export interface BreakableBtrfs {
  /** For the daemon's environment. */
  path: string;
  /** From now on commands that begin with these words fail; with `after`, once the real one has done its work. */
  breakAt(words: string, options?: { after?: boolean }): Promise<void>;
  /** From now on commands that begin with these words wait until all is mended before they begin. */
  hold(words: string): Promise<void>;
  /** Resolves when one of them waits. */
  waits(): Promise<void>;
  mend(): Promise<void>;
}

export async function makeBreakableBtrfs(folder: string): Promise<BreakableBtrfs> {
  const bin = join(folder, "breakable");
  const [before, after, held] = [join(bin, "fail-before"), join(bin, "fail-after"), join(bin, "held")];
  const waits = join(bin, "waits");
  await mkdir(bin, { recursive: true });
  const { stdout: real } = await execa("bash", ["-c", "command -v btrfs"]);
  const script = `#!/bin/bash
if [[ -e ${before} && "$*" == "$(<${before})"* ]]; then echo "ERROR: broken by the test: $1 $2" >&2; exit 1; fi
if [[ -e ${after} && "$*" == "$(<${after})"* ]]; then ${real} "$@"; echo "ERROR: broken by the test: $1 $2" >&2; exit 1; fi
if [[ -e ${held} && "$*" == "$(<${held})"* ]]; then >${waits}; while [[ -e ${held} ]]; do sleep 0.05; done; fi
exec ${real} "$@"
`;
  await writeFile(join(bin, "btrfs"), script);
  await chmod(join(bin, "btrfs"), 0o755);
  return {
    path: `${bin}:${process.env.PATH}`,
    breakAt: (words, options = {}) => put(options.after ? after : before, words),
    hold: (words) => put(held, words),
    waits: () =>
      eventually(
        async () => existsSync(waits),
        () => "no command waits",
      ),
    async mend() {
      await Promise.all([before, after, held, waits].map((file) => rm(file, { force: true })));
    },
  };
}

/** Whole from the first moment: every command begins with no words at all. */
async function put(file: string, words: string): Promise<void> {
  await writeFile(`${file}.new`, words);
  await rename(`${file}.new`, file);
}
