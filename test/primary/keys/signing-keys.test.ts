import assert from "node:assert/strict";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { SigningKeys } from "../../../primary/keys/signing-keys.js";
import { openNote, signNote } from "../../../shared/format/signed-note.js";
import { ensureSigner, makeKeysFolder } from "../../../shared/store/key-files.js";
import { RootLayout } from "../../../shared/store/layout.js";
import { retireKey } from "../../../shared/store/vkey-lists.js";
import { withFolder } from "../../support/with-folder.js";

const ORIGIN = "host1.example.org/isochron";

/** A root as `init` has always made it: one key. */
function withRoot(body: (root: string, layout: RootLayout) => Promise<void>): Promise<void> {
  return withFolder(async (root) => {
    const layout = new RootLayout(root);
    await makeKeysFolder(root);
    await ensureSigner(layout.signingKey, ORIGIN, 0x01);
    await body(root, layout);
  });
}

/** What a start finds on disk. */
async function found(root: string): Promise<{ signers: string[]; retired: string[] }> {
  const { signers, retired } = await SigningKeys.open(root, ORIGIN);
  return { signers: signers.map(({ vkey }) => vkey), retired: retired.map(({ vkey }) => vkey) };
}

test("a rotation goes from one key over both to the other, and each state is what a start finds", () =>
  withRoot(async (root, layout) => {
    const keys = await SigningKeys.open(root, ORIGIN);
    let told = 0;
    keys.onChange(() => {
      told += 1;
    });
    const old = keys.current.vkey;
    const before = await readFile(layout.signingKey, "utf8");
    assert.deepEqual(await found(root), { signers: [old], retired: [] });
    await keys.prepare();
    await keys.prepare();
    const next = keys.next?.vkey ?? "";
    assert.deepEqual(await found(root), { signers: [old, next], retired: [] });
    assert.equal((await stat(layout.nextSigningKey)).mode & 0o777, 0o600);
    await keys.commit();
    assert.deepEqual(
      [keys.current.vkey, keys.next, keys.everSigned.map(({ vkey }) => vkey)],
      [next, undefined, [old, next]],
    );
    assert.deepEqual(await found(root), { signers: [next], retired: [old] });
    assert.deepEqual(await readdir(layout.keys), ["signing-key.pem"]);
    assert.notEqual(await readFile(layout.signingKey, "utf8"), before);
    assert.equal(told, 2);
  }));

test("a note has the signature of the key in force first, then that of the next one", () =>
  withRoot(async (root) => {
    const keys = await SigningKeys.open(root, ORIGIN);
    await keys.prepare();
    const note = signNote(`${ORIGIN}\n1\nAAAA\n`, ...keys.signers);
    const ids = keys.signers.map(({ keyId }) => keyId);
    assert.deepEqual(
      openNote(note, keys.signers).signedBy.map(({ keyId }) => keyId),
      ids,
    );
    for (const signer of keys.signers) assert.equal(openNote(note, [signer]).signedBy.length, 1);
  }));

test("a key that was prepared and taken back leaves nothing, and the next one is another", () =>
  withRoot(async (root, layout) => {
    const keys = await SigningKeys.open(root, ORIGIN);
    const old = keys.current.vkey;
    await keys.prepare();
    const first = keys.next?.vkey;
    await keys.abort();
    assert.deepEqual(await found(root), { signers: [old], retired: [] });
    assert.deepEqual(await readdir(layout.keys), ["signing-key.pem"]);
    await keys.prepare();
    assert.notEqual(keys.next?.vkey, first);
  }));

test("a commit that was cut after the note of the old key is still a prepared one: it can be finished or taken back", async () => {
  for (const step of ["commit", "abort"] as const) {
    await withRoot(async (root) => {
      const cut = await SigningKeys.open(root, ORIGIN);
      await cut.prepare();
      const [old, next] = cut.signers.map(({ vkey }) => vkey);
      await retireKey(root, cut.current);
      assert.deepEqual(await found(root), { signers: [old, next], retired: [] });
      const keys = await SigningKeys.open(root, ORIGIN);
      await keys[step]();
      const after = step === "commit" ? { signers: [next], retired: [old] } : { signers: [old], retired: [] };
      assert.deepEqual(await found(root), after);
    });
  }
});

test("a prepare that was cut before its key was in place leaves the old one alone, and is made anew", () =>
  withRoot(async (root, layout) => {
    const keys = await SigningKeys.open(root, ORIGIN);
    await writeFile(`${layout.nextSigningKey}.new`, "half a k", { mode: 0o600 });
    assert.deepEqual(await found(root), { signers: [keys.current.vkey], retired: [] });
    await keys.prepare();
    assert.equal((await found(root)).signers.length, 2);
    assert.deepEqual((await readdir(layout.keys)).sort(), ["signing-key.next.pem", "signing-key.pem"]);
  }));

test("a next key that others can read, or that is damaged, keeps the store from opening, and is named", () =>
  withRoot(async (root, layout) => {
    await (await SigningKeys.open(root, ORIGIN)).prepare();
    await chmod(layout.nextSigningKey, 0o640);
    await assert.rejects(SigningKeys.open(root, ORIGIN), { code: "unreadable", message: /signing-key\.next\.pem/ });
    await chmod(layout.nextSigningKey, 0o600);
    await writeFile(layout.nextSigningKey, "rubbish");
    await assert.rejects(SigningKeys.open(root, ORIGIN), { code: "bad-vkey" });
  }));

test("nothing is committed or taken back where nothing was prepared", () =>
  withRoot(async (root) => {
    const keys = await SigningKeys.open(root, ORIGIN);
    for (const step of ["commit", "abort"] as const) await assert.rejects(keys[step](), { code: "missing" });
    assert.equal((await found(root)).signers.length, 1);
  }));
