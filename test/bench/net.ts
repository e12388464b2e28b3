// The `net` bench: an increment over shaped links with the codec that Isochron chooses, against each fixed choice in the
// same run. What is timed is the push itself, from its first byte to the cosigned ack, as the primary says. Each choice has
// a primary, a replica and a line of its own, and they push the same events in turns: what else the machine does, and how
// TCP fares, falls on all of them alike.
import { setTimeout as sleep } from "node:timers/promises";
import type { PrimaryStatus } from "../../primary/answer-operator.js";
import { sendLines } from "../../primary/sources/lines/ingest-client.js";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { QUIET } from "../support/drive-fleet.js";
import { type Fleet, makeFleet, replicaAnswers } from "../support/start-fleet.js";
import { type LinkShape, type Network, type NetworkLink, withNetwork } from "../support/with-network.js";
import type { BenchRow } from "./bench-row.js";
import { eventStream } from "./make-events.js";

interface Shape extends Required<LinkShape> {
  /** In the increment. Fewer where a raw one would take a minute. */
  events: number;
  /** Pushes of each choice; their median counts. */
  rounds: number;
}

const shape = (rateMbit: number, roundTripMs: number, lossPercent: number, events: number, rounds: number): Shape => ({
  rateMbit,
  roundTripMs,
  lossPercent,
  events,
  rounds,
});
const SHAPES: readonly Shape[] = [
  shape(10, 1, 0, 10_000, 3),
  shape(10, 80, 0, 10_000, 3),
  shape(100, 1, 0, 10_000, 7),
  shape(100, 80, 0, 10_000, 7),
  shape(1000, 1, 0, 10_000, 7),
  shape(1000, 80, 0, 10_000, 7),
  shape(100, 1, 1, 10_000, 7),
  shape(10, 80, 1, 2000, 7),
];

const FIXED: Readonly<Record<string, object>> = {
  raw: { compression: "none", compressed_data: "never" },
  "compressed data": { compression: "none", compressed_data: "auto" },
  "zstd 1": { compression: "zstd", zstd_level: 1, compressed_data: "never" },
  "zstd 3": { compression: "zstd", zstd_level: 3, compressed_data: "never" },
  "zstd 9": { compression: "zstd", zstd_level: 9, compressed_data: "never" },
};
const CHOSEN = "auto";
const CHOICES: Readonly<Record<string, object>> = { ...FIXED, [CHOSEN]: { compression: "auto" } };
/** Before a link counts, Isochron has seen it: pushes of this many events each. */
const WARM_UPS = 3;
const WARM_UP_EVENTS = 2000;

const GOAL_TO_BEST = 1.15;
const GOAL_TO_RAW = 0.5;

interface Push {
  ms: number;
  bytes: number;
  /** What a primary that chooses says it chose. */
  codec?: string;
}

export async function benchNet(): Promise<BenchRow[]> {
  return withNetwork({ replicas: Object.keys(CHOICES).length }, async (network) => {
    const choices: Choice[] = [];
    try {
      for (const [name, push] of Object.entries(CHOICES))
        choices.push(await startChoice(name, push, network, choices.length));
      const rows: BenchRow[] = [];
      for (const each of SHAPES) rows.push(...rowsOf(each, await timeShape(each, choices)));
      return rows;
    } finally {
      for (const { fleet } of choices) await fleet.stop();
    }
  });
}

/** One way to push: a fixed codec, or the one that Isochron chooses. */
interface Choice {
  name: string;
  fleet: Fleet;
  link: NetworkLink;
  /** Sent so far. */
  events: number;
}

async function startChoice(name: string, push: object, network: Network, index: number): Promise<Choice> {
  const link = network.link(index);
  const own: Network = { ...network, link: () => link };
  const small = { index: { processes: 1 } };
  const fleet = await makeFleet({ volume: "2G", network: own, primary: { ...QUIET, ...small, push }, replica: small });
  await fleet.replica.daemon.start();
  await fleet.primary.daemon.start();
  const choice = { name, fleet, link, events: 0 };
  await pushOnce(choice, 100);
  return choice;
}

/** The median push of each choice, by its name. */
async function timeShape(each: Shape, choices: readonly Choice[]): Promise<Map<string, Push>> {
  for (const choice of choices) {
    await choice.link.shape(each);
    for (let i = 0; i < WARM_UPS; i += 1) await pushOnce(choice, WARM_UP_EVENTS);
  }
  const pushes = new Map<string, Push[]>(choices.map(({ name }) => [name, []]));
  for (let round = 0; round < each.rounds; round += 1) {
    // Nobody always comes first, nor always behind the same one.
    const order = choices.map((_, i) => choices[(i + round) % choices.length] as Choice);
    for (const choice of order) pushes.get(choice.name)?.push(await pushOnce(choice, each.events));
  }
  const medians = new Map([...pushes].map(([name, found]) => [name, median(found)]));
  const said = [...medians].map(([name, { ms, codec }]) => `${name}${codec ? ` (${codec})` : ""} ${ms}`);
  process.stderr.write(`  ${describe(each)}: ${said.join(", ")} ms\n`);
  return medians;
}

function median(pushes: readonly Push[]): Push {
  const sorted = [...pushes].sort((a, b) => a.ms - b.ms);
  return sorted[Math.floor(sorted.length / 2)] as Push;
}

async function pushOnce(choice: Choice, events: number): Promise<Push> {
  const { primary } = choice.fleet;
  const input = eventStream(choice.events, events);
  const { answered } = await sendLines({ socketPath: primary.socket("ingest"), input, onAck: () => undefined });
  if (answered !== events) throw new Error(`${answered} of ${events} were acked`);
  choice.events += events;
  const ask = { socketPath: primary.socket("control"), path: "/v1/seal", method: "POST", body: {} } as const;
  const { generation, size } = await askSocket<{ generation: number; size: number }>(ask);
  const push = await acked(choice, generation);
  // Its indexing is over too before the next push is timed.
  await replicaAnswers(choice.fleet, size);
  return push;
}

async function acked({ fleet }: Choice, generation: number): Promise<Push> {
  const socketPath = fleet.primary.socket("control");
  for (let tries = 0; tries < 6000; tries += 1) {
    const { replicas } = await askSocket<PrimaryStatus>({ socketPath, path: "/v1/status" });
    const push = replicas[0]?.last_push;
    if (push && push.generation >= generation) return push;
    await sleep(50);
  }
  throw new Error(`generation ${generation} was never acked`);
}

function describe({ rateMbit, roundTripMs, lossPercent, events }: Shape): string {
  const loss = lossPercent > 0 ? `, ${lossPercent} % loss` : "";
  return `${events} events, ${rateMbit} Mbit/s, ${roundTripMs} ms${loss}`;
}

function rowsOf(each: Shape, medians: ReadonlyMap<string, Push>): BenchRow[] {
  const all = Object.keys(FIXED).map((name) => ({ name, ms: (medians.get(name) as Push).ms }));
  const best = all.reduce((a, b) => (b.ms < a.ms ? b : a));
  const chosen = medians.get(CHOSEN) as Push;
  const where = describe(each);
  const codec = chosen.codec ? ` (${chosen.codec})` : "";
  const rows = [row(`${where}: chosen${codec} : best fixed (${best.name})`, chosen.ms, best.ms, GOAL_TO_BEST)];
  const raw = medians.get("raw");
  const isSlow = each.rateMbit === 10 && each.lossPercent === 0;
  if (raw && isSlow) rows.push(row(`${where}: chosen${codec} : raw`, chosen.ms, raw.ms, GOAL_TO_RAW));
  return rows;
}

function row(metric: string, ours: number, yardstick: number, most: number): BenchRow {
  const ratio = ours / yardstick;
  return { bench: "net", metric, unit: "ms", ours, yardstick, ratio, goal: `ratio <= ${most}`, met: ratio <= most };
}
