// What the machine itself takes to bring an increment to replicas: `btrfs receive` and a sync for each, on the replicas' own
// volumes and of a real increment, while no daemon runs. Nobody verifies it, acks it or answers from it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { currentGeneration } from "../../shared/store/generations.js";
import { storeOf } from "../support/drive-fleet.js";
import { eventually } from "../support/eventually.js";
import { sendPair } from "../support/send-by-hand.js";
import { fleetOf } from "../support/start-fleet.js";
import { eachOf, type ManyFleet } from "../support/start-many.js";

const ROUNDS = 40;
const PAUSE_MS = 100;

/** Milliseconds of each round, ascending: by one replica's volume alone, and by all of them at once until the last is done. */
export interface RawReceives {
  one: number[];
  all: number[];
}

/** Ends all daemons of `many`. `sendEvent` has an event sealed that no replica has. */
export async function timeRawReceives(many: ManyFleet, sendEvent: () => Promise<unknown>): Promise<RawReceives> {
  const increment = await spoolIncrement(many, sendEvent);
  await eachOf([many.primary, ...many.replicas], ({ daemon }) => daemon.stop());
  const roots = many.replicas.map(({ root }) => root);
  const times: RawReceives = { one: [], all: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    times.one.push(await timeReceives(increment, `raw-one-${round}`, roots.slice(0, 1)));
    await sleep(PAUSE_MS);
    times.all.push(await timeReceives(increment, `raw-all-${round}`, roots));
    await sleep(PAUSE_MS);
  }
  for (const list of [times.one, times.all]) list.sort((a, b) => a - b);
  return times;
}

/** The streams of one event and its seal, on the generation that all replicas hold: in a file that memory has. */
async function spoolIncrement(many: ManyFleet, sendEvent: () => Promise<unknown>): Promise<string> {
  const store = await storeOf(fleetOf(many, 0), "primary");
  const base = currentGeneration(store);
  await eachOf(many.replicas, ({ sshd }) => sshd.pause());
  await sendEvent();
  await eventually(
    async () => currentGeneration(store) > base,
    () => "the event is not sealed",
  );
  const newest = store.generation(currentGeneration(store));
  const path = join(many.folder, "increment");
  await writeFile(path, await sendPair(newest, store.generation(base)));
  return path;
}

const RECEIVE_ALL = `increment=$1 into=$2
shift 2
pids=()
for root; do
  { mkdir "$root/$into" && btrfs -q receive "$root/$into" <"$increment" && btrfs filesystem sync "$root"; } >/dev/null &
  pids+=($!)
done
for pid in "\${pids[@]}"; do wait "$pid" || exit 1; done`;

async function timeReceives(increment: string, into: string, roots: readonly string[]): Promise<number> {
  const began = performance.now();
  await execa("bash", ["-c", RECEIVE_ALL, "receive-all", increment, into, ...roots]);
  return performance.now() - began;
}
