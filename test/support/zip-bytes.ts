// Zip archives by hand, because no packer writes hostile ones: any name, any mode, sizes and checksums that lie.
import { crc32, deflateRawSync } from "node:zlib";

export interface ZipEntry {
  name: string;
  content: string | Buffer;
  /** Unix mode with its file type; a regular file if left out. */
  mode?: number;
  /** What the archive says instead of the truth. */
  says?: { size?: number; crc?: number; encrypted?: boolean };
}

/** An archive of deflated entries (PKWARE APPNOTE 4.3). */
export function zipBytes(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const entry of entries) {
    const packed = deflateRawSync(Buffer.from(entry.content as string));
    const name = Buffer.from(entry.name);
    const fields = commonFields(entry, packed.length, name.length);
    const local = Buffer.concat([Buffer.from("504b0304", "hex"), fields, name, packed]);
    directory.push(Buffer.concat([directoryHeader(entry, fields, at), name]));
    locals.push(local);
    at += local.length;
  }
  const central = Buffer.concat(directory);
  return Buffer.concat([...locals, central, endRecord(entries.length, central.length, at)]);
}

/** The 26 bytes that a local header and the directory have in common, from `version needed` to `extra length`. */
function commonFields({ content, says }: ZipEntry, packedBytes: number, nameBytes: number): Buffer {
  const bytes = Buffer.from(content as string);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(says?.encrypted ? 1 : 0, 2);
  fields.writeUInt16LE(8, 4);
  fields.writeUInt32LE(says?.crc ?? crc32(bytes), 10);
  fields.writeUInt32LE(packedBytes, 14);
  fields.writeUInt32LE(says?.size ?? bytes.length, 18);
  fields.writeUInt16LE(nameBytes, 22);
  return fields;
}

const REGULAR = 0o100644;
const MADE_BY_UNIX = 3;

function directoryHeader({ mode = REGULAR }: ZipEntry, fields: Buffer, localAt: number): Buffer {
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE((mode << 16) >>> 0, 6);
  rest.writeUInt32LE(localAt, 10);
  return Buffer.concat([Buffer.from("504b0102", "hex"), Buffer.from([20, MADE_BY_UNIX]), fields, rest]);
}

function endRecord(entries: number, directoryBytes: number, directoryAt: number): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32BE(0x504b0506, 0);
  end.writeUInt16LE(entries, 8);
  end.writeUInt16LE(entries, 10);
  end.writeUInt32LE(directoryBytes, 12);
  end.writeUInt32LE(directoryAt, 16);
  return end;
}
