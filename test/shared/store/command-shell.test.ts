import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createSubvolume,
  isSubvolume,
  listReadOnly,
  showSubvolume,
  snapshotReadOnly,
} from "../../../shared/store/btrfs.js";
import { CommandShell, spawnShell } from "../../../shared/store/command-shell.js";
import { SpareProcesses } from "../../../shared/store/spare-processes.js";
import { StoreError } from "../../../shared/store/store-error.js";
import { makeVolume } from "../../support/with-volume.js";

describe("shells that run commands", () => {
  let volume: Awaited<ReturnType<typeof makeVolume>>;
  before(async () => {
    volume = await makeVolume();
  });
  after(() => volume.remove());

  test("one shell runs command after command, with arguments that a shell would take apart", async () => {
    await withShell(async (shell) => {
      const paths = ["a b\n$(touch escaped) 'c' \"d\" *", "isochron: end of", "ü"].map((name) =>
        join(volume.root, name),
      );
      for (const path of paths) {
        const { failed, stderr } = await shell.run(["subvolume", "create", path]);
        assert.equal(failed, false, stderr);
        assert.equal(await isSubvolume(path), true);
      }
    });
  });

  test("an answer has what its own command wrote on each stream, and its exit code", async () => {
    await withShell(async (shell) => {
      const missing = await shell.run(["subvolume", "show", join(volume.root, "missing")]);
      assert.equal(missing.exitCode, 1);
      assert.match(missing.stderr, /No such file/);
      const version = await shell.run(["--version"]);
      assert.deepEqual([version.exitCode, version.stderr], [0, ""]);
      assert.match(version.stdout, /^btrfs-progs v/);
    });
  });

  test("an answer longer than a pipe holds comes whole", async () => {
    const folder = join(volume.root, "many");
    await createSubvolume(folder);
    await createSubvolume(join(folder, "live"));
    const count = 250;
    await withSpares({ spares: 0, shells: 1 }, async (spares) => {
      await shellsOf(spares, 1);
      for (let i = 0; i < count; i += 1) {
        await snapshotReadOnly(join(folder, "live"), join(folder, `${i}-${"x".repeat(200)}`), { spares });
      }
      assert.equal((await listReadOnly(folder, { spares })).size, count);
    });
  });

  test("where all shells are busy or none is there, the command starts in a process of its own", async () => {
    for (const shells of [0, 1]) {
      await withSpares({ spares: 0, shells }, async (spares) => {
        await shellsOf(spares, shells);
        const made = [1, 2, 3].map((i) => join(volume.root, `beside-${shells}-${i}`));
        await Promise.all(made.map((path) => createSubvolume(path, { spares })));
        for (const path of made) assert.equal((await showSubvolume(path, { spares })).readOnly, false);
      });
    }
  });

  test("a shell that was killed fails its command in words, and the next command runs in another", async () => {
    await withSpares({ spares: 0, shells: 1 }, async (spares) => {
      const [first] = await shellsOf(spares, 1);
      // It stops reading, so that the kill comes in the middle of a command for sure.
      process.kill(first as number, "SIGSTOP");
      const shown = showSubvolume(volume.root, { spares });
      process.kill(first as number, "SIGKILL");
      await assert.rejects(
        shown,
        (error: StoreError) => error instanceof StoreError && error.code === "command-failed",
      );
      await showSubvolume(volume.root, { spares });
      const [second] = await shellsOf(spares, 1);
      assert.notEqual(second, first);
      await showSubvolume(volume.root, { spares });
      assert.deepEqual(spares.shellPids(), [second]);
    });
  });

  test("aborting ends the command under way, and its shell", async () => {
    await withSpares({ spares: 0, shells: 1 }, async (spares) => {
      const [pid] = await shellsOf(spares, 1);
      process.kill(pid as number, "SIGSTOP");
      const aborting = new AbortController();
      const shown = showSubvolume(volume.root, { spares, signal: aborting.signal });
      aborting.abort(new Error("not wanted any more"));
      await assert.rejects(shown, /not wanted any more/);
      assert.equal(spares.shellPids().includes(pid as number), false);
    });
  });

  test("what was aborted before it began runs nothing, and costs no shell", async () => {
    await withSpares({ spares: 0, shells: 1 }, async (spares) => {
      const shells = await shellsOf(spares, 1);
      const made = join(volume.root, "not-wanted");
      const signal = AbortSignal.abort(new Error("not wanted any more"));
      await assert.rejects(createSubvolume(made, { spares, signal }), /not wanted any more/);
      assert.deepEqual(spares.shellPids(), shells);
      assert.equal(await isSubvolume(made), false);
    });
  });

  test("a list of arguments that breaks off runs nothing, and the shell ends with its owner's pipe", async () => {
    const made = join(volume.root, "half");
    const shell = spawnShell();
    // What is left of a daemon that is killed in the middle of writing: arguments, and no mark at their end.
    shell.stdin.end(`subvolume\0create\0${made}\0`);
    await shell;
    assert.equal(await isSubvolume(made), false);
  });
});

async function withShell(body: (shell: CommandShell) => Promise<void>): Promise<void> {
  const shell = new CommandShell();
  try {
    await body(shell);
  } finally {
    await shell.stop();
  }
}

async function withSpares(
  options: { spares: number; shells: number },
  body: (spares: SpareProcesses) => Promise<void>,
): Promise<void> {
  const spares = new SpareProcesses(options);
  spares.start();
  try {
    await body(spares);
  } finally {
    await spares.stop();
  }
}

async function shellsOf(spares: SpareProcesses, count: number): Promise<number[]> {
  while (spares.shellPids().length < count) await sleep(20);
  return spares.shellPids();
}
