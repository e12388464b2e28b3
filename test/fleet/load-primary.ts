// Load on a primary while its fleet is changed under it: a file that grows, followed by `ingest`, whose acks are kept; and questions
// to the replicas, of which one at least must answer each time.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "./ask-fleet.js";
import type { HostFleet } from "./start-hosts.js";

export interface Told {
  acked: number[];
  timesAsked: number;
  timesWithoutAnswer: number;
}

const LOG = "/root/load.jsonl";
const ACKS = "/root/acks.jsonl";
const WRITER = `n=0
while :; do
  n=$((n+1))
  printf '{"element_id":"load:%d","element_type":"Load","action":"counted","state_snapshot":{"n":%d}}\\n' $n $n
  sleep 0.3
done >>${LOG}`;

/** Some events a second, until it is stopped. */
export async function startLoad(fleet: HostFleet): Promise<{ stop(): Promise<Told> }> {
  const [primary] = fleet.primaries;
  assert.ok(primary);
  await primary.must("sh", "-c", `printf '%s' "$1" >/root/write-load; touch ${LOG}`, "sh", WRITER);
  await primary.must("systemd-run", "--quiet", "--unit=load-writer", "sh", "/root/write-load");
  const follow = `exec isochron-primary ingest ${LOG} --follow --json >${ACKS}`;
  const interruptible = ["--property=KillSignal=SIGINT", "--setenv=PATH=/usr/local/bin:/usr/bin:/bin"];
  await primary.must("systemd-run", "--quiet", "--unit=load-sender", ...interruptible, "sh", "-c", follow);
  const told: Told = { acked: [], timesAsked: 0, timesWithoutAnswer: 0 };
  const ending = new AbortController();
  const asking = askAllTheTime(fleet, told, ending.signal);
  return {
    async stop() {
      await primary.must("systemctl", "stop", "load-writer.service");
      // It waits for the acks outstanding.
      await primary.must("systemctl", "stop", "load-sender.service");
      ending.abort();
      await asking;
      const lines = (await primary.must("cat", ACKS)).split("\n").filter((line) => line !== "");
      told.acked = lines.map((line) => (JSON.parse(line) as { seq: number }).seq);
      return told;
    },
  };
}

/** Every event that was acked is in the ledger of every replica, once. */
export async function expectNoEventLost(fleet: HostFleet, told: Told): Promise<void> {
  assert.ok(told.acked.length > 20, `only ${told.acked.length} events were acked`);
  assert.equal(new Set(told.acked).size, told.acked.length, "one sequence number was acked twice");
  for (const replica of fleet.replicas) {
    const missing = async () => {
      const seen = await sequenceNumbers(fleet, replica);
      return told.acked.filter((seq) => !seen.has(seq));
    };
    // What it holds it answers from a moment later.
    await until(missing, ({ length }) => length === 0, `${replica.name} lacks events that were acked`);
  }
}

async function sequenceNumbers(fleet: HostFleet, replica: HostFleet["hosts"][number]): Promise<Set<number>> {
  const seen = new Set<number>();
  let cursor: string | undefined;
  do {
    const asked = ["--store", `${fleet.primaries[0]?.name}/isochron`, "--type", "Load", "--limit", "1000", "--json"];
    const page = await replica.must("isochron-replica", "timeline", ...asked, ...(cursor ? ["--cursor", cursor] : []));
    const lines = page.split("\n").filter((line) => line !== "");
    const parsed = lines.map((line) => JSON.parse(line) as { seq?: number; cursor?: string });
    for (const { seq } of parsed) if (seq !== undefined) seen.add(seq);
    cursor = parsed.at(-1)?.cursor;
  } while (cursor);
  return seen;
}

async function askAllTheTime(fleet: HostFleet, told: Told, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const answers = await Promise.all(
      fleet.replicas.map((replica) =>
        replica.run("isochron-replica", "stats", "--store", `${fleet.primaries[0]?.name}/isochron`),
      ),
    );
    told.timesAsked += 1;
    if (!answers.some(({ exitCode }) => exitCode === 0)) told.timesWithoutAnswer += 1;
    await sleep(1000, undefined, { signal }).catch(() => undefined);
  }
}
