// One file followed look by look, on real files.
import assert from "node:assert/strict";
import { appendFile, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LogFollower } from "../../../../primary/sources/lines/follow-log.js";
import { withFolder } from "../../../support/with-folder.js";

/** Runs `body` with a follower of a file that holds `content`, and has been opened. */
async function opened(content: string, body: (follower: LogFollower, path: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, "log");
    await writeFile(path, content);
    const follower = new LogFollower(path);
    try {
      assert.deepEqual(await follower.next(), { kind: "new-file" });
      await body(follower, path);
    } finally {
      await follower.close();
    }
  });
}

async function textOf(follower: LogFollower): Promise<[text: string, offset: number]> {
  const news = await follower.next();
  assert.equal(news.kind, "bytes");
  return news.kind === "bytes" ? [news.bytes.toString(), news.offset] : ["", 0];
}

for (const [name, before] of [
  ["a last line without its newline", `${"x".repeat(600_000)}\nold\n`],
  ["the only line, which has no newline", ""],
] as const) {
  test(`skipping to the end leaves ${name} to be read whole`, () =>
    opened(`${before}half`, async (follower, path) => {
      await follower.skipToEnd();
      await appendFile(path, " a line\n");
      assert.deepEqual(await textOf(follower), ["half a line\n", before.length]);
      assert.deepEqual(await follower.next(), { kind: "none" });
    }));
}

test("a file that was skipped and then truncated is found out, also when it is as long again", () =>
  opened("one\ntwo\n", async (follower, path) => {
    await follower.skipToEnd();
    await truncate(path, 0);
    await appendFile(path, "something else\n");
    assert.deepEqual(await follower.next(), { kind: "truncated" });
    assert.deepEqual(await follower.next(), { kind: "new-file" });
    assert.deepEqual(await textOf(follower), ["something else\n", 0]);
  }));

test("files that took the path are read in their order when each was noticed in time", () =>
  opened("0\n", async (follower, path) => {
    for (const round of [1, 2, 3]) {
      await rename(path, `${path}.${round}`);
      await writeFile(path, `${round}\n`);
      await Promise.all([follower.notice(), follower.notice()]);
    }
    const kinds: string[] = [];
    let text = "";
    for (let news = await follower.next(); news.kind !== "none"; news = await follower.next()) {
      kinds.push(news.kind);
      if (news.kind === "bytes") text += news.bytes.toString();
    }
    assert.equal(text, "0\n1\n2\n3\n");
    assert.deepEqual(kinds, ["bytes", "new-file", "bytes", "new-file", "bytes", "new-file", "bytes"]);
  }));

test("the identity stays with a file through its renaming and is another one for the next file and after a truncation", () =>
  opened("head\nmore\n", async (follower, path) => {
    const identity = await follower.identity();
    assert.equal(identity.firstLine, "head");
    await rename(path, `${path}.1`);
    assert.deepEqual(await follower.identity(), identity);
    await writeFile(path, "head\n");
    await textOf(follower);
    assert.deepEqual(await follower.next(), { kind: "new-file" });
    const next = await follower.identity();
    assert.notDeepEqual(next, identity);
    await writeFile(path, "Head\n");
    assert.notDeepEqual(await follower.identity(), next);
  }));
