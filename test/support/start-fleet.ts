// A primary and a replica on volumes of their own, joined by a private sshd: the whole of Isochron on one machine.
import { askSocket } from "../../shared/cli/ask-socket.js";
import { type FleetSide, type ManyFleet, makeMany } from "./start-many.js";
import type { Network } from "./with-network.js";
import type { Sshd } from "./with-sshd.js";

export { type FleetSide, NO_SOURCES } from "./start-many.js";

export interface FleetOptions {
  /** Size of each volume, such as `1G`. */
  volume?: string;
  /** Options of the configuration files, besides root and replicas. */
  primary?: Record<string, unknown>;
  replica?: Record<string, unknown>;
  /** Options of the replica's entry in the primary's file. */
  target?: Record<string, unknown>;
  /** Of one link, between the two; without it they meet on loopback. */
  network?: Network;
  /** Other builds of the bins. */
  primaryBin?: string;
  replicaBin?: string;
  /** Where volumes and configuration go; default a temp folder that `stop` removes. */
  folder?: string;
  origin?: string;
}

export interface Fleet {
  folder: string;
  origin: string;
  /** The primary's public key. */
  vkey: string;
  primary: FleetSide;
  replica: FleetSide;
  /** What the primary calls the replica. */
  replicaName: string;
  sshd: Sshd;
  stop(): Promise<void>;
}

export const REPLICA_NAME = "replica-1";

/** Makes both stores; no daemon runs yet. */
export async function makeFleet(options: FleetOptions = {}): Promise<Fleet> {
  const { replica, replicaBin, target, ...others } = options;
  const one = {
    ...(options.volume === undefined ? {} : { volume: options.volume }),
    ...(replica === undefined ? {} : { config: replica }),
    ...(replicaBin === undefined ? {} : { bin: replicaBin }),
    ...(target === undefined ? {} : { target }),
  };
  return fleetOf(await makeMany({ ...others, replicas: [one] }), 0);
}

/** The primary and one of its replicas, as if there were no other. */
export function fleetOf(many: ManyFleet, index: number): Fleet {
  const replica = many.replicas[index];
  if (!replica) throw new Error(`there is no replica ${index}`);
  const { folder, origin, vkey, primary, stop } = many;
  return { folder, origin, vkey, primary, replica, replicaName: replica.name, sshd: replica.sshd, stop };
}

/** Runs `body` with both daemons at work; `start` has them so in another way than one after the other. */
export async function withFleet<T>(
  options: FleetOptions,
  body: (fleet: Fleet) => Promise<T>,
  start: (fleet: Fleet) => Promise<void> = startBoth,
): Promise<T> {
  const fleet = await makeFleet(options);
  try {
    await start(fleet);
    return await body(fleet);
  } catch (error) {
    const logs = `primary:\n${fleet.primary.daemon.log}\nreplica:\n${fleet.replica.daemon.log}`;
    throw new Error(`${(error as Error).message}\n${logs.slice(-8000)}`, { cause: error });
  } finally {
    await fleet.stop();
  }
}

async function startBoth(fleet: Fleet): Promise<void> {
  await fleet.replica.daemon.start();
  await fleet.primary.daemon.start();
}

/** Waits until the replica answers from at least `size` entries; fails after a minute, with what it last said. */
export function replicaAnswers(fleet: Fleet, size: number): Promise<void> {
  return sideAnswers(fleet.replica, size);
}

/** The primary's answers may come later than the replica's: they give way to its ledger. */
export async function bothAnswer(fleet: Fleet, size: number): Promise<void> {
  for (const side of [fleet.replica, fleet.primary]) await sideAnswers(side, size);
}

async function sideAnswers({ socket, root }: FleetSide, size: number): Promise<void> {
  let last: unknown;
  for (let tries = 0; tries < 1200; tries += 1) {
    const answer = await askSocket({ socketPath: socket("query"), path: "/v1/status" }).catch((error: unknown) => {
      last = error;
      return undefined;
    });
    const stores = (answer as { stores?: { size: number }[] } | undefined)?.stores;
    if (stores?.some((store) => store.size >= size)) return;
    if (answer) last = answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${root} does not answer from ${size} entries: ${JSON.stringify(last)}`);
}
