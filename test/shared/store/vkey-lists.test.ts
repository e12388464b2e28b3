import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { generateSigner, KEY_TYPE } from "../../../shared/format/signed-note.js";
import { RootLayout } from "../../../shared/store/layout.js";
import { addTrustedKey, readRetiredKeys, readTrustedKeys, retireKey } from "../../../shared/store/vkey-lists.js";
import { withFolder } from "../../support/with-folder.js";

const ORIGIN = "host1.example.org/isochron";
const makeKeys = (count: number) => Array.from({ length: count }, () => generateSigner(ORIGIN, KEY_TYPE.ed25519));
const vkeys = (keys: readonly { vkey: string }[]) => keys.map(({ vkey }) => vkey);

test("a root trusts several keys of one origin, those of its configuration among them, each once", () =>
  withFolder(async (root) => {
    const [first, second, third] = makeKeys(3) as [Key, Key, Key];
    assert.deepEqual(await readTrustedKeys(root), []);
    for (const { vkey } of [first, second]) assert.equal(await addTrustedKey(root, vkey), true);
    assert.equal(await addTrustedKey(root, first.vkey), false);
    assert.deepEqual(vkeys(await readTrustedKeys(root, [second.vkey, third.vkey])), vkeys([first, second, third]));
  }));

test("a key that was retired is trusted no more, though the configuration names it, until it is added again", () =>
  withFolder(async (root) => {
    const [old, next] = makeKeys(2) as [Key, Key];
    for (const { vkey } of [old, next]) await addTrustedKey(root, vkey);
    assert.deepEqual([await retireKey(root, old), await retireKey(root, old)], [true, false]);
    assert.deepEqual(vkeys(await readTrustedKeys(root, [old.vkey])), [next.vkey]);
    assert.deepEqual(vkeys(await readRetiredKeys(root)), [old.vkey]);
    assert.equal(await addTrustedKey(root, old.vkey), true);
    assert.deepEqual(vkeys(await readTrustedKeys(root)), [next.vkey, old.vkey]);
    assert.deepEqual(await readRetiredKeys(root), []);
  }));

test("a retirement that was cut after its note holds, and the next one finishes it", () =>
  withFolder(async (root) => {
    const [old, next] = makeKeys(2) as [Key, Key];
    const { trustedKeys, retiredKeys } = new RootLayout(root);
    await writeFile(trustedKeys, `# by hand\n${old.vkey}\n\n${next.vkey}\n`);
    await writeFile(retiredKeys, `${old.vkey}\n`);
    assert.deepEqual(vkeys(await readTrustedKeys(root)), [next.vkey]);
    await retireKey(root, old);
    assert.equal(await readFile(trustedKeys, "utf8"), `${next.vkey}\n`);
  }));

test("a damaged line among the retired keys is named, and nothing is trusted meanwhile", () =>
  withFolder(async (root) => {
    const [key] = makeKeys(1) as [Key];
    await addTrustedKey(root, key.vkey);
    await writeFile(new RootLayout(root).retiredKeys, `${key.vkey.slice(0, -2)}\n`);
    await assert.rejects(readTrustedKeys(root), { code: "unreadable", message: /retired-keys, line 1/ });
  }));

type Key = ReturnType<typeof generateSigner>;
