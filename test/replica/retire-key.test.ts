// What must be seen to before a key is trusted no longer.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { retireTrustedKey } from "../../replica/retire-key.js";
import { generateSigner, KEY_TYPE } from "../../shared/format/signed-note.js";
import { RootLayout } from "../../shared/store/layout.js";
import { addTrustedKey, readRetiredKeys } from "../../shared/store/vkey-lists.js";
import { withFolder } from "../support/with-folder.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d03";

test("a store whose origin cannot be read may stand on the key: it is not retired, and the file is named", () =>
  withFolder(async (root) => {
    const { vkey } = generateSigner("host1.test/isochron", KEY_TYPE.ed25519);
    const store = new RootLayout(root).store(UUID);
    await addTrustedKey(root, vkey);
    await mkdir(store.dir, { recursive: true });
    await writeFile(store.storeFile, "{");
    await assert.rejects(retireTrustedKey(root, [], vkey), { code: "unreadable", message: /store\.json is not JSON/ });
    assert.deepEqual(await readRetiredKeys(root), []);
  }));

test("a store whose first generation is still coming in stands on no key", () =>
  withFolder(async (root) => {
    const { vkey } = generateSigner("host1.test/isochron", KEY_TYPE.ed25519);
    await addTrustedKey(root, vkey);
    await mkdir(new RootLayout(root).store(UUID).dir, { recursive: true });
    assert.deepEqual(await retireTrustedKey(root, [], vkey), { vkey, changed: true });
  }));
