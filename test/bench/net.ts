// The `net` bench: an increment over shaped links with the codec that Isochron chooses, against each fixed choice in the
// same run. What is timed is the push itself, from its first byte to the cosigned ack, as the primary says.
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { PrimaryStatus } from "../../primary/answer-operator.js";
import { sendLines } from "../../primary/sources/lines/ingest-client.js";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { QUIET } from "../support/drive-fleet.js";
import { type Fleet, makeFleet, replicaAnswers } from "../support/start-fleet.js";
import { type LinkShape, type NetworkLink, withNetwork } from "../support/with-network.js";
import type { BenchRow } from "./bench-row.js";
import { eventStream } from "./make-events.js";
import { percentile } from "./percentile.js";

interface Shape extends Required<LinkShape> {
  /** In the increment. Fewer where a raw one would take a minute. */
  events: number;
  /** Pushes; their median counts. */
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
  shape(10, 1, 0, 10_000, 1),
  shape(10, 80, 0, 10_000, 1),
  shape(100, 1, 0, 10_000, 3),
  shape(100, 80, 0, 10_000, 3),
  shape(1000, 1, 0, 10_000, 5),
  shape(1000, 80, 0, 10_000, 5),
  shape(100, 1, 1, 10_000, 3),
  shape(10, 80, 1, 2000, 5),
];

const FIXED: Readonly<Record<string, object>> = {
  raw: { compression: "none", compressed_data: "never" },
  "compressed data": { compression: "none", compressed_data: "auto" },
  "zstd 1": { compression: "zstd", zstd_level: 1, compressed_data: "never" },
  "zstd 3": { compression: "zstd", zstd_level: 3, compressed_data: "never" },
  "zstd 9": { compression: "zstd", zstd_level: 9, compressed_data: "never" },
};
const CHOSEN = { compression: "auto" };
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
  return withNetwork({ replicas: 1 }, async (network) => {
    const options = { volume: "4G", network, primary: QUIET, replica: { index: { processes: 1 } } };
    const fleet = await makeFleet(options);
    try {
      await fleet.replica.daemon.start();
      const bench = new NetBench(fleet, network.link(0));
      const fixed = new Map<string, Push[]>();
      for (const [name, push] of Object.entries(FIXED)) fixed.set(name, await bench.run(name, push, 0));
      const chosen = await bench.run("auto", CHOSEN, WARM_UPS);
      return SHAPES.flatMap((each, index) => rowsOf(each, index, chosen[index] as Push, fixed));
    } finally {
      await fleet.stop();
    }
  });
}

class NetBench {
  readonly #fleet: Fleet;
  readonly #link: NetworkLink;
  #events = 0;

  constructor(fleet: Fleet, link: NetworkLink) {
    this.#fleet = fleet;
    this.#link = link;
  }

  /** A push for each shape, with these options of `push`. */
  async run(name: string, push: object, warmUps: number): Promise<Push[]> {
    await this.#link.shape({});
    await this.#restart(push);
    await this.#push(100);
    const pushes: Push[] = [];
    for (const each of SHAPES) {
      await this.#link.shape(each);
      for (let i = 0; i < warmUps; i += 1) await this.#push(WARM_UP_EVENTS);
      const found = await this.#median(each);
      process.stderr.write(`  ${describe(each)}: ${name}${found.codec ? ` (${found.codec})` : ""} ${found.ms} ms\n`);
      pushes.push(found);
    }
    return pushes;
  }

  async #median({ events, rounds }: Shape): Promise<Push> {
    const found: Push[] = [];
    for (let round = 0; round < rounds; round += 1) found.push(await this.#push(events));
    const middle = percentile(
      found.map(({ ms }) => ms).sort((a, b) => a - b),
      50,
    );
    return found.find(({ ms }) => ms === middle) as Push;
  }

  async #restart(push: object): Promise<void> {
    const { primary } = this.#fleet;
    await primary.daemon.stop();
    const config = JSON.parse(await readFile(primary.configPath, "utf8")) as object;
    await writeFile(primary.configPath, JSON.stringify({ ...config, push }));
    await primary.daemon.start();
  }

  async #push(events: number): Promise<Push> {
    const { primary } = this.#fleet;
    const input = eventStream(this.#events, events);
    const { answered } = await sendLines({ socketPath: primary.socket("ingest"), input, onAck: () => undefined });
    if (answered !== events) throw new Error(`${answered} of ${events} were acked`);
    this.#events += events;
    const ask = { socketPath: primary.socket("control"), path: "/v1/seal", method: "POST", body: {} } as const;
    const { generation, size } = await askSocket<{ generation: number; size: number }>(ask);
    const push = await this.#acked(generation);
    // Its indexing is over too before the next push is timed.
    await replicaAnswers(this.#fleet, size);
    return push;
  }

  async #acked(generation: number): Promise<Push> {
    const socketPath = this.#fleet.primary.socket("control");
    for (let tries = 0; tries < 6000; tries += 1) {
      const { replicas } = await askSocket<PrimaryStatus>({ socketPath, path: "/v1/status" });
      const push = replicas[0]?.last_push;
      if (push && push.generation >= generation) return push;
      await sleep(50);
    }
    throw new Error(`generation ${generation} was never acked`);
  }
}

function describe({ rateMbit, roundTripMs, lossPercent, events }: Shape): string {
  const loss = lossPercent > 0 ? `, ${lossPercent} % loss` : "";
  return `${events} events, ${rateMbit} Mbit/s, ${roundTripMs} ms${loss}`;
}

function rowsOf(each: Shape, index: number, chosen: Push, fixed: ReadonlyMap<string, Push[]>): BenchRow[] {
  const all = [...fixed].map(([name, pushes]) => ({ name, ms: (pushes[index] as Push).ms }));
  const best = all.reduce((a, b) => (b.ms < a.ms ? b : a));
  const where = describe(each);
  const codec = chosen.codec ? ` (${chosen.codec})` : "";
  const rows = [row(`${where}: chosen${codec} : best fixed (${best.name})`, chosen.ms, best.ms, GOAL_TO_BEST)];
  const raw = all.find(({ name }) => name === "raw");
  const isSlow = each.rateMbit === 10 && each.lossPercent === 0;
  if (raw && isSlow) rows.push(row(`${where}: chosen${codec} : raw`, chosen.ms, raw.ms, GOAL_TO_RAW));
  return rows;
}

function row(metric: string, ours: number, yardstick: number, most: number): BenchRow {
  const ratio = ours / yardstick;
  return { bench: "net", metric, unit: "ms", ours, yardstick, ratio, goal: `ratio <= ${most}`, met: ratio <= most };
}
