// What tests do to a fleet, and the invariant that every fleet test ends with. What every test does many times over asks the
// daemons' sockets from here, as the commands do: a command is a process of its own, and costs a third of a second.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { execa } from "execa";
import type { PrimaryStatus } from "../../primary/answer-operator.js";
import type { LinkStatus } from "../../primary/push/link-status.js";
import type { AckLine } from "../../primary/sources/lines/format-ack.js";
import { sendLines } from "../../primary/sources/lines/ingest-client.js";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { parseCheckpoint } from "../../shared/format/checkpoint.js";
import { openNote } from "../../shared/format/signed-note.js";
import { RootLayout, type StoreLayout } from "../../shared/store/layout.js";
import { eventually } from "./eventually.js";
import { type Fleet, type FleetSide, replicaAnswers } from "./start-fleet.js";
import { verifyNewest } from "./verify-newest.js";

export { eventually } from "./eventually.js";

/** One event as a client sends it; what is left out has its default. */
export type FleetEvent = Record<string, unknown>;

/** `count` events of a few elements; `tag` is in each state, so that a search can find them. */
export function someEvents(count: number, tag = "base", more: FleetEvent = {}): FleetEvent[] {
  return Array.from({ length: count }, (_, i) => ({
    element_id: `interface:eth${i % 4}`,
    element_type: "NetworkInterface",
    action: "modified",
    actor: "admin",
    state_snapshot: { mtu: 1500 + i, tag },
    ...more,
  }));
}

const HOUR_MS = 3_600_000;

/** Options of a primary that seals nothing unless a test asks for it. */
export const QUIET = { seal: { high_ms: HOUR_MS, medium_ms: HOUR_MS, low_ms: HOUR_MS } };

/** Starts both sides and has the replica take a first generation of ten events. */
export async function startWithEvents(fleet: Fleet): Promise<void> {
  await fleet.replica.daemon.start();
  await fleet.primary.daemon.start();
  await ingest(fleet, someEvents(10));
  await seal(fleet);
  await expectConverged(fleet);
}

/** Sends events to the ingest socket; all of them must be acked. Returns their acks in order. */
export async function ingest(fleet: Fleet, events: readonly FleetEvent[]): Promise<{ seq: number; hash: string }[]> {
  const acks: AckLine[] = [];
  const { broken } = await sendLines({
    socketPath: fleet.primary.socket("ingest"),
    input: Readable.from(events.map((event) => Buffer.from(`${JSON.stringify(event)}\n`))),
    onAck: (ack) => acks.push(ack),
  });
  assert.equal(broken, undefined);
  assert.equal(acks.length, events.length);
  return acks.map((ack) => {
    assert.ok("seq" in ack, JSON.stringify(ack));
    return { seq: ack.seq, hash: ack.hash };
  });
}

/** Seals now; with `force`, also when nothing is new. Returns the generation's number. */
export async function seal(fleet: Fleet, { force = false } = {}): Promise<number> {
  const ask = {
    socketPath: fleet.primary.socket("control"),
    path: "/v1/seal",
    method: "POST",
    body: { force },
  } as const;
  const answer = await askSocket<{ sealed: boolean; generation: number }>(ask);
  assert.equal(answer.sealed, true, JSON.stringify(answer));
  return answer.generation;
}

/** The replica answers for each event with the hash that its ack gave. */
export async function expectAnswered(fleet: Fleet, acks: readonly { seq: number; hash: string }[]): Promise<void> {
  for (const { seq, hash } of acks) {
    assert.match(JSON.stringify(await askQuery(fleet.replica, `/v1/event?seq=${seq}`)), new RegExp(hash));
  }
}

/** What a side's query socket answers, as a query command gets it. */
export function askQuery<Answer>(side: FleetSide, path: string): Promise<Answer> {
  return askSocket<Answer>({ socketPath: side.socket("query"), path });
}

export async function primaryStatus(fleet: Fleet): Promise<PrimaryStatus> {
  return askSocket({ socketPath: fleet.primary.socket("control"), path: "/v1/status" });
}

/** Standard output of a command that must end with 0. */
export async function mustRun(side: FleetSide, ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await side.run(...args);
  assert.equal(exitCode, 0, `${args.join(" ")}: ${stdout}\n${stderr}`);
  return stdout;
}

export function jsonLines<T>(text: string): T[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as T);
}

/** Waits, generously, until the primary's link to the replica is as `wanted` says. */
export async function linkBecomes(
  fleet: Fleet,
  wanted: (link: LinkStatus) => boolean,
  patience: { minutes?: number } = {},
): Promise<LinkStatus> {
  let last: LinkStatus | undefined;
  await eventually(
    async () => {
      last = (await primaryStatus(fleet)).replicas.find(({ name }) => name === fleet.replicaName);
      return last !== undefined && wanted(last);
    },
    () => `the link stays as ${JSON.stringify(last)}`,
    patience,
  );
  return last as LinkStatus;
}

/** A failed link waits before it tries again; an operator's resync ends the wait. */
export async function wakeLink(fleet: Fleet): Promise<void> {
  const body = { replica: fleet.replicaName };
  await askSocket({ socketPath: fleet.primary.socket("control"), path: "/v1/resync", method: "POST", body });
}

/** The replica comes to hold the generation by an increment, and both sides converge. */
export async function expectIncrement(fleet: Fleet, wanted: number): Promise<void> {
  await wakeLink(fleet);
  const { last_push } = await linkBecomes(fleet, ({ generation }) => generation === wanted);
  assert.equal(last_push?.kind, "increment");
  await expectConverged(fleet);
}

export async function storeOf(fleet: Fleet, role: "primary" | "replica"): Promise<StoreLayout> {
  const { uuid } = JSON.parse(await readFile(new RootLayout(fleet.primary.root).identity("primary"), "utf8"));
  return new RootLayout(fleet[role].root).store(uuid);
}

/** Size and root that a signed note states. */
export async function readHead(path: string): Promise<{ size: number; root: string }> {
  const { size, root } = parseCheckpoint(openNote(await readFile(path, "utf8"), []).text);
  return { size, root: root.toString("base64") };
}

/** Paths of all subvolumes of a root's volume, as btrfs lists them. */
export async function listSubvolumes(root: string): Promise<string[]> {
  const { stdout } = await execa("btrfs", ["subvolume", "list", root], { env: { LC_ALL: "C" } });
  const paths = stdout.split("\n").map((line) => / path (.*)$/.exec(line)?.[1] ?? "");
  return paths.filter((path) => path !== "").sort();
}

/**
 * The invariant: the replica comes to hold the primary's newest checkpoint, both sides verify as intact, and neither
 * keeps more than the live pair and `kept` (`keptByReplica`) generations.
 */
export async function expectConverged(
  fleet: Fleet,
  { kept = 1, keptByReplica = kept }: { kept?: number; keptByReplica?: number } = {},
): Promise<void> {
  // What is late, such as a vector, makes a generation of its own: then both sides are looked at anew.
  for (let generation = -1; generation !== (await primaryStatus(fleet)).ledger.generation; ) {
    generation = await convergedOn(fleet);
  }
  let left: string[][] = [];
  await eventually(
    async () => {
      left = await Promise.all([leftOn(fleet, "primary"), leftOn(fleet, "replica")]);
      return left[0]?.length === 2 + 3 * kept && left[1]?.length === 3 * keptByReplica;
    },
    () => `subvolumes, or folders of generations, are left over: ${JSON.stringify(left)}`,
  );
}

/** Subvolumes, and the folders of generations: those go a moment after what was in them. */
async function leftOn(fleet: Fleet, role: "primary" | "replica"): Promise<string[]> {
  const { generations } = await storeOf(fleet, role);
  return [...(await listSubvolumes(fleet[role].root)), ...(await readdir(generations))];
}

/** Both sides are intact and of one head; returns the generation, or −1 if the primary has sealed another meanwhile. */
async function convergedOn(fleet: Fleet): Promise<number> {
  const { ledger } = await primaryStatus(fleet);
  await replicaAnswers(fleet, ledger.sealed);
  await linkBecomes(fleet, ({ health, generation = 0 }) => health === "healthy" && generation >= ledger.generation);
  const [primary, replica] = [await storeOf(fleet, "primary"), await storeOf(fleet, "replica")];
  try {
    const newest = await readHead(primary.generation(ledger.generation).checkpoint);
    assert.equal(newest.size, ledger.sealed);
    assert.deepEqual(await readHead(replica.acceptedHead), newest);
    for (const store of [primary, replica]) assert.deepEqual(await verifyNewest(store, fleet.vkey), newest);
  } catch (error) {
    if ((await primaryStatus(fleet)).ledger.generation > ledger.generation) return -1;
    throw error;
  }
  return ledger.generation;
}
