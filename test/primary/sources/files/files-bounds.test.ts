import assert from "node:assert/strict";
import { closeSync, futimesSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { type Part, ROOT, requirePart } from "../../../support/require-part.js";
import { until } from "../../../support/until.js";
import { withFilesSource } from "./with-files-source.js";

test("50,000 touches of one file, and as many of another between them, are one event each", async () => {
  await withFilesSource(async ({ folder, source, heard, settle, told }) => {
    const files = ["a", "b"].map((name) => openSync(join(folder, name), "w"));
    for (let time = 1; time <= 50_000; time += 1) for (const file of files) futimesSync(file, time, time);
    for (const file of files) closeSync(file);
    await heard("a", "created");
    await heard("b", "created");
    await settle();
    assert.deepEqual(
      told()
        .slice(1)
        .map(({ path, action }) => `${action} ${path}`)
        .sort(),
      ["created a", "created b"],
    );
    assert.deepEqual(source.state().dropped, {});
  });
});

test("more new files at once than the kernel keeps notifications for are all told, once; so is what came after them", async () => {
  const queue = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
  // Two notifications for each file: it appears, and it is written to.
  const count = Math.ceil(queue / 2) + 500;
  assert.ok(count < 40_000, "the machine's queue is so long that this test would take minutes");
  await withFilesSource(
    async ({ folder, source, told, settle }) => {
      for (let number = 0; number < count; number += 1) writeFileSync(join(folder, "burst", `${number}`), "x");
      // The kernel's queue is full: of this one there is no notification.
      writeFileSync(join(folder, "quiet", "late"), "x");
      const created = () => told().filter(({ action }) => action === "created");
      await until(() => Number(source.state().written) > count, { minutes: 5 });
      await settle();
      assert.equal(new Set(created().map(({ path }) => path)).size, created().length, "once each");
      assert.ok(created().some(({ path }) => path === "quiet/late"));
      assert.deepEqual(source.state().dropped, {});
    },
    {
      prepare: async (folder) => {
        await mkdir(join(folder, "burst"));
        await mkdir(join(folder, "quiet"));
      },
    },
  );
});

test("files past the limit are a problem in status and a loss in the ledger, and none of them counts as deleted", async () => {
  await withFilesSource(
    async (files) => {
      const { folder, ledger, restart, told, heard } = files;
      assert.equal(files.source.state().problem, null);
      writeFileSync(join(folder, "a6"), "");
      await until(() => files.source.state().problem !== null);
      assert.match(String(files.source.state().problem), /^1 files are not watched.*max_files \(6\)/);
      await restart(() => undefined, { max_files: 3 });
      writeFileSync(join(folder, "a1"), "still seen?");
      await rm(join(folder, "a2"));
      await restart(() => undefined, { max_files: 3 });
      await restart(() => undefined, { max_files: 100 });
      await heard("a6", "observed");
      const losses = ledger.events("source:files").filter(({ action }) => action === "loss");
      const counts = losses.map(({ state }) => (state.lost as { too_many_files: number }).too_many_files);
      assert.equal(counts[0], 1);
      // The folder itself is one of the three; what happens to a file that is left out is lost as well.
      assert.ok(counts.slice(1).some((count) => count >= 4));
      assert.deepEqual(
        told().flatMap(({ path, action }) => (action === "deleted" ? [path] : [])),
        ["a2"],
      );
    },
    {
      options: { max_files: 6 },
      prepare: async (folder) => {
        for (const name of ["a1", "a2", "a3", "a4", "a5"]) writeFileSync(join(folder, name), "");
      },
    },
  );
});

test("folders that cannot be looked at keep what is known of them, and files that cannot be read are told without hash", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  const { stdout } = await execa(process.execPath, [script("watch-as-nobody.js")], { uid: 65_534, gid: 65_534 });
  const { told, problem, hidden } = JSON.parse(stdout);
  assert.deepEqual(told, []);
  assert.match(problem, /\/closed cannot be looked at: EACCES/);
  assert.deepEqual([hidden.hash_left_out, hidden.sha256], ["not readable", undefined]);
});

test("where inotify has no watches left, status says which limit to raise, and changes are found by looking", async (t) => {
  if (!(await requirePart(t, USER_NAMESPACES))) return;
  const { stdout } = await execa("unshare", [
    "--user",
    "--map-root-user",
    process.execPath,
    script("watch-with-few.js"),
  ]);
  const { told, problem, polled } = JSON.parse(stdout);
  assert.ok(polled > 0);
  assert.match(problem, /cannot be watched: ENOSPC; raise it with: sysctl fs\.inotify\.max_user_watches=/);
  assert.deepEqual(told, ["created deep/er/a", "modified deep/er/a", "deleted deep/er/a"]);
});

/** The limit on watches is each user namespace's own there, so the machine's stays as it is. */
const USER_NAMESPACES: Part = {
  name: "user namespaces with limits of their own",
  howToGet: "run as root on a kernel with CONFIG_USER_NS",
  isThere: async () => {
    const limit = ["unshare", "--user", "--map-root-user", "cat", "/proc/sys/user/max_inotify_watches"];
    const [inside, outside] = await Promise.all([
      execa(limit[0] as string, limit.slice(1), { reject: false }),
      execa("cat", ["/proc/sys/user/max_inotify_watches"], { reject: false }),
    ]);
    return inside.exitCode === 0 && inside.stdout !== outside.stdout;
  },
};

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
