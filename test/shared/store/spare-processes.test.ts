import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createSubvolume, isSubvolume, showSubvolume, snapshotReadOnly } from "../../../shared/store/btrfs.js";
import { type BtrfsProcess, SpareProcesses, spawnSpare } from "../../../shared/store/spare-processes.js";
import { makeVolume } from "../../support/with-volume.js";

describe("spare processes", () => {
  let volume: Awaited<ReturnType<typeof makeVolume>>;
  before(async () => {
    volume = await makeVolume();
  });
  after(() => volume.remove());

  test("a spare becomes the command, with arguments that a shell would take apart", async () => {
    await withSpares(1, async (spares) => {
      const path = join(volume.root, "a b\n$(touch escaped) 'c' \"d\" *");
      const { exitCode, stderr } = await taken(spares, ["subvolume", "create", path]);
      assert.equal(exitCode, 0, stderr);
      assert.equal(await isSubvolume(path), true);
    });
  });

  test("a failure has the command's own exit code and message", async () => {
    await withSpares(1, async (spares) => {
      const { exitCode, stderr } = await taken(spares, ["subvolume", "show", join(volume.root, "missing")]);
      assert.equal(exitCode, 1);
      assert.match(stderr, /No such file/);
    });
  });

  test("when none is left, the command is started anew", async () => {
    await withSpares(0, async (spares) => {
      const [live, snap] = [join(volume.root, "live"), join(volume.root, "snap")];
      await createSubvolume(live, { spares });
      await snapshotReadOnly(live, snap, { spares });
      assert.equal((await showSubvolume(snap, { spares })).readOnly, true);
    });
  });

  test("a spare that was killed is passed over, and after the stop none is given and none is left", async () => {
    await withSpares(2, async (spares) => {
      const [killed, other] = await waiting(spares, 2);
      process.kill(killed as number, "SIGKILL");
      await gone(killed as number);
      const version = spares.take(["--version"]) as BtrfsProcess;
      assert.equal(version.pid, other);
      version.stdin.end();
      assert.equal((await version).exitCode, 0);
      const [again] = await waiting(spares, 1);
      await spares.stop();
      assert.equal(spares.take(["--version"]), undefined);
      await gone(again as number);
    });
  });

  test("a list of arguments that breaks off runs nothing", async () => {
    const made = join(volume.root, "half");
    const spare = spawnSpare();
    // What is left of a daemon that is killed in the middle of writing: arguments, and no mark at their end.
    spare.stdin.end(`subvolume\0create\0${made}\0`);
    assert.equal((await spare).exitCode, 125);
    assert.equal(await isSubvolume(made), false);
  });
});

async function withSpares(count: number, body: (spares: SpareProcesses) => Promise<void>): Promise<void> {
  const spares = new SpareProcesses({ spares: count, shells: 0 });
  spares.start();
  try {
    await body(spares);
  } finally {
    await spares.stop();
  }
}

/** What became of `btrfs ARGS` in a spare. */
async function taken(spares: SpareProcesses, args: string[]) {
  await waiting(spares, 1);
  const started = spares.take(args) as BtrfsProcess;
  started.stdin.end();
  return started;
}

async function waiting(spares: SpareProcesses, count: number): Promise<number[]> {
  while (spares.pids().length < count) await sleep(20);
  return spares.pids();
}

/** Waits until the process has ended and has been reaped. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await sleep(20);
  }
}
