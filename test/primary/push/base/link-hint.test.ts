import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type LinkHint, readLinkHint, writeLinkHint } from "../../../../primary/push/base/link-hint.js";
import { withFolder } from "../../../support/with-folder.js";

const hint = (name: string, generation: number): LinkHint => ({
  replica: randomUUID(),
  name,
  vkey: "replica+00000000+AAAA",
  generation,
  acked: "2026-11-20T10:00:00Z",
  note: "host1\n9\nAAAA\n\n",
});

test("a hint is read back by the replica's name, the newest where there are two", async () => {
  await withFolder(async (folder) => {
    const lost = { generation: 9, reason: "it has been out of date for 8 days", at: "2026-11-28T10:00:00.000Z" };
    const superseded = "2026-11-20T10:00:01.000Z";
    const [old, newer, other] = [hint("one", 3), { ...hint("one", 7), superseded }, { ...hint("two", 9), lost }];
    for (const each of [old, newer, other]) await writeLinkHint(join(folder, `${each.replica}.json`), each);
    assert.deepEqual(await readLinkHint(folder, "one"), newer);
    assert.deepEqual(await readLinkHint(folder, "two"), other);
    assert.equal(await readLinkHint(folder, "three"), undefined);
  });
});

test("a hint that cannot be read is no hint, and hides no other", async () => {
  await withFolder(async (folder) => {
    const good = hint("one", 3);
    await writeLinkHint(join(folder, `${good.replica}.json`), good);
    await writeFile(join(folder, "torn.json"), JSON.stringify(hint("one", 9)).slice(0, 40));
    await writeFile(join(folder, "empty.json"), "");
    await writeFile(join(folder, "odd.json"), JSON.stringify({ ...hint("one", 9), generation: "9" }));
    await writeFile(join(folder, `${randomUUID()}.json.new`), JSON.stringify(hint("one", 9)));
    assert.deepEqual(await readLinkHint(folder, "one"), good);
  });
});
