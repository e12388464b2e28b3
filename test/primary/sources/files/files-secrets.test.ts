import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../../../support/until.js";
import type { TestLedger } from "../../../support/with-ledger.js";
import { textsPath, withFilesSource } from "./with-files-source.js";

/** Every byte that the source has left anywhere: ledger, known elements, kept texts. */
function everythingWritten(ledger: TestLedger): string {
  const roots = [ledger.store.dir, join(ledger.folder, "sources")];
  const files = roots.flatMap((root) =>
    readdirSync(root, { recursive: true, encoding: "utf8" }).map((name) => join(root, name)),
  );
  return files
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, "latin1"))
    .join("\n");
}

test("a secret file's changes are told by a fingerprint, never by its content or its plain hash", async () => {
  await withFilesSource(async ({ folder, ledger, heard }) => {
    const path = join(folder, "shadow");
    writeFileSync(path, "root:hunter2:1::::::\n");
    const created = await heard("shadow", "created");
    writeFileSync(path, "root:changed2:1::::::\n");
    const modified = await heard("shadow", "modified");
    writeFileSync(path, "root:hunter2:1::::::\n");
    const back = await heard("shadow", "modified", 2);
    for (const { state, change } of [created, modified, back]) {
      assert.equal(change.diff, undefined);
      assert.equal(change.diff_left_out, "secret");
      assert.equal(state.sha256, undefined);
      assert.match(String(state.fingerprint), /^[0-9a-f]{8}:[0-9a-f]{64}$/);
    }
    assert.notEqual(modified.state.fingerprint, created.state.fingerprint);
    assert.equal(back.state.fingerprint, created.state.fingerprint, "the old content is back, and that can be seen");
    await rm(path);
    await heard("shadow", "deleted");
    assert.doesNotMatch(everythingWritten(ledger), /hunter2|changed2/);
  });
});

test("a password line in a file that is shown is hidden in its diffs, and what only it changed says `secret`", async () => {
  await withFilesSource(async ({ folder, ledger, heard }) => {
    const path = join(folder, "app.ini");
    writeFileSync(path, "host = db\npassword=hunter2\nport = 1\n");
    const created = await heard("app.ini", "created");
    assert.match(String(created.change.diff), /\+host = db\n\+password=\[redacted\]\n\+port = 1\n/);
    assert.deepEqual([created.state.sha256, typeof created.state.fingerprint], [undefined, "string"]);
    writeFileSync(path, "host = db\npassword=changed2\nport = 1\n");
    const only = await heard("app.ini", "modified");
    assert.deepEqual(only.change, { diff_left_out: "secret" });
    writeFileSync(path, "host = db2\npassword = changed3\nport = 1\n");
    const both = await heard("app.ini", "modified", 2);
    assert.match(String(both.change.diff), /-host = db\n(?:.*\n)*\+host = db2\n/);
    writeFileSync(path, "host = db2\n");
    const gone = await heard("app.ini", "modified", 3);
    assert.match(String(gone.change.diff), / host = db2\n-password = \[redacted\]\n-port = 1\n$/);
    assert.equal(typeof gone.state.sha256, "string");
    assert.doesNotMatch(everythingWritten(ledger), /hunter2|changed\d/);
  });
});

test("a change in the middle of a private key does not show its lines as context", async () => {
  await withFilesSource(async ({ folder, ledger, heard }) => {
    const lines = Array.from({ length: 30 }, (_, index) => `MIIhunter2line${index}`);
    const pem = (changed: string) =>
      `# a bundle\n-----BEGIN PRIVATE KEY-----\n${[...lines.slice(0, 15), changed, ...lines.slice(15)].join("\n")}\n-----END PRIVATE KEY-----\n`;
    writeFileSync(join(folder, "bundle.txt"), pem("MIIone"));
    await heard("bundle.txt", "created");
    writeFileSync(join(folder, "bundle.txt"), pem("MIItwo"));
    assert.equal((await heard("bundle.txt", "modified")).change.diff_left_out, "secret");
    assert.doesNotMatch(everythingWritten(ledger), /MII/);
  });
});

test("what a file held before it became secret is wiped, and its next diff is left out", async () => {
  await withFilesSource(
    async (files) => {
      const { folder, ledger, restart, heard } = files;
      await restart(() => assert.match(everythingWritten(ledger), /known before/));
      await restart(() => undefined, { secret: ["plain.txt"] });
      await heard("plain.txt", "modified");
      writeFileSync(join(folder, "plain.txt"), "now-hidden2\n");
      const { change, state } = await heard("plain.txt", "modified", 2);
      assert.deepEqual([change, state.sha256], [{ diff_left_out: "secret" }, undefined]);
      await files.source.stop();
      assert.doesNotMatch(everythingWritten(ledger), /now-hidden|known before/);
    },
    { prepare: async (folder) => writeFileSync(join(folder, "plain.txt"), "known before\n") },
  );
});

test("a lost fingerprint key makes secret files observed anew, and not modified", async () => {
  await withFilesSource(
    async ({ ledger, restart, told }) => {
      const before = told().length;
      await restart(() => rm(join(ledger.folder, "files-key")));
      const rest = told()
        .slice(before)
        .filter(({ action }) => action !== "gap");
      assert.deepEqual(
        rest.map(({ path, action }) => [path, action]),
        [["shadow", "observed"]],
      );
    },
    { prepare: async (folder) => writeFileSync(join(folder, "shadow"), "root:x\n") },
  );
});

test("without the kept texts a change is told all the same, and says why it has no diff", async () => {
  await withFilesSource(
    async ({ folder, ledger, restart, told }) => {
      await restart(async () => {
        for (const suffix of ["", "-wal", "-shm"]) await rm(textsPath(ledger) + suffix, { force: true });
        writeFileSync(join(folder, "a"), "two\n");
        writeFileSync(join(folder, "b"), "b\0");
      });
      const left = told().filter(({ action }) => action === "modified");
      assert.deepEqual(left.map(({ path, change }) => [path, change.diff_left_out]).sort(), [
        ["a", "no earlier text"],
        ["b", "binary"],
      ]);
    },
    {
      prepare: async (folder) => {
        writeFileSync(join(folder, "a"), "one\n");
        writeFileSync(join(folder, "b"), "one\n");
      },
    },
  );
});

test("a key that others can read is refused, and the source comes back once it is mended", async () => {
  await withFilesSource(async (files) => {
    const key = join(files.ledger.folder, "files-key");
    assert.equal(statSync(key).mode & 0o777, 0o600);
    const before = files.source;
    const restarted = files.restart(() => chmod(key, 0o644));
    await until(() => files.source !== before && Number(files.source.state().failures) > 0);
    assert.match(String(files.source.state().problem), /holds a key and others can read it/);
    await chmod(key, 0o600);
    await restarted;
    writeFileSync(join(files.folder, "a"), "1");
    await files.heard("a", "created");
  });
});
