// The few send-stream commands that the replica makes itself, to close an unfinished subvolume and to go on from it
// later: an end, and a subvolume begun as a snapshot. Format: fs/btrfs/send.h of the Linux kernel.
import type { Subvolume } from "../../shared/store/layout.js";

const SNAPSHOT = 2;
const END = 21;
const ATTRIBUTE = { uuid: 1, ctransid: 2, path: 15, cloneUuid: 20, cloneCtransid: 21 } as const;
const HEADER_BYTES = 10;

export interface BegunAgain {
  name: Subvolume;
  /** Protocol of the stream that goes on with it. */
  version: number;
  /** What the sender calls it: `received_uuid` is to become that. */
  uuid: string;
  ctransid: string;
  /** UUID of the subvolume here that holds what has arrived of it. `btrfs receive` finds parents by that one too. */
  arrivedAs: string;
}

/** The start of a stream whose subvolume holds from the beginning what has arrived of it before. */
export function beginAgain({ name, version, uuid, ctransid, arrivedAs }: BegunAgain): Buffer {
  const snapshot = formatCommand(SNAPSHOT, [
    [ATTRIBUTE.path, Buffer.from(name)],
    [ATTRIBUTE.uuid, uuidBytes(uuid)],
    [ATTRIBUTE.ctransid, Buffer.from(ctransid, "hex")],
    [ATTRIBUTE.cloneUuid, uuidBytes(arrivedAs)],
    [ATTRIBUTE.cloneCtransid, Buffer.from(ctransid, "hex")],
  ]);
  const header = Buffer.from("btrfs-stream\0\0\0\0\0", "latin1");
  header.writeUInt32LE(version, header.length - 4);
  return Buffer.concat([header, snapshot]);
}

/** Has `btrfs receive` finish the present subvolume: made read-only, with its received UUID. */
export function endSubvolume(): Buffer {
  return formatCommand(END, []);
}

function formatCommand(code: number, attributes: readonly (readonly [type: number, value: Buffer])[]): Buffer {
  const parts = attributes.map(([type, value]) => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(type, 0);
    head.writeUInt16LE(value.length, 2);
    return Buffer.concat([head, value]);
  });
  const bytes = Buffer.concat([Buffer.alloc(HEADER_BYTES), ...parts]);
  bytes.writeUInt32LE(bytes.length - HEADER_BYTES, 0);
  bytes.writeUInt16LE(code, 4);
  bytes.writeUInt32LE(crc32c(bytes), 6);
  return bytes;
}

/** CRC-32C as btrfs uses it here: from 0, not inverted at the end, its own field being 0. */
function crc32c(bytes: Buffer): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return crc >>> 0;
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll("-", ""), "hex");
}
