import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parseVkey } from "../../../shared/format/signed-note.js";
import { isBtrfs } from "../../../shared/store/btrfs.js";
import { runCli } from "../../support/run-cli.js";
import { withFolder } from "../../support/with-folder.js";
import { unmount } from "../../support/with-volume.js";

test("init makes both sides' roots on volumes of their own, once, and they trust each other", async () => {
  await withRoots(async (primary, replica) => {
    const init = ["init", "--root", primary, "--loop", "300M", "--origin", "host1"];
    const made = await runCli("primary", [...init, "--json"]);
    assert.equal(made.exitCode, 0, made.stderr);
    const { vkey } = JSON.parse(made.stdout) as { vkey: string };
    assert.equal(parseVkey(vkey).name, "host1");
    assert.equal((await stat(join(primary, "keys", "signing-key.pem"))).mode & 0o777, 0o600);
    assert.equal((await stat(join(primary, "keys", "transport-key"))).mode & 0o777, 0o600);

    const again = await runCli("primary", init);
    assert.equal(again.exitCode, 1);
    assert.match(again.stderr, /is a primary already/);

    assert.equal((await runCli("primary", ["key", "--root", primary, "--only", "vkey"])).stdout, vkey);
    const line = (await runCli("primary", ["key", "--root", primary, "--only", "authorized"])).stdout;
    assert.match(line, /^restrict,command="isochron-replica receive" ssh-ed25519 AAAA/);

    const other = await runCli("replica", [
      "init",
      "--root",
      replica,
      "--loop",
      "300M",
      "--name",
      "r1",
      "--trust",
      vkey,
    ]);
    assert.equal(other.exitCode, 0, other.stderr);
    assert.match(other.stdout, /vkey +r1\+[0-9a-f]{8}\+/);
    assert.equal((await runCli("replica", ["trust", "--root", replica])).stdout, vkey);
    assert.equal((await stat(join(replica, "keys", "cosign-key.pem"))).mode & 0o777, 0o600);
    assert.match((await runCli("replica", ["init", "--root", replica])).stderr, /is a replica already/);
  });
});

test("init on a root that is not on btrfs names --loop", async () => {
  await withFolder(async (folder) => {
    if (await isBtrfs(folder)) return;
    const { stderr, exitCode } = await runCli("primary", ["init", "--root", folder, "--origin", "host1"]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /does not lie on btrfs/);
    assert.match(stderr, /--loop/);
  });
});

test("a loop size that no store fits in is refused before anything is made", async () => {
  await withFolder(async (folder) => {
    const root = join(folder, "root");
    for (const size of ["1M", "lots"]) {
      const { stderr, exitCode } = await runCli("primary", [
        "init",
        "--root",
        root,
        "--loop",
        size,
        "--origin",
        "host1",
      ]);
      assert.equal(exitCode, 1);
      assert.match(stderr, /at least 256M/);
    }
    await assert.rejects(stat(`${root}.btrfs`), { code: "ENOENT" });
  });
});

async function withRoots(body: (primary: string, replica: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const roots = [join(folder, "primary"), join(folder, "replica")] as const;
    try {
      await body(...roots);
    } finally {
      for (const root of roots) await unmount(root);
    }
  });
}
