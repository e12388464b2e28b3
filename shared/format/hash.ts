// SHA-256 as the ledger uses it: RFC 6962 domain separation for the tree, plain digests for payload lines.
// Every hash in the project is made here, over bytes as stored; nothing is re-serialised to be hashed.
import { hash } from "node:crypto";

export const HASH_BYTES = 32;

/** `previous_event_hash` of the first entry of a chain: 64 zeros. */
export const GENESIS_HASH = "0".repeat(64);

/** Where a line gets its prefix: longer ones than entries are (60 KiB) get room of their own. */
const leaf = Buffer.alloc(1 + 64 * 1024);

/** SHA-256 of `bytes`, 32 bytes. */
export function sha256(bytes: Uint8Array | string): Buffer {
  // A Buffer made by crypto is 32 bytes outside of the heap: making and freeing it costs more than the hash of a node.
  return Buffer.from(hash("sha256", bytes as Buffer, "binary"), "latin1");
}

/** SHA-256 of `bytes` as 64 lower-case hex digits. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return hash("sha256", bytes as Buffer, "hex");
}

/** RFC 6962 §2.1 leaf hash, SHA-256(0x00 ‖ line): the event hash. `line` is the stored entry line without its newline. */
export function leafHash(line: Uint8Array): Buffer {
  return sha256(prefixed(line));
}

/** `leafHash` as 64 lower-case hex digits. */
export function leafHashHex(line: Uint8Array): string {
  return sha256Hex(prefixed(line));
}

/** 0x00 ‖ line; valid until the next call. */
function prefixed(line: Uint8Array): Uint8Array {
  const room = line.length < leaf.length ? leaf : Buffer.alloc(1 + line.length);
  room.set(line, 1);
  return room.subarray(0, 1 + line.length);
}

/** `leafHash` of the UTF-8 bytes of a well-formed line, without a copy. */
export function leafHashOfText(line: string): Buffer {
  return hash("sha256", `\0${line}`, "buffer");
}

const node = Buffer.alloc(1 + 2 * HASH_BYTES);
node[0] = 0x01;

/** RFC 6962 §2.1 node hash, SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}
