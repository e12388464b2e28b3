import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, describe, test } from "node:test";
import {
  btrfsVersions,
  createSubvolume,
  deleteSubvolume,
  freeSpace,
  isBtrfs,
  isSubvolume,
  requireSuccess,
  showSubvolume,
  snapshotReadOnly,
  spawnReceive,
  spawnSend,
  syncFilesystem,
} from "../../../shared/store/btrfs.js";
import { StoreError } from "../../../shared/store/store-error.js";
import { withFolder } from "../../support/with-folder.js";
import { makeVolume } from "../../support/with-volume.js";

describe("btrfs", () => {
  let volume: Awaited<ReturnType<typeof makeVolume>>;
  let root: string;
  before(async () => {
    volume = await makeVolume();
    root = volume.root;
    await createSubvolume(join(root, "live"));
    await writeFile(join(root, "live", "file"), "first");
  });
  after(() => volume.remove());

  test("a snapshot is read-only and names what it was taken of", async () => {
    await snapshotReadOnly(join(root, "live"), join(root, "snap"));
    const live = await showSubvolume(join(root, "live"));
    const snap = await showSubvolume(join(root, "snap"));
    assert.equal(snap.parentUuid, live.uuid);
    assert.deepEqual([live.readOnly, snap.readOnly], [false, true]);
    assert.equal(snap.receivedUuid, null);
    await assert.rejects(writeFile(join(root, "snap", "file"), "x"), { code: "EROFS" });
  });

  test("a subvolume is told from a folder, and btrfs from another filesystem", async () => {
    await mkdir(join(root, "folder"));
    assert.equal(await isSubvolume(join(root, "live")), true);
    assert.equal(await isSubvolume(join(root, "folder")), false);
    assert.equal(await isSubvolume(join(root, "nothing")), false);
    assert.equal(await isBtrfs(root), true);
    assert.equal(await isBtrfs("/proc"), false);
    const { freeBytes, totalBytes } = await freeSpace(root);
    assert.ok(freeBytes > 0 && freeBytes < totalBytes);
  });

  test("a snapshot onto a folder that is there is refused, not put inside it", async () => {
    await mkdir(join(root, "taken"));
    await assert.rejects(snapshotReadOnly(join(root, "live"), join(root, "taken")), storeError("exists"));
    assert.equal(await isSubvolume(join(root, "taken", "live")), false);
  });

  test("failures are told apart, with what btrfs said in the cause", async () => {
    await assert.rejects(createSubvolume(join(root, "live")), storeError("exists"));
    await assert.rejects(showSubvolume(join(root, "nothing")), storeError("missing"));
    await assert.rejects(deleteSubvolume(join(root, "nothing")), storeError("missing"));
    await assert.rejects(createSubvolume("/proc/x"), storeError("not-btrfs"));
    await assert.rejects(syncFilesystem("/proc"), (error: StoreError) => {
      const { stderr } = error.cause as { stderr: string };
      return error.code === "not-btrfs" && stderr.startsWith("ERROR:") && error.hint?.includes("--loop") === true;
    });
  });

  test("a subvolume that a send reads is busy, and can be deleted when the send has ended", async () => {
    await createSubvolume(join(root, "big"));
    await writeFile(join(root, "big", "file"), randomBytes(8 * 1024 * 1024));
    const snap = join(root, "big-snap");
    await snapshotReadOnly(join(root, "big"), snap);
    const send = spawnSend({ path: snap });
    // Nobody reads on, so the send stays in the kernel with the pipe full.
    await once(send.stdout, "readable");
    await assert.rejects(deleteSubvolume(snap), storeError("busy"));
    send.stdout.resume();
    requireSuccess(await send, snap);
    await deleteSubvolume(snap);
    assert.equal(await isSubvolume(snap), false);
  });

  test("an increment arrives with the sender's UUID as its received UUID", async () => {
    const target = join(root, "received");
    await mkdir(target);
    await snapshotReadOnly(join(root, "live"), join(root, "base"));
    await transfer(join(root, "base"), undefined, target);
    await writeFile(join(root, "live", "file"), "second");
    await snapshotReadOnly(join(root, "live"), join(root, "next"));
    await transfer(join(root, "next"), join(root, "base"), target);
    const arrived = await showSubvolume(join(target, "next"));
    assert.equal(arrived.receivedUuid, (await showSubvolume(join(root, "next"))).uuid);
    assert.equal(arrived.parentUuid, (await showSubvolume(join(target, "base"))).uuid);
    assert.equal(arrived.readOnly, true);
    assert.equal(await readFile(join(target, "next", "file"), "utf8"), "second");
  });

  test("a receive of rubbish fails and says so", async () => {
    const receive = spawnReceive(root);
    receive.stdin.write("rubbish");
    receive.finish();
    const result = await receive.ended;
    assert.throws(() => requireSuccess(result, root), storeError("command-failed"));
  });

  test("a command that is not wanted any more ends with the reason", async () => {
    const signal = AbortSignal.abort(new Error("stopping"));
    await assert.rejects(showSubvolume(root, { signal }), /stopping/);
  });

  test("both versions are known", async () => {
    const { kernel, progs } = await btrfsVersions();
    assert.match(kernel, /^\d+\.\d+/);
    assert.match(progs, /^\d+\.\d+/);
  });
});

test("btrfs outside btrfs is an error that names --loop", async () => {
  await withFolder(async (folder) => {
    if (await isBtrfs(folder)) return;
    await assert.rejects(createSubvolume(join(folder, "x")), (error: StoreError) => {
      return error.code === "not-btrfs" && error.hint?.includes("--loop") === true;
    });
  });
});

async function transfer(path: string, parent: string | undefined, target: string): Promise<void> {
  const send = spawnSend({ path, parent });
  const receive = spawnReceive(target);
  await pipeline(send.stdout, receive.stdin);
  requireSuccess(await send, path);
  requireSuccess(await receive.ended, target);
}

function storeError(code: StoreError["code"]) {
  return (error: unknown) => error instanceof StoreError && error.code === code;
}
