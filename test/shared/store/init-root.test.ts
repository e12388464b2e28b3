import assert from "node:assert/strict";
import { chmod, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { generateSigner, KEY_TYPE } from "../../../shared/format/signed-note.js";
import { isSubvolume } from "../../../shared/store/btrfs.js";
import { loadPrimaryIdentity, loadReplicaIdentity } from "../../../shared/store/identity.js";
import { initPrimary, initReplica } from "../../../shared/store/init-root.js";
import { readTransportKey } from "../../../shared/store/key-files.js";
import { RootLayout } from "../../../shared/store/layout.js";
import { readStoreFile } from "../../../shared/store/store-file.js";
import { addTrustedKey, readTrustedKeys } from "../../../shared/store/vkey-lists.js";
import { makeVolume } from "../../support/with-volume.js";

const ORIGIN = "host1.example.org/isochron";

describe("init", () => {
  let volume: Awaited<ReturnType<typeof makeVolume>>;
  before(async () => {
    volume = await makeVolume();
  });
  after(() => volume.remove());

  test("a primary's root holds an identity, a key, and a store with two live subvolumes", async () => {
    const root = join(volume.root, "primary");
    const made = await initPrimary({ root, origin: ORIGIN });
    const loaded = await loadPrimaryIdentity(root);
    assert.deepEqual([loaded.uuid, loaded.origin, loaded.signer.vkey], [made.uuid, ORIGIN, made.signer.vkey]);
    assert.ok(loaded.signer.vkey.startsWith(`${ORIGIN}+`));
    const store = new RootLayout(root).store(made.uuid);
    assert.equal((await readStoreFile(store.storeFile)).origin, ORIGIN);
    assert.equal(await isSubvolume(store.live.timing), true);
    assert.equal(await isSubvolume(store.live.vector), true);
    assert.match((await execa("lsattr", ["-d", store.index])).stdout, /^\S*C\S* /);
    assert.match((await readTransportKey(root)).publicKey, /^ssh-ed25519 AAAA/);
  });

  test("an init that was cut short before the identity goes on with the same store and key", async () => {
    const root = join(volume.root, "half");
    const first = await initPrimary({ root, origin: ORIGIN });
    const layout = new RootLayout(root);
    const { transportPublicKey } = layout;
    const sshKey = await readFile(transportPublicKey, "utf8");
    await rm(layout.identity("primary"));
    await rm(transportPublicKey);
    const second = await initPrimary({ root, origin: ORIGIN });
    assert.deepEqual([second.uuid, second.signer.vkey], [first.uuid, first.signer.vkey]);
    assert.equal(await readFile(transportPublicKey, "utf8"), sshKey);
  });

  test("a half-made store is not taken over by another origin", async () => {
    const root = join(volume.root, "other");
    await initPrimary({ root, origin: ORIGIN });
    await rm(new RootLayout(root).identity("primary"));
    await assert.rejects(initPrimary({ root, origin: "host2" }), { code: "exists" });
  });

  test("a second init is refused, also in the other role", async () => {
    const root = join(volume.root, "twice");
    await initReplica({ root, name: "r1", trust: [] });
    await assert.rejects(initReplica({ root, name: "r1", trust: [] }), { code: "exists" });
    await assert.rejects(initPrimary({ root, origin: ORIGIN }), { code: "exists" });
    assert.equal((await loadReplicaIdentity(root)).name, "r1");
  });

  test("a key file that others can read is refused", async () => {
    const root = join(volume.root, "wide");
    await initPrimary({ root, origin: ORIGIN });
    const { signingKey, keys } = new RootLayout(root);
    assert.equal((await stat(signingKey)).mode & 0o777, 0o600);
    assert.equal((await stat(keys)).mode & 0o777, 0o700);
    await chmod(signingKey, 0o640);
    await assert.rejects(loadPrimaryIdentity(root), /0640/);
  });

  test("names that could be taken for something else in a checkpoint are refused", async () => {
    for (const origin of ["", "a b", "a+b", "https://a", "a\nb", "-a"]) {
      await assert.rejects(initPrimary({ root: join(volume.root, "names"), origin }), { code: "invalid" }, origin);
    }
  });

  test("a replica trusts the keys it was given, and no replica's key", async () => {
    const root = join(volume.root, "trust");
    const [first, second] = ["a", "b"].map((name) => generateSigner(name, KEY_TYPE.ed25519).vkey) as [string, string];
    await initReplica({ root, name: "r1", trust: [first] });
    assert.deepEqual([await addTrustedKey(root, second), await addTrustedKey(root, first)], [true, false]);
    assert.deepEqual(await trusted(root), [first, second]);
    const cosigner = generateSigner("c", KEY_TYPE.cosignature).vkey;
    await assert.rejects(addTrustedKey(root, cosigner), { code: "invalid" });
    await assert.rejects(addTrustedKey(root, first.slice(0, -4)), { code: "bad-vkey" });
  });

  test("a damaged line among the trusted keys is named, not passed over", async () => {
    const root = join(volume.root, "damaged");
    await initReplica({ root, name: "r1", trust: [] });
    await writeFile(new RootLayout(root).trustedKeys, "# keys\n\nrubbish\n");
    await assert.rejects(readTrustedKeys(root), /line 3/);
  });

  test("a root that was never initialised says how to do it", async () => {
    await assert.rejects(loadPrimaryIdentity(join(volume.root, "none")), { code: "missing" });
  });
});

async function trusted(root: string): Promise<string[]> {
  return (await readTrustedKeys(root)).map((key) => key.vkey);
}
