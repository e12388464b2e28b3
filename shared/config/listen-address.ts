// `127.0.0.1:9469`, `[::1]:9469`, `metrics.example.org:9469`: where a daemon listens, as the configuration has it.
import { isIPv6 } from "node:net";
import { z } from "zod";

export interface ListenAddress {
  /** As it was written. */
  text: string;
  host: string;
  port: number;
}

const FORM = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9][A-Za-z0-9.-]*)):([0-9]{1,5})$/;
const RULE =
  "must be host:port, such as 127.0.0.1:9469, or [::1]:9469 for IPv6; 0.0.0.0 and [::] stand for every address";

export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, v6, name, digits] = FORM.exec(text) ?? [];
  const port = Number(digits);
  if (!(port >= 1 && port <= 65_535)) return undefined;
  if (v6 !== undefined) return isIPv6(v6) ? { text, host: v6, port } : undefined;
  return { text, host: name as string, port };
}

/** The option's value stays the text: `parseListenAddress` takes it apart where it is used. */
export const listenAddress = () => z.string(RULE).refine((text) => parseListenAddress(text) !== undefined, RULE);
