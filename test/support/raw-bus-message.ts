// Messages to a bus byte by byte, for what no library would send: over a socket of its own, with its own greeting.
// https://dbus.freedesktop.org/doc/dbus-specification.html#message-protocol-messages
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface RawCall {
  destination: string;
  path: string;
  interface: string;
  member: string;
  signature: string;
  /** The marshalled arguments. */
  body: Buffer;
}

const HELLO: RawCall = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
  member: "Hello",
  signature: "",
  body: Buffer.alloc(0),
};

const FIELDS = { path: 1, interface: 2, member: 3, destination: 6, signature: 8 } as const;
const TYPES = { path: "o", interface: "s", member: "s", destination: "s", signature: "g" } as const;

/** Connects to a `unix:path=` address, says hello, sends the calls; the socket is the caller's to end. */
export async function sendRawCalls(address: string, calls: readonly RawCall[]): Promise<Socket> {
  const socket = connect(address.replace("unix:path=", ""));
  await once(socket, "connect");
  const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString("hex");
  socket.write(`\0AUTH EXTERNAL ${uid}\r\n`);
  await once(socket, "data");
  socket.write("BEGIN\r\n");
  [HELLO, ...calls].forEach((call, i) => {
    socket.write(marshal(call, i + 1));
  });
  await once(socket, "data");
  return socket;
}

function marshal(call: RawCall, serial: number): Buffer {
  const fields: Buffer[] = [];
  let length = 0;
  for (const name of Object.keys(FIELDS) as (keyof typeof FIELDS)[]) {
    if (call[name] === "") continue;
    const padded = Buffer.alloc(Math.ceil(length / 8) * 8 - length);
    const field = marshalField(FIELDS[name], TYPES[name], call[name]);
    fields.push(padded, field);
    length += padded.length + field.length;
  }
  const head = Buffer.alloc(16);
  head.write("l");
  head.set([1, 0, 1], 1);
  head.writeUInt32LE(call.body.length, 4);
  head.writeUInt32LE(serial, 8);
  head.writeUInt32LE(length, 12);
  return Buffer.concat([head, ...fields, Buffer.alloc(Math.ceil(length / 8) * 8 - length), call.body]);
}

function marshalField(code: number, type: string, value: string): Buffer {
  const text = Buffer.from(`${value}\0`);
  const size = type === "g" ? Buffer.from([value.length]) : Buffer.alloc(4);
  if (type !== "g") size.writeUInt32LE(value.length);
  return Buffer.concat([Buffer.from([code, 1]), Buffer.from(`${type}\0`), size, text]);
}
