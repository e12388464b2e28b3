// The `fleet` bench: from the ack of a critical event until replicas answer with it, for one replica and for twenty on this
// machine. Of the twenty, the last one counts, and each by itself. The yardstick is the one replica, in the same run. What twenty
// receives at once cost this machine in any case is told by a second one: bare `btrfs receive`, for one and for twenty.
import { existsSync, type FSWatcher, watch } from "node:fs";
import { Agent, request } from "node:http";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { storeOf } from "../support/drive-fleet.js";
import { allAck } from "../support/drive-many.js";
import { fleetOf, replicaAnswers } from "../support/start-fleet.js";
import { eachOf, type ManyFleet, withMany } from "../support/start-many.js";
import type { BenchRow } from "./bench-row.js";
import { eventLine } from "./make-events.js";
import { percentile } from "./percentile.js";
import { type RawReceives, timeRawReceives } from "./raw-receives.js";

const REPLICAS = 20;
const EVENTS = 100;
/** Daemons run for months: what they do for the first time, or compile while they do it, is not what is asked. */
const WARM_UPS = 20;
const PAUSE_MS = 250;
/** Between two questions of one reader: this share of the time that has gone since the event, so that all are off by the same share. */
const ASK_SHARE = 0.05;
const ASK_LEAST_MS = 2;
const GIVE_UP_MS = 30_000;
const GOAL_RATIO = 3;

interface Times {
  /** Of all replicas, ascending. */
  each: number[];
  /** Of the last replica of each event, ascending. */
  last: number[];
}

/** Two fleets, of one replica and of twenty, get an event in turns: what else the machine does falls on both alike. */
export async function benchFleet(): Promise<BenchRow[]> {
  const { one, many, raw } = await withProbe(1, (one) =>
    withProbe(REPLICAS, async (many) => {
      await timeInTurns(one, many);
      return { one: one.times, many: many.times, raw: await many.timeRaw() };
    }),
  );
  const rows: BenchRow[] = [];
  for (const percent of [50, 99]) {
    const yardstick = percentile(one.last, percent);
    const goal = percent === 99 ? GOAL_RATIO : undefined;
    rows.push(row(`${REPLICAS} replicas, each, p${percent}`, percentile(many.each, percent), yardstick, undefined));
    rows.push(row(`${REPLICAS} replicas, the last, p${percent}`, percentile(many.last, percent), yardstick, goal));
  }
  const metric = `raw btrfs receive, ${REPLICAS} at once, p50`;
  rows.push(row(metric, percentile(raw.all, 50), percentile(raw.one, 50), undefined));
  return rows;
}

async function timeInTurns(one: FleetProbe, many: FleetProbe): Promise<void> {
  for (let i = 0; i < WARM_UPS + EVENTS; i += 1) {
    // Whoever comes first finds the processor's caches as the other has left them.
    for (const probe of i % 2 === 0 ? [one, many] : [many, one]) {
      await probe.timeEvent(i, i >= WARM_UPS);
      await sleep(PAUSE_MS + Math.random() * PAUSE_MS);
    }
  }
  for (const { times } of [one, many]) for (const list of [times.each, times.last]) list.sort((a, b) => a - b);
}

async function withProbe<T>(replicas: number, body: (probe: FleetProbe) => Promise<T>): Promise<T> {
  const config = { index: { processes: 1 } };
  const options = { replicas: Array.from({ length: replicas }, () => ({ volume: "512M", config })) };
  // All of them share this machine's load, and none is to be spared for it.
  const primary = { index: { processes: 1 }, push: { max_load: 10_000 } };
  return withMany({ ...options, volume: "1G", primary }, async (many) => {
    const writer = await Writer.open(many.primary.socket("ingest"));
    await writer.send(eventLine(0, { priority: "critical" }));
    await allAck(many, [...many.replicas.keys()], 1);
    await eachOf([...many.replicas.keys()], (index) => replicaAnswers(fleetOf(many, index), 1));
    const readers = await Promise.all(many.replicas.map((_, index) => openReader(many, index)));
    try {
      return await body(new FleetProbe(many, writer, readers));
    } finally {
      writer.close();
      for (const reader of readers) reader.close();
    }
  });
}

/** A fleet that is up, with a way in and a way to ask each of its replicas. */
class FleetProbe {
  readonly times: Times = { each: [], last: [] };
  readonly #many: ManyFleet;
  readonly #writer: Writer;
  readonly #readers: readonly Reader[];

  constructor(many: ManyFleet, writer: Writer, readers: readonly Reader[]) {
    this.#many = many;
    this.#writer = writer;
    this.#readers = readers;
  }

  async timeEvent(index: number, counts: boolean): Promise<void> {
    const promotions = this.#readers.map((reader) => reader.nextPromotion());
    const { seq, ackedAt } = await this.#writer.send(eventLine(index, { priority: "critical" }));
    const answered = await Promise.all(
      this.#readers.map(async (reader, i) => {
        await promotions[i];
        await reader.untilAnswered(seq, ackedAt);
        return performance.now() - ackedAt;
      }),
    );
    if (!counts) return;
    this.times.each.push(...answered);
    this.times.last.push(Math.max(...answered));
  }

  /** Ends the fleet's daemons. */
  timeRaw(): Promise<RawReceives> {
    return timeRawReceives(this.#many, () => this.#writer.send(eventLine(0, { priority: "critical" })));
  }
}

/** An ingest connection. */
class Writer {
  readonly #socket: Socket;
  #onAck: (line: string) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(path: string): Promise<Writer> {
    const socket = connect(path);
    await new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const writer = new Writer(socket);
    createInterface({ input: socket }).on("line", (line) => writer.#onAck(line));
    return writer;
  }

  send(line: string): Promise<{ seq: number; ackedAt: number }> {
    return new Promise((resolve) => {
      this.#onAck = (text) => resolve({ seq: (JSON.parse(text) as { seq: number }).seq, ackedAt: performance.now() });
      this.#socket.write(`${line}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

async function openReader(many: ManyFleet, index: number): Promise<Reader> {
  const fleet = fleetOf(many, index);
  const { dir } = await storeOf(fleet, "replica");
  if (!existsSync(dir)) throw new Error(`${dir} is not there`);
  return new Reader(watch(dir), fleet.replica.socket("query"));
}

/**
 * Hears from the kernel when `current` is swapped, and only then asks, less often the longer it takes: twenty replicas asked all
 * the time would have no processor left for their work.
 */
class Reader {
  readonly #watcher: FSWatcher;
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(watcher: FSWatcher, socketPath: string) {
    this.#watcher = watcher;
    this.#socketPath = socketPath;
  }

  nextPromotion(): Promise<void> {
    return new Promise((resolve) => {
      const onChange = (_event: string, name: string | Buffer | null) => {
        if (name !== "current") return;
        this.#watcher.off("change", onChange);
        resolve();
      };
      this.#watcher.on("change", onChange);
    });
  }

  async untilAnswered(seq: number, sinceMs: number): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS;
    while (performance.now() < deadline) {
      if ((await this.#status(`/v1/event?seq=${seq}`)) === 200) return;
      await sleep(Math.max(ASK_LEAST_MS, (performance.now() - sinceMs) * ASK_SHARE));
    }
    throw new Error(`${this.#socketPath} never answered with event ${seq}`);
  }

  close(): void {
    this.#watcher.close();
    this.#agent.destroy();
  }

  #status(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const asked = request({ agent: this.#agent, socketPath: this.#socketPath, path }, (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode ?? 0));
      });
      asked.once("error", reject);
      asked.end();
    });
  }
}

function row(metric: string, ours: number, yardstick: number, most: number | undefined): BenchRow {
  const ratio = ours / yardstick;
  const goal = most === undefined ? "-" : `<= ${most} x one replica`;
  return {
    bench: "fleet",
    metric,
    unit: "ms",
    ours,
    yardstick,
    ratio,
    goal,
    met: most === undefined ? null : ratio <= most,
  };
}
