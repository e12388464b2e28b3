// The `wire` bench: bytes on the wire per 1,000 real log events at level heuristic, with zstd level 3 on the stream, and
// raw beside it. Reads `<data>/*/events.jsonl`, where data is $ISOCHRON_BENCH_DATA or a `shared/data/loghub` beside this
// checkout; without them, log lines that the bench makes, and it says so.
import { createReadStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { PrimaryStatus } from "../../primary/answer-operator.js";
import { sendLines } from "../../primary/sources/lines/ingest-client.js";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { type Fleet, replicaAnswers, withFleet } from "../support/start-fleet.js";
import type { BenchRow } from "./bench-row.js";
import { eventLine } from "./make-events.js";

const DATA =
  process.env.ISOCHRON_BENCH_DATA ?? fileURLToPath(new URL("../../../../shared/data/loghub", import.meta.url));
const GOAL_MB = 0.6;

export async function benchWire(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { name, events, open } of await listInputs()) {
    const raw = await measure(open, events, { compression: "none", compressed_data: "never" });
    const zstd = await measure(open, events, { compression: "zstd", zstd_level: 3, compressed_data: "never" });
    const met = zstd <= GOAL_MB;
    rows.push({
      bench: "wire",
      metric: name,
      unit: "MB/1,000 events",
      ours: zstd,
      yardstick: raw,
      ratio: zstd / raw,
      goal: `<= ${GOAL_MB} MB`,
      met,
    });
  }
  return rows;
}

interface Input {
  name: string;
  events: number;
  open: () => Readable;
}

async function listInputs(): Promise<Input[]> {
  const names = await readdir(DATA, { withFileTypes: true }).catch(() => []);
  const inputs: Input[] = [];
  for (const { name } of names.filter((entry) => entry.isDirectory())) {
    const file = join(DATA, name, "events.jsonl");
    const text = await readFile(file, "utf8").catch(() => "");
    if (text) inputs.push({ name, events: text.trimEnd().split("\n").length, open: () => createReadStream(file) });
  }
  if (inputs.length > 0) return inputs;
  process.stderr.write(`bench wire: there is no ${DATA}, so it runs on events that it makes\n`);
  const lines = Array.from({ length: 2000 }, (_, i) => `${eventLine(i)}\n`);
  return [{ name: "made events", events: lines.length, open: () => Readable.from(lines) }];
}

/** Megabytes on the wire per 1,000 events, from the second generation on: the first is not what a link carries daily. */
async function measure(open: () => Readable, events: number, push: Record<string, unknown>): Promise<number> {
  return withFleet({ primary: { push } }, async (fleet) => {
    await send(fleet, Readable.from([`${eventLine(0, { priority: "critical" })}\n`]));
    await replicaAnswers(fleet, 2);
    const before = await bytesSent(fleet);
    await send(fleet, open());
    await fleet.primary.run("seal");
    await replicaAnswers(fleet, events + 3);
    return (((await bytesSent(fleet)) - before) / 1e6 / events) * 1000;
  });
}

async function send(fleet: Fleet, input: Readable): Promise<void> {
  await sendLines({ socketPath: fleet.primary.socket("ingest"), input, onAck: () => undefined });
}

async function bytesSent(fleet: Fleet): Promise<number> {
  const status = await askSocket<PrimaryStatus>({ socketPath: fleet.primary.socket("control"), path: "/v1/status" });
  return status.replicas[0]?.bytes_sent ?? 0;
}
