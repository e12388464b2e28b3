// The `ovsdb` source: bridges, ports and interfaces of Open vSwitch, as its database has them. It watches and never writes to
// the database. Where there is no Open vSwitch it waits for the socket without complaint.
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Source, SourceParts, SourceState } from "../source.js";
import { ElementWriter } from "../watch/element-writer.js";
import { SupervisedSource } from "../watch/supervised-source.js";
import { DatabaseWatch, type DatabaseWatchOptions } from "./database-watch.js";
import type { OvsdbOptions } from "./options.js";
import { type OvsdbAddress, parseOvsdbAddress } from "./parse-address.js";
import { RESTLESS_KEYS } from "./watched-tables.js";

export const OVSDB_SOURCE = "ovsdb";

/** For tests: bounds and times that no operator needs to change. */
export type OvsdbSourceTuning = Partial<Pick<DatabaseWatchOptions, "probeMs" | "timeoutMs" | "maxMessageBytes">> & {
  /** Between two looks for a socket that is not there. Default 1000. */
  pollMs?: number;
  leastDelayMs?: number;
  maxQueuedEvents?: number;
};

/** @throws OvsdbError `bad-address` */
export function createOvsdbSource(
  parts: SourceParts,
  options: Pick<OvsdbOptions, "socket" | "ignore_keys">,
  { pollMs = 1000, leastDelayMs, maxQueuedEvents, ...tuning }: OvsdbSourceTuning = {},
): Source {
  const address = parseOvsdbAddress(options.socket);
  const { log } = parts;
  const queue = maxQueuedEvents === undefined ? {} : { maxQueuedEvents };
  const writer = new ElementWriter({ ...parts, ...queue, source: OVSDB_SOURCE });
  const ignoredKeys = new Set([...RESTLESS_KEYS, ...options.ignore_keys]);
  let isWaiting = false;
  let watch: DatabaseWatch | undefined;

  return new SupervisedSource({
    name: OVSDB_SOURCE,
    log,
    writer,
    ...(leastDelayMs === undefined ? {} : { leastDelayMs }),
    async watch(signal) {
      try {
        isWaiting = true;
        await socketIsThere(address, pollMs, signal);
        isWaiting = false;
        watch = new DatabaseWatch({ ...tuning, address, writer, log, ignoredKeys });
        await watch.run(signal);
      } finally {
        isWaiting = false;
        watch = undefined;
      }
    },
    state: () => ({ socket: options.socket, waiting_for_socket: isWaiting, ...rowsOf(watch) }),
  });
}

/** Resolves when there is something to connect to. @throws when the signal fires */
async function socketIsThere(address: OvsdbAddress, pollMs: number, signal: AbortSignal): Promise<void> {
  if (!("path" in address)) return;
  while (!(await isThere(address.path))) await sleep(pollMs, undefined, { signal });
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    // Anything but "not there" is for the connection to fail with, and to say.
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT" && error.code !== "ENOTDIR",
  );
}

function rowsOf(watch: DatabaseWatch | undefined): SourceState {
  const { Bridge: bridges = 0, Port: ports = 0, Interface: interfaces = 0 } = watch?.counts() ?? {};
  return { bridges, ports, interfaces };
}
