// With a file system that is frozen, which takes writes no sooner than a disk that has stopped to answer.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { waitsForKernel } from "../../shared/waits-for-kernel.js";
import { program, ROOT, requirePart } from "../support/require-part.js";
import { withVolume } from "../support/with-volume.js";

async function until(isSo: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + 60_000; !isSo(); await sleep(20)) {
    if (performance.now() > end) throw new Error(`it never was so: ${what}`);
  }
}

test("a grandchild that waits for a disk is seen, and no longer once the disk answers", async (t) => {
  if (!(await requirePart(t, ROOT)) || !(await requirePart(t, program("fsfreeze", "util-linux")))) return;
  await withVolume(async (root) => {
    const shell = spawn("sh", ["-c", `read line; touch '${join(root, "file")}'; exec sleep 60`], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    const pid = shell.pid as number;
    const ended = once(shell, "exit");
    try {
      // While it comes up, its own program may be read from a disk.
      await until(() => !waitsForKernel(pid), "it waits for its input");
      await execa("fsfreeze", ["--freeze", root]);
      try {
        shell.stdin?.end("go\n");
        await until(() => waitsForKernel(pid), "it waits for the disk");
      } finally {
        await execa("fsfreeze", ["--unfreeze", root]);
      }
      await until(() => !waitsForKernel(pid), "the disk has answered");
    } finally {
      shell.kill("SIGKILL");
      await ended;
    }
    assert.equal(waitsForKernel(pid), false, "it has ended");
  });
});
