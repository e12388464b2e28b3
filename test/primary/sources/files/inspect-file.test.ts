import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { truncate, utimes } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { type InspectRules, inspectFile } from "../../../../primary/sources/files/inspect-file.js";
import { OpenFolder } from "../../../../primary/sources/files/open-folder.js";
import { OwnerNames } from "../../../../primary/sources/files/owner-names.js";
import { fromText } from "../../../../primary/sources/files/raw-path.js";
import { withFolder } from "../../../support/with-folder.js";

const sha256 = (text: string | Buffer) => createHash("sha256").update(text).digest("hex");

function rules(more: Partial<InspectRules> = {}): InspectRules {
  const fingerprint = (hash: Buffer) => `key:${hash.toString("hex").slice(0, 4)}`;
  const limits = { maxHashBytes: 1024 * 1024, maxDiffBytes: 1024 };
  return { ...limits, isSecret: () => false, redact: (text) => text, fingerprint, owners: new OwnerNames(), ...more };
}

async function withOpenFolder(body: (folder: OpenFolder, path: string) => Promise<void>): Promise<void> {
  await withFolder(async (path) => {
    const folder = (await OpenFolder.open(fromText(path))) as OpenFolder;
    try {
      await body(folder, path);
    } finally {
      await folder.close();
    }
  });
}

test("a file that changes while it is read is read again, so that hash and size are of one moment", async () => {
  await withOpenFolder(async (folder, path) => {
    writeFileSync(join(path, "a"), "before");
    let reads = 0;
    // Asked for between the reading and the second look at the file.
    const isSecret = () => {
      reads += 1;
      if (reads === 1) writeFileSync(join(path, "a"), "after it was read");
      return false;
    };
    const inspected = await inspectFile(folder, "a", rules({ isSecret }));
    assert.equal(reads, 2);
    assert.equal(inspected?.state.sha256, sha256("after it was read"));
    assert.equal(inspected?.stillChanging, false);
  });
});

test("a file that changes each time is told as it was read, says so, and is looked at again", async () => {
  await withOpenFolder(async (folder, path) => {
    let reads = 0;
    const isSecret = () => {
      reads += 1;
      writeFileSync(join(path, "a"), "x".repeat(reads));
      return false;
    };
    writeFileSync(join(path, "a"), "");
    const inspected = await inspectFile(folder, "a", rules({ isSecret }));
    assert.deepEqual([inspected?.stillChanging, inspected?.version], [true, ""]);
    assert.equal(inspected?.state.sha256, sha256("x".repeat(Number(inspected?.state.size_bytes))));
  });
});

test("a pipe that takes the place of a file is not opened, whenever it comes", async () => {
  await withOpenFolder(async (folder, path) => {
    writeFileSync(join(path, "a"), "file");
    await execa("mkfifo", [join(path, "pipe")]);
    const isSecret = () => {
      renameSync(join(path, "pipe"), join(path, "a"));
      return false;
    };
    // The file that was held is read to its end; the look after it finds the pipe, and would hang if it opened it.
    await inspectFile(folder, "a", rules({ isSecret }));
    assert.equal((await inspectFile(folder, "a", rules()))?.state.kind, "pipe");
    unlinkSync(join(path, "a"));
    assert.equal(await inspectFile(folder, "a", rules()), undefined);
  });
});

test("a folder that is swapped for a link after it was opened is still the folder that was opened", async () => {
  await withFolder(async (path) => {
    for (const name of ["real", "trap"]) mkdirSync(join(path, name));
    writeFileSync(join(path, "real/a"), "real");
    writeFileSync(join(path, "trap/a"), "secret of someone else");
    const folder = (await OpenFolder.open(fromText(join(path, "real")))) as OpenFolder;
    renameSync(join(path, "real"), join(path, "moved"));
    symlinkSync("trap", join(path, "real"));
    assert.equal((await inspectFile(folder, "a", rules()))?.state.sha256, sha256("real"));
    await folder.close();
    assert.equal(await OpenFolder.open(fromText(join(path, "real"))), undefined, "and a link is never opened");
    assert.equal(await OpenFolder.open(fromText(join(path, "real/deeper"))), undefined);
  });
});

test("a file that is too large to hash is told by size and time, and says so", async () => {
  await withOpenFolder(async (folder, path) => {
    writeFileSync(join(path, "a"), "");
    await truncate(join(path, "a"), 1024 * 1024 + 1);
    await utimes(join(path, "a"), 1, 1_700_000_000);
    const inspected = await inspectFile(folder, "a", rules());
    const { size_bytes, sha256: hash, hash_left_out, modified_at } = inspected?.state ?? {};
    assert.deepEqual([size_bytes, hash, hash_left_out], [1024 * 1024 + 1, undefined, "too large"]);
    assert.equal(modified_at, "2023-11-14T22:13:20.000Z");
    assert.deepEqual(inspected?.text, { leftOut: "too large" });
  });
});

test("binary content, text that is too large, secret content and hidden lines are told apart", async () => {
  await withOpenFolder(async (folder, path) => {
    const inspect = async (content: string | Buffer, more?: Partial<InspectRules>) => {
      writeFileSync(join(path, "a"), content);
      const inspected = await inspectFile(folder, "a", rules(more));
      const { sha256: hash, fingerprint } = inspected?.state ?? {};
      return [hash === sha256(content), fingerprint !== undefined, inspected?.text];
    };
    assert.deepEqual(await inspect("a\0b"), [true, false, { leftOut: "binary" }]);
    assert.deepEqual(await inspect(Buffer.from([0x61, 0xff])), [true, false, { leftOut: "binary" }]);
    assert.deepEqual(await inspect("x".repeat(1025)), [true, false, { leftOut: "too large" }]);
    assert.deepEqual(await inspect("text"), [true, false, { text: "text" }]);
    assert.deepEqual(await inspect("text", { isSecret: () => true }), [false, true, { leftOut: "secret" }]);
    const redact = (text: string) => text.replace("hunter2", "[redacted]");
    assert.deepEqual(await inspect("p=hunter2", { redact }), [false, true, { text: "p=[redacted]" }]);
    // Larger than any diff, and still looked through: its hash would let the password be guessed.
    const large = `p=hunter2${" ".repeat(5000)}`;
    assert.deepEqual(await inspect(large, { redact }), [false, true, { leftOut: "too large" }]);
  });
});
