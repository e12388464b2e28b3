// The `latency` bench: from the ack of a critical event until the replica answers with it, idle and under 1,000 low
// events a second, against the bare floor on the same volumes: fsync, two snapshots, send | receive of both, sync.
import { mkdir, open } from "node:fs/promises";
import { Agent, request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { type Fleet, replicaAnswers, withFleet } from "../support/start-fleet.js";
import type { BenchRow } from "./bench-row.js";
import { eventLine } from "./make-events.js";
import { percentile } from "./percentile.js";
import { pipeCommands } from "./pipe-commands.js";

const IDLE_EVENTS = 60;
const LOADED_EVENTS = 40;
const FLOOR_RUNS = 20;
const ASK_PAUSE_MS = 4;
const LOAD_PER_SECOND = 1000;

export async function benchLatency(): Promise<BenchRow[]> {
  return withFleet({ volume: "4G" }, async (fleet) => {
    const client = await Client.open(fleet);
    await client.send(eventLine(0, { priority: "critical" }));
    await replicaAnswers(fleet, 1);
    const floorMs = await measureFloor(fleet);
    const idle = await measure(client, IDLE_EVENTS);
    const stopLoad = startLoad(fleet);
    await sleep(2000);
    const loaded = await measure(client, LOADED_EVENTS);
    await stopLoad();
    client.close();
    return [
      row("idle p50", percentile(idle, 50), floorMs, "<= 60 ms", percentile(idle, 50) <= 60),
      row("idle p99", percentile(idle, 99), floorMs, "<= 120 ms", percentile(idle, 99) <= 120),
      row(
        "idle p50 : bare floor",
        percentile(idle, 50),
        floorMs,
        "ratio <= 2.5",
        percentile(idle, 50) / floorMs <= 2.5,
      ),
      row("under 1,000 events/s p50", percentile(loaded, 50), floorMs, "-", null),
      row("under 1,000 events/s p99", percentile(loaded, 99), floorMs, "-", null),
    ];
  });
}

/** Milliseconds from ack to answer, one event after another with pauses between. */
async function measure(client: Client, events: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < events; i += 1) {
    const { seq, ackedAt } = await client.send(eventLine(i, { priority: "critical" }));
    await client.untilAnswered(seq);
    times.push(performance.now() - ackedAt);
    await sleep(50 + Math.random() * 50);
  }
  return times.sort((a, b) => a - b);
}

/** An ingest connection, and a kept-alive connection to the replica's query socket. */
class Client {
  readonly #socket: Socket;
  readonly #agent: Agent;
  readonly #querySocket: string;
  #onAck: (line: string) => void = () => undefined;

  private constructor(socket: Socket, querySocket: string) {
    this.#socket = socket;
    this.#querySocket = querySocket;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 });
    createInterface({ input: socket }).on("line", (line) => this.#onAck(line));
  }

  static async open(fleet: Fleet): Promise<Client> {
    const socket = connect(fleet.primary.socket("ingest"));
    await new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new Client(socket, fleet.replica.socket("query"));
  }

  send(line: string): Promise<{ seq: number; ackedAt: number }> {
    return new Promise((resolve) => {
      this.#onAck = (text) => resolve({ seq: (JSON.parse(text) as { seq: number }).seq, ackedAt: performance.now() });
      this.#socket.write(`${line}\n`);
    });
  }

  /**
   * Asks for the event until the replica has it, a little apart: asked without pause, one of the machine's cores would do
   * nothing but answer that it is not there yet. What is measured is too long by half a pause on average.
   */
  async untilAnswered(seq: number): Promise<void> {
    for (let tries = 0; tries < 10_000; tries += 1) {
      if ((await this.#status(`/v1/event?seq=${seq}`)) === 200) return;
      await sleep(ASK_PAUSE_MS);
    }
    throw new Error(`the replica never answered with event ${seq}`);
  }

  close(): void {
    this.#socket.destroy();
    this.#agent.destroy();
  }

  #status(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const asked = request({ agent: this.#agent, socketPath: this.#querySocket, path }, (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode ?? 0));
      });
      asked.once("error", reject);
      asked.end();
    });
  }
}

/** 1,000 low events a second on a connection of its own. */
function startLoad(fleet: Fleet): () => Promise<void> {
  const socket = connect(fleet.primary.socket("ingest"));
  socket.resume();
  let sent = 0;
  const began = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * LOAD_PER_SECOND;
    let lines = "";
    for (; sent < due; sent += 1) lines += `${eventLine(sent)}\n`;
    socket.write(lines);
  }, 10);
  return async () => {
    clearInterval(timer);
    await new Promise((resolve) => socket.end(() => resolve(undefined)));
  };
}

/** Median milliseconds of what no design can leave out, one step after another, on the fleet's own volumes. */
async function measureFloor(fleet: Fleet): Promise<number> {
  const source = join(fleet.primary.root, "floor");
  const target = join(fleet.replica.root, "floor");
  await Promise.all([mkdir(source), mkdir(target)]);
  for (const name of ["a", "b"]) await btrfs("subvolume", "create", join(source, name));
  const times: number[] = [];
  for (let run = 0; run <= FLOOR_RUNS; run += 1) {
    const began = performance.now();
    await floorOnce(source, target, run);
    // The first has no base.
    if (run > 0) times.push(performance.now() - began);
  }
  return percentile(
    times.sort((a, b) => a - b),
    50,
  );
}

async function floorOnce(source: string, target: string, run: number): Promise<void> {
  const file = await open(join(source, "a", "log"), "a");
  await file.write(`${"x".repeat(700)}\n`);
  await file.datasync();
  await file.close();
  for (const name of ["a", "b"])
    await btrfs("subvolume", "snapshot", "-r", join(source, name), join(source, `${name}${run}`));
  for (const name of ["a", "b"]) {
    const base = run === 0 ? [] : ["-p", join(source, `${name}${run - 1}`)];
    const send = ["btrfs", "send", "-q", ...base, join(source, `${name}${run}`)];
    await pipeCommands(send, ["btrfs", "receive", "-q", target]);
  }
  await btrfs("filesystem", "sync", target);
}

async function btrfs(...args: string[]): Promise<void> {
  await execa("btrfs", args);
}

function row(metric: string, ours: number, yardstick: number, goal: string, met: boolean | null): BenchRow {
  return { bench: "latency", metric, unit: "ms", ours, yardstick, ratio: ours / yardstick, goal, met };
}
