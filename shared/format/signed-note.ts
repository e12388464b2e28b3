// Signed notes (C2SP signed-note): a text, a blank line, one line per signature. Ed25519 for the primary (type 0x01),
// timestamped cosignature/v1 for replicas (C2SP tlog-cosignature, type 0x04). Keys travel as vkeys.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { FormatError } from "./format-error.js";
import { sha256 } from "./hash.js";

const ED25519 = 0x01;
const COSIGNATURE_V1 = 0x04;
export type KeyType = typeof ED25519 | typeof COSIGNATURE_V1;
export const KEY_TYPE = { ed25519: ED25519, cosignature: COSIGNATURE_V1 } as const;

export interface NoteVerifier {
  name: string;
  keyType: KeyType;
  /** First four bytes of SHA-256(name ‖ "\n" ‖ type ‖ public key), as 8 hex digits. */
  keyId: string;
  publicKey: KeyObject;
  /** `<name>+<key id>+<base64 of type ‖ public key>` */
  vkey: string;
}

export interface NoteSigner extends NoteVerifier {
  privateKey: KeyObject;
}

/** What a note says and which of its signatures were checked. */
export interface OpenedNote {
  text: string;
  /** Verified signatures by known keys; `timeSeconds` only for cosignatures. */
  signedBy: { name: string; keyId: string; timeSeconds?: number }[];
}

const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const SIGNATURE_LINE = /^— (\S+) ([A-Za-z0-9+/]+={0,2})$/;
const NAME = /^[^\s+]+$/u;

/** A new ed25519 key pair. @throws FormatError `bad-vkey` if `name` is empty or has white space or a plus sign in it */
export function generateSigner(name: string, keyType: KeyType): NoteSigner {
  return signerOf(name, keyType, generateKeyPairSync("ed25519").privateKey);
}

/** The private key as PKCS #8 PEM. */
export function exportPrivateKey(signer: NoteSigner): string {
  return signer.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

/** @throws FormatError `bad-vkey` if the PEM holds no ed25519 private key */
export function importSigner(name: string, keyType: KeyType, pem: string): NoteSigner {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new FormatError("bad-vkey", "the key file holds no PKCS #8 private key", { cause });
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw new FormatError("bad-vkey", `the key is ${key.asymmetricKeyType}, not ed25519`);
  }
  return signerOf(name, keyType, key);
}

function signerOf(name: string, keyType: KeyType, privateKey: KeyObject): NoteSigner {
  const publicKey = createPublicKey(privateKey);
  const raw = publicKey.export({ type: "spki", format: "der" }).subarray(SPKI_PREFIX.length);
  return { ...verifierOf(name, keyType, raw), privateKey };
}

function verifierOf(name: string, keyType: KeyType, raw: Buffer): NoteVerifier {
  if (!NAME.test(name)) {
    throw new FormatError("bad-vkey", `${JSON.stringify(name)} cannot name a key: no white space, no "+", not empty`);
  }
  const typed = Buffer.concat([Buffer.from([keyType]), raw]);
  const keyId = sha256(Buffer.concat([Buffer.from(`${name}\n`), typed])).toString("hex", 0, 4);
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" });
  return { name, keyType, keyId, publicKey, vkey: `${name}+${keyId}+${typed.toString("base64")}` };
}

/** Reads a vkey. @throws FormatError `bad-vkey`, also when the key id does not belong to the key */
export function parseVkey(vkey: string): NoteVerifier {
  const parts = vkey.trim().split("+");
  const [name = "", keyId = "", ...rest] = parts;
  const typed = Buffer.from(rest.join("+"), "base64");
  const keyType = typed[0];
  if (typed.length !== 33 || (keyType !== ED25519 && keyType !== COSIGNATURE_V1)) {
    throw new FormatError("bad-vkey", `${JSON.stringify(vkey.slice(0, 120))} is not a vkey: <name>+<id>+<base64 key>`);
  }
  const verifier = verifierOf(name, keyType, typed.subarray(1));
  if (verifier.keyId !== keyId) {
    throw new FormatError("bad-vkey", `the key id ${keyId} of ${name} should be ${verifier.keyId}: was the vkey cut?`);
  }
  return verifier;
}

/** `text` (ending in a newline) as a note with a signature of each signer, in their order. */
export function signNote(text: string, ...signers: readonly [NoteSigner, ...NoteSigner[]]): string {
  return `${text}\n${signers.map((signer) => signatureLine(text, signer)).join("")}`;
}

/** `note` with one more signature line. The note's own signatures are not looked at. */
export function addSignature(note: string, signer: NoteSigner, timeSeconds?: number): string {
  return note + signatureLine(splitNote(note).text, signer, timeSeconds);
}

function signatureLine(text: string, signer: NoteSigner, timeSeconds = Math.floor(Date.now() / 1000)): string {
  const parts = [Buffer.from(signer.keyId, "hex")];
  if (signer.keyType === COSIGNATURE_V1) {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(timeSeconds));
    parts.push(time);
  }
  parts.push(sign(null, signedBytes(text, signer.keyType, timeSeconds), signer.privateKey));
  return `— ${signer.name} ${Buffer.concat(parts).toString("base64")}\n`;
}

function signedBytes(text: string, keyType: KeyType, timeSeconds: number): Buffer {
  return Buffer.from(keyType === COSIGNATURE_V1 ? `cosignature/v1\ntime ${timeSeconds}\n${text}` : text);
}

/**
 * The note's text and those of its signatures that a key of `known` made. A signature of a known key that does not
 * verify makes the whole note bad; signatures of unknown keys are passed over (C2SP signed-note).
 *
 * @throws FormatError `bad-note`
 */
export function openNote(note: string, known: readonly NoteVerifier[]): OpenedNote {
  const { text, signatures } = splitNote(note);
  const signedBy: OpenedNote["signedBy"] = [];
  for (const line of signatures) {
    const match = SIGNATURE_LINE.exec(line);
    if (!match) throw new FormatError("bad-note", `${JSON.stringify(line.slice(0, 80))} is not a signature line`);
    const blob = Buffer.from(match[2] as string, "base64");
    const keyId = blob.toString("hex", 0, 4);
    const key = known.find((candidate) => candidate.name === match[1] && candidate.keyId === keyId);
    if (!key) continue;
    signedBy.push(checkSignature(text, blob, key));
  }
  return { text, signedBy };
}

/** Who says to have signed, as `<name>+<key id>`, at most `most` of them. Nothing is checked. */
export function claimedSigners(note: string, most = 4): string[] {
  const { signatures } = splitNote(note);
  const claims = signatures.slice(0, most).map((line) => SIGNATURE_LINE.exec(line));
  return claims.flatMap((match) => {
    if (!match) return [];
    const keyId = Buffer.from(match[2] as string, "base64").toString("hex", 0, 4);
    return [`${(match[1] as string).slice(0, 200)}+${keyId}`];
  });
}

/** A key in short: `<name>+<key id>`. */
export function shortKey({ name, keyId }: Pick<NoteVerifier, "name" | "keyId">): string {
  return `${name}+${keyId}`;
}

function checkSignature(text: string, blob: Buffer, key: NoteVerifier): OpenedNote["signedBy"][number] {
  const timed = key.keyType === COSIGNATURE_V1;
  const expectedBytes = 4 + (timed ? 8 : 0) + 64;
  const timeSeconds = timed && blob.length === expectedBytes ? Number(blob.readBigUInt64BE(4)) : 0;
  const good =
    blob.length === expectedBytes &&
    verify(null, signedBytes(text, key.keyType, timeSeconds), key.publicKey, blob.subarray(expectedBytes - 64));
  if (!good) throw new FormatError("bad-note", `the signature of ${key.name} (key ${key.keyId}) does not verify`);
  return { name: key.name, keyId: key.keyId, ...(timed ? { timeSeconds } : {}) };
}

function splitNote(note: string): { text: string; signatures: string[] } {
  const at = note.lastIndexOf("\n\n");
  if (at < 0 || !note.endsWith("\n")) throw new FormatError("bad-note", "the note has no signature block");
  const signatures = note.slice(at + 2, -1).split("\n");
  return { text: note.slice(0, at + 1), signatures };
}
