// Where an OVSDB server listens, in the forms that ovs-vsctl takes (ovsdb(7), "Active" connection methods), or a plain path.
import { isAbsolute } from "node:path";
import { OvsdbError } from "./ovsdb-error.js";

export type OvsdbAddress = { path: string } | { host: string; port: number };

/** The port that IANA gave to OVSDB. */
const DEFAULT_PORT = 6640;
/** unix(7): `sun_path` without its final zero. The kernel would cut a longer one off. */
const MAX_PATH_BYTES = 107;

/** `/path`, `unix:/path`, `tcp:HOST`, `tcp:HOST:PORT`, `tcp:[IPV6]:PORT`. @throws OvsdbError `bad-address` */
export function parseOvsdbAddress(text: string): OvsdbAddress {
  if (text.startsWith("unix:")) return pathAddress(text.slice("unix:".length));
  if (text.startsWith("tcp:")) return tcpAddress(text);
  return pathAddress(text);
}

function pathAddress(path: string): OvsdbAddress {
  if (!isAbsolute(path)) throw badAddress(path, "it is neither an absolute path nor unix:PATH nor tcp:HOST:PORT");
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw badAddress(path, `it is longer than ${MAX_PATH_BYTES} bytes`);
  return { path };
}

function tcpAddress(text: string): OvsdbAddress {
  const match = /^tcp:(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  if (host === undefined) throw badAddress(text, "it is not of the form tcp:HOST:PORT or tcp:[IPV6]:PORT");
  if (port < 1 || port > 65_535) throw badAddress(text, "its port is not from 1 to 65535");
  return { host, port };
}

function badAddress(text: string, reason: string): OvsdbError {
  return new OvsdbError("bad-address", `${JSON.stringify(text)} is no address of an OVSDB server: ${reason}`, {
    hint: "write it as /run/openvswitch/db.sock or tcp:127.0.0.1:6640",
  });
}
