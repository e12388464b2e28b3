import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { test } from "node:test";
import { formatCheckpoint, parseCheckpoint } from "../../../shared/format/checkpoint.js";
import {
  addSignature,
  exportPrivateKey,
  generateSigner,
  importSigner,
  KEY_TYPE,
  type KeyType,
  type NoteSigner,
  openNote,
  parseVkey,
  signNote,
} from "../../../shared/format/signed-note.js";
import { readVectors } from "../../support/read-vectors.js";

const vectors = readVectors<{
  primary: { name: string; seed: string; vkey: string };
  replica: { name: string; seed: string; vkey: string; time_seconds: number };
  stranger: { name: string; vkey: string };
  checkpoint: { origin: string; size: number; root: string; text: string };
  note: string;
  cosigned: string;
  with_stranger: string;
  go_example: { vkey: string; text: string; note: string };
}>("signed-note");
const { primary, replica, checkpoint } = vectors;
const known = [primary, replica].map(({ vkey }) => parseVkey(vkey));

test("a checkpoint's text is origin, size and root, and is read back", () => {
  const value = { origin: checkpoint.origin, size: checkpoint.size, root: Buffer.from(checkpoint.root, "hex") };
  assert.equal(formatCheckpoint(value), checkpoint.text);
  assert.deepEqual(parseCheckpoint(checkpoint.text), value);
  assert.deepEqual(parseCheckpoint(`${checkpoint.text}an extension\n`), value);
});

test("a checkpoint that could be read in two ways is refused", () => {
  const root = Buffer.alloc(32).toString("base64");
  const bad = [
    "",
    `\n1\n${root}\n`,
    `a\n01\n${root}\n`,
    `a\n-1\n${root}\n`,
    `a\n9007199254740992\n${root}\n`,
    "a\n1\nAAAA\n",
  ];
  for (const text of [...bad, `a\n1\n${root} \n`]) {
    assert.throws(() => parseCheckpoint(text), { code: "bad-checkpoint" }, JSON.stringify(text));
  }
});

test("signatures are the frozen ones, byte for byte", () => {
  const signer = signerOf(primary, KEY_TYPE.ed25519);
  const cosigner = signerOf(replica, KEY_TYPE.cosignature);
  assert.deepEqual([signer.vkey, cosigner.vkey], [primary.vkey, replica.vkey]);
  const note = signNote(checkpoint.text, signer);
  assert.equal(note, vectors.note);
  assert.equal(addSignature(note, cosigner, replica.time_seconds), vectors.cosigned);
});

test("a note opens with the keys that signed it", () => {
  const { text, signedBy } = openNote(vectors.cosigned, known);
  assert.equal(text, checkpoint.text);
  assert.deepEqual(
    signedBy.map(({ name, timeSeconds }) => [name, timeSeconds]),
    [
      [primary.name, undefined],
      [replica.name, replica.time_seconds],
    ],
  );
});

test("the example of Go's note package opens", () => {
  const { text, signedBy } = openNote(vectors.go_example.note, [parseVkey(vectors.go_example.vkey)]);
  assert.equal(text, vectors.go_example.text);
  assert.equal(signedBy.length, 1);
});

test("a signature by a stranger is kept and passed over", () => {
  const { signedBy } = openNote(vectors.with_stranger, known);
  assert.deepEqual(
    signedBy.map(({ name }) => name),
    [primary.name],
  );
  const cosigned = addSignature(vectors.with_stranger, signerOf(replica, KEY_TYPE.cosignature), replica.time_seconds);
  assert.ok(cosigned.startsWith(vectors.with_stranger));
  assert.equal(openNote(cosigned, [...known, parseVkey(vectors.stranger.vkey)]).signedBy.length, 3);
});

test("an altered text, signature or time makes the note bad", () => {
  const altered = [
    vectors.note.replace("\n8\n", "\n9\n"),
    alterBlob(vectors.note, 10),
    alterBlob(vectors.cosigned, 5),
    alterBlob(vectors.cosigned, 40),
  ];
  for (const note of altered) assert.throws(() => openNote(note, known), { code: "bad-note" });
});

test("a key of the same name but another id signs nothing", () => {
  const impostor = generateSigner(primary.name, KEY_TYPE.ed25519);
  assert.deepEqual(openNote(signNote(checkpoint.text, impostor), known).signedBy, []);
});

test("text that is no note is refused", () => {
  for (const note of ["", "text\n", "text\n\nnot a signature\n", vectors.note.slice(0, -1)]) {
    assert.throws(() => openNote(note, known), { code: "bad-note" }, JSON.stringify(note.slice(0, 40)));
  }
});

test("a vkey that was cut or changed is refused", () => {
  const bad = ["", "a", "a+b", primary.vkey.slice(0, -1), primary.vkey.replace("host1", "host2"), `x ${primary.vkey}`];
  for (const vkey of bad) assert.throws(() => parseVkey(vkey), { code: "bad-vkey" }, vkey);
});

test("a private key survives its file form", () => {
  const signer = generateSigner("a", KEY_TYPE.ed25519);
  assert.equal(importSigner("a", KEY_TYPE.ed25519, exportPrivateKey(signer)).vkey, signer.vkey);
  assert.throws(() => importSigner("a", KEY_TYPE.ed25519, "rubbish"), { code: "bad-vkey" });
});

const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

function signerOf({ name, seed }: { name: string; seed: string }, keyType: KeyType): NoteSigner {
  const der = Buffer.concat([PKCS8_PREFIX, Buffer.from(seed, "hex")]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return importSigner(name, keyType, key.export({ type: "pkcs8", format: "pem" }) as string);
}

/** `note` with one bit of byte `at` of its last signature changed. */
function alterBlob(note: string, at: number): string {
  const start = note.lastIndexOf(" ") + 1;
  const blob = Buffer.from(note.slice(start), "base64");
  blob[at] = (blob[at] as number) ^ 1;
  return `${note.slice(0, start)}${blob.toString("base64")}\n`;
}
