// However a run of tests or benches ends, no process and no mount of it stays.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { eventually } from "../support/eventually.js";
import { program, ROOT, requirePart } from "../support/require-part.js";
import { withFolder } from "../support/with-folder.js";

const RUN_APART = fileURLToPath(new URL("../../../test/machine/run-apart.sh", import.meta.url));
/** Mounts a volume, leaves a process that nobody waits for, says so, and ends as its first word says. */
const COMMAND = `set -e; PATH="$PATH:/usr/sbin:/sbin"; cd "$TMPDIR"
truncate -s 128M volume; mkfs.btrfs -q volume 2>&1; mkdir root; mount -o loop volume root
(setsid sleep 600 &); echo there; eval "$1"`;

const ENDS = [
  { how: "ends by itself", ending: "exit 7", signal: undefined, wanted: [7, undefined] },
  { how: "is told to end", ending: "sleep 600", signal: "SIGTERM", wanted: [143, undefined] },
  { how: "is interrupted", ending: "sleep 600", signal: "SIGINT", wanted: [130, undefined] },
  { how: "is killed", ending: "sleep 600", signal: "SIGKILL", wanted: [undefined, "SIGKILL"] },
] as const;

for (const { how, ending, signal, wanted } of ENDS) {
  test(`a run that ${how} leaves neither processes nor mounts`, async (t) => {
    if (!(await requirePart(t, ROOT)) || !(await requirePart(t, program("mkfs.btrfs", "btrfs-progs")))) return;
    await withFolder(async (folder) => {
      const words = [RUN_APART, "bash", "-c", COMMAND, "command", ending];
      const run = execa("bash", words, { env: { TMPDIR: folder }, reject: false, stdin: "ignore" });
      await once(run.stdout, "data");
      if (signal) {
        assert.notDeepEqual(await leftOf(folder), []);
        run.kill(signal);
      }
      const ended = await run;
      assert.deepEqual([ended.exitCode, ended.signal], wanted, ended.stderr);
      let left: string[] = [];
      await eventually(
        async () => {
          left = await leftOf(folder);
          return left.length === 0;
        },
        () => `these are left: ${left.join(", ")}`,
      );
      // Nobody is left to remove it after a SIGKILL.
      if (signal !== "SIGKILL") assert.deepEqual(await readdir(folder), []);
    });
  });
}

/** What still uses the folder: loop devices by their files, and processes whose temporary folder is within it. */
async function leftOf(folder: string): Promise<string[]> {
  const { stdout } = await execa("losetup", ["--list", "--noheadings", "--output", "BACK-FILE"]);
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const environments = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/environ`, "utf8").catch(() => "")));
  return [stdout, ...environments].flatMap((text) => text.split(/\n|\0/)).filter((text) => text.includes(folder));
}
