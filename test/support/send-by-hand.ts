// Pushes whatever a test makes to a replica's agent, as the forced command would hand it over: for streams that no honest
// primary sends. Whoever can do this has the transport key; only the checks of the replica stand in the way.

import { randomUUID } from "node:crypto";
import { cp, mkdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { execa } from "execa";
import { PUSH_HEADERS, STREAM_TYPE } from "../../shared/protocol/protocol.js";
import { createSubvolume, deleteSubvolume, snapshotReadOnly } from "../../shared/store/btrfs.js";
import { SUBVOLUMES, TreeLayout } from "../../shared/store/layout.js";

/** A read-only pair of subvolumes on a volume, as a primary seals one, of what was built in plain folders. */
export async function asSubvolumes(volume: string, source: TreeLayout): Promise<TreeLayout> {
  const [open, closed] = ["open", "closed"].map((name) => new TreeLayout(join(volume, name))) as [
    TreeLayout,
    TreeLayout,
  ];
  for (const { dir } of [open, closed]) await mkdir(dir);
  for (const name of SUBVOLUMES) {
    await createSubvolume(open.subvolume(name));
    await cp(source.subvolume(name), open.subvolume(name), { recursive: true });
    await snapshotReadOnly(open.subvolume(name), closed.subvolume(name));
  }
  return closed;
}

export interface Refusal {
  status: number;
  code: string;
  detail: string;
}

export interface PushByHand {
  socketPath: string;
  store: string;
  generation: number;
  base?: number | string | undefined;
  /** The body, or what writes it and ends it. */
  body: Buffer | ((write: (chunk: Buffer) => Promise<void>) => Promise<void>);
  headers?: Record<string, string>;
}

/** Resolves with the answer; a success has code `accepted`. */
export function pushByHand(push: PushByHand): Promise<Refusal> {
  const { socketPath, store, generation, base, body, headers } = push;
  return new Promise((resolve, reject) => {
    let answered = false;
    const sent = request(
      {
        socketPath,
        method: "PUT",
        path: `/v1/stores/${store}/generations/${generation}`,
        headers: {
          "content-type": STREAM_TYPE,
          [PUSH_HEADERS.ledgerSize]: "1",
          ...(base === undefined ? {} : { [PUSH_HEADERS.base]: String(base) }),
          ...headers,
        },
      },
      (response) => {
        answered = true;
        let text = "";
        response.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on("end", () => {
          // The replica leaves the connection to us, with what it did not read.
          sent.destroy();
          const status = response.statusCode ?? 0;
          if (status === 200) resolve({ status, code: "accepted", detail: text });
          else resolve({ status, ...(JSON.parse(text) as { code: string; detail: string }) });
        });
      },
    );
    sent.on("error", (error) => {
      if (!answered) reject(error);
    });
    const write = (chunk: Buffer) =>
      new Promise<void>((done) => {
        if (sent.write(chunk)) done();
        else sent.once("drain", done);
      });
    if (Buffer.isBuffer(body)) sent.end(body);
    else void body(write).then(() => sent.end());
  });
}

/** A read-only pair made from `source` with `change` done to it. */
export async function forgePair(
  source: TreeLayout,
  change: (tree: TreeLayout) => Promise<unknown>,
): Promise<{ tree: TreeLayout; remove(): Promise<void> }> {
  const folder = join(source.dir, "..", "..", `forged-${randomUUID()}`);
  const [open, closed] = [new TreeLayout(join(folder, "open")), new TreeLayout(join(folder, "closed"))];
  for (const { dir } of [open, closed]) await mkdir(dir, { recursive: true });
  for (const name of SUBVOLUMES) {
    await execa("btrfs", ["subvolume", "snapshot", source.subvolume(name), open.subvolume(name)]);
  }
  await change(open);
  for (const name of SUBVOLUMES) await snapshotReadOnly(open.subvolume(name), closed.subvolume(name));
  return {
    tree: closed,
    async remove() {
      for (const tree of [open, closed]) for (const name of SUBVOLUMES) await deleteSubvolume(tree.subvolume(name));
      await execa("rm", ["-r", folder]);
    },
  };
}

/** The send stream of one subvolume. */
export async function sendStream(path: string, parent?: string): Promise<Buffer> {
  const args = ["send", "-q", ...(parent === undefined ? [] : ["-p", parent]), path];
  const { stdout } = await execa("btrfs", args, { encoding: "buffer", maxBuffer: 256 * 1024 * 1024 });
  return Buffer.from(stdout);
}

/** Both streams of a pair, back to back. */
export async function sendPair(tree: TreeLayout, base?: TreeLayout): Promise<Buffer> {
  const streams = SUBVOLUMES.map((name) => sendStream(tree.subvolume(name), base?.subvolume(name)));
  return Buffer.concat(await Promise.all(streams));
}

/** One command of a send stream (protocol 1): its code and its attributes in order. */
export interface SendCommand {
  code: number;
  attributes: { type: number; value: Buffer }[];
}

export const SEND = {
  subvol: 1,
  snapshot: 2,
  mkfile: 3,
  mkdir: 4,
  rename: 9,
  unlink: 11,
  setXattr: 13,
  write: 15,
  truncate: 17,
  end: 21,
  uuid: 1,
  ctransid: 2,
  inode: 3,
  size: 4,
  xattrName: 13,
  xattrData: 14,
  path: 15,
  pathTo: 16,
  offset: 18,
  data: 19,
  cloneUuid: 20,
} as const;

type CommandName =
  | "subvol"
  | "snapshot"
  | "mkfile"
  | "mkdir"
  | "rename"
  | "unlink"
  | "setXattr"
  | "write"
  | "truncate"
  | "end";

/** A command by the names of its attributes; numbers are 64 bits wide. */
export function sendCommand(
  code: CommandName,
  attributes: Partial<Record<keyof typeof SEND, string | number | Buffer>>,
): SendCommand {
  const parts = Object.entries(attributes).map(([name, value]) => ({
    type: SEND[name as keyof typeof SEND],
    value: typeof value === "number" ? uint64(value) : Buffer.from(value),
  }));
  return { code: SEND[code], attributes: parts };
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** A stream of one subvolume (protocol 1) from its commands. */
export function formatStream(commands: readonly SendCommand[]): Buffer {
  return Buffer.concat([Buffer.from("btrfs-stream\0\x01\0\0\0", "latin1"), ...commands.map(formatCommand)]);
}

/** A stream that does `commands` after all of its own. */
export function appendCommands(stream: Buffer, commands: readonly SendCommand[]): Buffer {
  return rewriteStream(stream, (command) => (command.code === SEND.end ? [...commands, command] : [command]));
}

/** A stream with its commands changed and their checksums made anew. */
export function rewriteStream(stream: Buffer, edit: (command: SendCommand) => SendCommand[]): Buffer {
  const headerBytes = 17;
  const parts = [stream.subarray(0, headerBytes)];
  for (let at = headerBytes; at < stream.length; ) {
    const lengthBytes = stream.readUInt32LE(at);
    const command: SendCommand = { code: stream.readUInt16LE(at + 4), attributes: [] };
    const end = at + 10 + lengthBytes;
    for (at += 10; at < end; ) {
      const length = stream.readUInt16LE(at + 2);
      command.attributes.push({ type: stream.readUInt16LE(at), value: stream.subarray(at + 4, at + 4 + length) });
      at += 4 + length;
    }
    for (const edited of edit(command)) parts.push(formatCommand(edited));
  }
  return Buffer.concat(parts);
}

/** The bytes of one command, with its checksum. */
export function formatCommand({ code, attributes }: SendCommand): Buffer {
  const body = attributes.map(({ type, value }) => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(type, 0);
    head.writeUInt16LE(value.length, 2);
    return Buffer.concat([head, value]);
  });
  const bytes = Buffer.concat([Buffer.alloc(10), ...body]);
  bytes.writeUInt32LE(bytes.length - 10, 0);
  bytes.writeUInt16LE(code, 4);
  bytes.writeUInt32LE(crc32c(bytes), 6);
  return bytes;
}

/** CRC-32C as btrfs uses it here: from 0, and not inverted at the end. */
function crc32c(bytes: Buffer): number {
  let crc = 0;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_OF_BYTE[(crc ^ byte) & 0xff] as number);
  return crc >>> 0;
}

const CRC_OF_BYTE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});
