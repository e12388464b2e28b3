// The `ingest` bench: one client, durable acks, 500-byte states, against the barest durable append of the same lines:
// JSON.parse, one file, one fdatasync per group. Runs 10,000, 200,000 and 1,000,000 events into one store each.
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { PrimaryStatus } from "../../primary/answer-operator.js";
import { sendLines } from "../../primary/sources/lines/ingest-client.js";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { type Fleet, makeFleet } from "../support/start-fleet.js";
import { withVolume } from "../support/with-volume.js";
import type { BenchRow } from "./bench-row.js";
import { eventStream } from "./make-events.js";

const SMALL = 10_000;
const MIDDLE = 200_000;
const LARGE = 1_000_000;

interface Run {
  perSecond: number;
  /** The daemon's own memory, as samples over the run. */
  memoryMib: number[];
}

export async function benchIngest(): Promise<BenchRow[]> {
  // Small runs are repeated, so that one slow fsync does not decide.
  const small = median(await repeat(5, () => ingest(SMALL)), ({ perSecond }) => perSecond);
  const bare = await bareAppend(MIDDLE);
  const middle = await ingest(MIDDLE);
  const large = await ingest(LARGE);
  const grown = growth(large.memoryMib);
  const costRatio = small.perSecond / large.perSecond;
  return [
    row("200,000 events acked", "events/s", middle.perSecond, bare, ">= 20,000/s", middle.perSecond >= 20_000),
    row("10,000 events acked", "events/s", small.perSecond, bare, "-", null),
    row("1,000,000 events acked", "events/s", large.perSecond, bare, "-", null),
    row("cost per event, 1,000,000 : 10,000", "ratio", costRatio, 1, "<= 1.3", costRatio <= 1.3),
    row("memory of the primary, last tenth : second tenth", "ratio", grown, 1, "<= 1.25 (flat)", grown <= 1.25),
    row("memory of the primary at the end", "MiB", large.memoryMib.at(-1) ?? 0, null, "-", null),
  ];
}

async function ingest(events: number): Promise<Run> {
  const fleet = await makeFleet({ volume: "16G" });
  try {
    await fleet.primary.daemon.start();
    return await sendAll(fleet, events);
  } finally {
    await fleet.stop();
  }
}

async function sendAll(fleet: Fleet, events: number): Promise<Run> {
  // The lines are on disk before the clock starts: a client that makes them as it sends would be what is measured.
  const file = join(fleet.folder, "events.jsonl");
  await pipeline(eventStream(0, events), createWriteStream(file));
  const memoryMib: number[] = [];
  let acked = 0;
  const step = Math.ceil(events / 10);
  const samples: Promise<void>[] = [];
  const began = performance.now();
  const input = await open(file, "r");
  const result = await sendLines({
    socketPath: fleet.primary.socket("ingest"),
    input: input.createReadStream({ highWaterMark: 256 * 1024 }),
    onAck: (ack) => {
      if (!("seq" in ack)) throw new Error(`refused: ${JSON.stringify(ack)}`);
      acked += 1;
      if (acked % step === 0) samples.push(sampleMemory(fleet, memoryMib));
    },
  });
  const seconds = (performance.now() - began) / 1000;
  if (result.answered !== events) throw new Error(`${result.answered} of ${events} were acked`);
  await Promise.all(samples);
  return { perSecond: events / seconds, memoryMib };
}

async function sampleMemory(fleet: Fleet, samples: number[]): Promise<void> {
  const status = await askSocket<PrimaryStatus>({ socketPath: fleet.primary.socket("control"), path: "/v1/status" });
  samples.push(status.memory_bytes / 2 ** 20);
}

/** Second tenth against the last: the first is the warm-up of the runtime. */
function growth(samples: readonly number[]): number {
  return (samples.at(-1) ?? 0) / (samples[1] ?? 1);
}

/** JSON.parse of each line, one write and one fdatasync for all that was read meanwhile. */
async function bareAppend(events: number): Promise<number> {
  return withVolume(async (root) => {
    const folder = await mkdtemp(join(tmpdir(), "isochron-bench-"));
    try {
      const source = join(folder, "events.jsonl");
      await pipeline(eventStream(0, events), createWriteStream(source));
      const target = await open(join(root, "bare.jsonl"), "w");
      const input = (await open(source, "r")).createReadStream({ highWaterMark: 256 * 1024, encoding: "utf8" });
      const began = performance.now();
      let rest = "";
      for await (const chunk of input) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() as string;
        for (const line of lines) JSON.parse(line);
        await target.write(`${lines.join("\n")}\n`);
        await target.datasync();
      }
      const seconds = (performance.now() - began) / 1000;
      await target.close();
      if (!input.closed) await once(input, "close");
      return events / seconds;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 2 ** 32);
}

async function repeat<T>(times: number, run: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let i = 0; i < times; i += 1) results.push(await run());
  return results;
}

function median<T>(values: T[], key: (value: T) => number): T {
  return values.sort((a, b) => key(a) - key(b))[Math.floor(values.length / 2)] as T;
}

function row(
  metric: string,
  unit: string,
  ours: number,
  yardstick: number | null,
  goal: string,
  met: boolean | null,
): BenchRow {
  return {
    bench: "ingest",
    metric,
    unit,
    ours,
    yardstick,
    ratio: yardstick === null ? null : ours / yardstick,
    goal,
    met,
  };
}
