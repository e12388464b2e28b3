// Events through a whole primary at one level: from the first line sent until the last event has its vector. Once
// with texts that are new to it, then with the same logs again and again, whose texts it has met.
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { sendLines } from "../../../primary/sources/lines/ingest-client.js";
import { type FleetEvent, mustRun, primaryStatus, seal } from "../../support/drive-fleet.js";
import { type Fleet, makeFleet } from "../../support/start-fleet.js";
import type { BenchModel } from "./find-models.js";
import { type WatchedDelays, WatchedLoops } from "./watched-loops.js";

const POLL_MS = 25;
const PACE_MS = 10;
export const PACED_PER_SECOND = 2000;

export interface PipelineRun {
  events: number;
  perSecond: number;
  delays: WatchedDelays;
}

export interface PipelineRuns {
  /** Each text met for the first time. */
  fresh: PipelineRun;
  /** Each text met before. */
  known: PipelineRun;
  /** The same, so many a second as they are made, and not all at once. */
  steady: PipelineRun;
}

/** `of`: a level with its model, or the level that needs none. `times`: how often the logs are sent again. */
export async function measurePipeline(
  of: BenchModel | "heuristic",
  logs: readonly FleetEvent[],
  times: number,
): Promise<PipelineRuns> {
  const model = of === "heuristic" ? undefined : of.model;
  const level = of === "heuristic" ? of : of.level;
  const vectorize = { level, ...(model && { models: { [level]: model.name } }) };
  const fleet = await makeFleet({ volume: "2G", primary: { vectorize } });
  const loops = WatchedLoops.prepare(fleet.primary.daemon, fleet.folder);
  try {
    if (model) await mustRun(fleet.primary, "model", "add", model.dir, "--name", model.name);
    await fleet.primary.daemon.start();
    const lines = formatLines(logs);
    const again = new Array<string[]>(times).fill(lines).flat();
    const fresh = await measureRun(fleet, loops, await allAtOnce(fleet, lines), lines.length);
    const known = await measureRun(fleet, loops, await allAtOnce(fleet, again), again.length);
    const steady = await measureRun(fleet, loops, Readable.from(paced(again, PACED_PER_SECOND)), again.length);
    await requireInForce(fleet, level);
    await seal(fleet, { force: true });
    assert.equal(JSON.parse(await mustRun(fleet.primary, "verify", "--json")).verdict, "intact");
    return { fresh, known, steady };
  } finally {
    await loops.stop();
    await fleet.stop();
  }
}

async function measureRun(fleet: Fleet, loops: WatchedLoops, input: Readable, events: number): Promise<PipelineRun> {
  await loops.read();
  const began = performance.now();
  const { answered } = await sendLines({
    socketPath: fleet.primary.socket("ingest"),
    input,
    onAck: (ack) => assert.ok("seq" in ack, JSON.stringify(ack)),
  });
  assert.equal(answered, events);
  while ((await primaryStatus(fleet)).backlog.vectors > 0) await sleep(POLL_MS);
  const perSecond = (events * 1000) / (performance.now() - began);
  return { events, perSecond, delays: await loops.read() };
}

/** As fast as they are taken. The file is there before the clock starts: making lines is not what is measured. */
async function allAtOnce(fleet: Fleet, lines: readonly string[]): Promise<Readable> {
  const file = join(fleet.folder, "logs.jsonl");
  await writeFile(file, lines.join(""));
  return createReadStream(file, { highWaterMark: 256 * 1024 });
}

/** As logs come: some now, some a little later. */
async function* paced(lines: readonly string[], perSecond: number): AsyncGenerator<string> {
  const began = performance.now();
  for (let sent = 0; sent < lines.length; ) {
    await sleep(PACE_MS);
    const due = Math.min(lines.length, Math.ceil(((performance.now() - began) / 1000) * perSecond));
    if (due > sent) yield lines.slice(sent, due).join("");
    sent = due;
  }
}

/** Without their keys: with them, the second time would be duplicates. */
function formatLines(logs: readonly FleetEvent[]): string[] {
  return logs.map((event) => `${JSON.stringify({ ...event, idempotency_key: undefined })}\n`);
}

/** A level that fell back would be fast, and measure nothing. */
async function requireInForce(fleet: Fleet, level: string): Promise<void> {
  const { in_force, workers } = (await primaryStatus(fleet)).vectorize;
  const found = in_force.find((one) => one.level === level);
  assert.ok(found?.in_force === level && found.proven, JSON.stringify(in_force));
  assert.equal(workers.deaths, 0, "workers died");
}
