// A `btrfs` that fails when told to, put before the real one on a daemon's PATH: every other command, and every byte that
// a command reads or writes, is the real program's. Each fault names the step that it breaks.
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

export interface BreakableBtrfs {
  /** For the daemon's environment. */
  path: string;
  /** From now on commands that begin with these words fail; with `after`, once the real one has done its work. */
  breakAt(words: string, options?: { after?: boolean }): Promise<void>;
  /** From now on commands that begin with these words wait a few seconds before they begin. */
  slowDown(words: string): Promise<void>;
  mend(): Promise<void>;
}

export async function makeBreakableBtrfs(folder: string): Promise<BreakableBtrfs> {
  const bin = join(folder, "breakable");
  const [before, after, slow] = [join(bin, "fail-before"), join(bin, "fail-after"), join(bin, "slow")];
  await mkdir(bin, { recursive: true });
  const { stdout: real } = await execa("bash", ["-c", "command -v btrfs"]);
  const script = `#!/bin/bash
if [[ -e ${before} && "$*" == "$(<${before})"* ]]; then echo "ERROR: broken by the test: $1 $2" >&2; exit 1; fi
if [[ -e ${after} && "$*" == "$(<${after})"* ]]; then ${real} "$@"; echo "ERROR: broken by the test: $1 $2" >&2; exit 1; fi
if [[ -e ${slow} && "$*" == "$(<${slow})"* ]]; then sleep 3; fi
exec ${real} "$@"
`;
  await writeFile(join(bin, "btrfs"), script);
  await chmod(join(bin, "btrfs"), 0o755);
  return {
    path: `${bin}:${process.env.PATH}`,
    breakAt: (words, options = {}) => writeFile(options.after ? after : before, words),
    slowDown: (words) => writeFile(slow, words),
    async mend() {
      await Promise.all([before, after, slow].map((file) => rm(file, { force: true })));
    },
  };
}
