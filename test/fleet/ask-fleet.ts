// What the steps ask of the fleet, by the commands that an operator runs on the hosts, and the invariant that each step ends with.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { NspawnHost } from "./nspawn-host.js";
import type { HostFleet } from "./start-hosts.js";

export interface HeldStore {
  store: string;
  origin: string;
  generation: number;
  size: number;
}

export interface PrimaryAnswer {
  origin: string;
  ledger: { size: number; sealed: number; generation: number };
  replicas: { name: string; health: string; code?: string; reason: string; generation?: number }[];
  sources: { ovsdb: { watching: boolean } };
}

const PATIENCE_MS = 180_000;

/** Asks until the answer is right. @throws with the last answer, or the last reason why there was none */
export async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean, what: string): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const answer = await ask();
      if (isRight(answer)) return answer;
      last = answer;
    } catch (error) {
      last = (error as Error).message;
    }
    await sleep(500);
  }
  throw new Error(`${what}: ${JSON.stringify(last)?.slice(0, 2000)}`);
}

export async function primaryStatus(host: NspawnHost): Promise<PrimaryAnswer> {
  return JSON.parse(await host.must("isochron-primary", "status", "--json")) as PrimaryAnswer;
}

export async function heldStores(host: NspawnHost): Promise<HeldStore[]> {
  const { held } = JSON.parse(await host.must("isochron-replica", "status", "--json")) as { held: HeldStore[] };
  return held;
}

/** Events of an element of a primary, as a replica answers, oldest first. */
export async function eventsOf(
  replica: NspawnHost,
  primary: NspawnHost,
  element: string,
): Promise<{ action: string }[]> {
  const asked = ["timeline", "--store", `${primary.name}/isochron`, "--element", element, "--json"];
  const lines = (await replica.must("isochron-replica", ...asked)).split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as { action?: string }).filter(isEvent);
}

/**
 * Every replica holds what every primary has sealed, and each of them finds it intact: the same generation, byte for byte what
 * was signed.
 */
export async function expectConverged({
  primaries,
  replicas,
}: Pick<HostFleet, "primaries" | "replicas">): Promise<void> {
  await Promise.all(primaries.map((primary) => primary.must("isochron-primary", "seal")));
  const sealed = () => Promise.all(primaries.map(sealedBy));
  await Promise.all(replicas.map((replica) => expectHolds(replica, sealed)));
  await Promise.all(primaries.map((primary) => expectIntact(primary, "isochron-primary")));
  for (const replica of replicas) {
    for (const { store } of await heldStores(replica))
      await expectIntact(replica, "isochron-replica", "--store", store);
  }
  await Promise.all([...primaries, ...replicas].map(expectNeverFell));
}

/** systemd had to start none of our services again. Who restarts one on purpose begins its count anew. */
async function expectNeverFell(host: NspawnHost): Promise<void> {
  const show = ["systemctl", "show", "--property=Id,NRestarts", "isochron-*.service"];
  const told = await host.must(...show);
  assert.match(told, /^NRestarts=0$/m, `${host.name} runs none of our services`);
  assert.doesNotMatch(told, /^NRestarts=[1-9]/m, `${host.name}: ${told}`);
}

interface Head {
  origin: string;
  generation: number;
  size: number;
}

async function sealedBy(primary: NspawnHost): Promise<Head> {
  const { origin, ledger } = await primaryStatus(primary);
  return { origin, generation: ledger.generation, size: ledger.sealed };
}

/** Primaries go on sealing meanwhile: what they have is asked anew each time. */
async function expectHolds(replica: NspawnHost, sealed: () => Promise<Head[]>): Promise<void> {
  const both = async () => ({ held: await heldStores(replica), sealed: await sealed() });
  const isSame = (a: Head, b: Head) => a.origin === b.origin && a.generation === b.generation && a.size === b.size;
  await until(
    both,
    ({ held, sealed }) => sealed.every((head) => held.some((one) => isSame(head, one))),
    `${replica.name} does not have what was sealed`,
  );
}

async function expectIntact(host: NspawnHost, bin: string, ...args: string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await host.run(bin, "verify", ...args);
  assert.equal(exitCode, 0, `${host.name}: ${stdout}${stderr}`);
}

function isEvent(line: { action?: string }): line is { action: string } {
  return typeof line.action === "string";
}
