// Spaces that are filled with rows of events that generations hold already, on a primary and a replica as users run them.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ReembedAnswer } from "../../primary/fill-orders.js";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { heuristicSpace } from "../../shared/embed/heuristic.js";
import { parseSpace, spaceName } from "../../shared/format/space.js";
import { rowBytes } from "../../shared/format/vector-row.js";
import { listSegments } from "../../shared/store/read-lines.js";
import { readRowSeqs } from "../../shared/store/read-row-seqs.js";
import {
  eventually,
  expectConverged,
  ingest,
  jsonLines,
  mustRun,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  startWithEvents,
  storeOf,
} from "../support/drive-fleet.js";
import { makeModel } from "../support/make-model.js";
import { MODEL_RUNTIME, requirePart } from "../support/require-part.js";
import { type Fleet, makeFleet, replicaAnswers } from "../support/start-fleet.js";

const SPACE = spaceName(heuristicSpace);
const NO_ROWS = { ...QUIET, vectorize: { level: "none" } };

/** Events of the rows that a side's newest generation holds in the space, sorted. */
async function filledSeqs(fleet: Fleet, side: "primary" | "replica", space = SPACE): Promise<number[]> {
  const { generation } = (await primaryStatus(fleet)).ledger;
  const tree = (await storeOf(fleet, side)).generation(generation);
  const folder = tree.space(space);
  const width = rowBytes(parseSpace(await readFile(tree.spaceFile(space), "utf8")));
  const seqs: number[] = [];
  for (const file of listSegments(folder, "vec")) {
    for await (const some of readRowSeqs(join(folder, file), width, 0, 1e9)) seqs.push(...some);
  }
  return seqs.sort((a, b) => a - b);
}

async function fillOf(fleet: Fleet) {
  return (await primaryStatus(fleet)).vectorize.fills[0];
}

/** Waits until nothing is being filled. */
async function fillEnds(fleet: Fleet): Promise<void> {
  let last: unknown;
  await eventually(
    async () => {
      last = await fillOf(fleet);
      return last === undefined;
    },
    () => `the fill does not end: ${JSON.stringify(last)}`,
    { minutes: 3 },
  );
}

async function ledgerHas(fleet: Fleet, action: string): Promise<number> {
  const query = `/v1/timeline?limit=100&element=vectors:${SPACE}`;
  const { results } = await askSocket<{ results: { action: string }[] }>({
    socketPath: fleet.replica.socket("query"),
    path: query,
  });
  return results.filter((one) => one.action === action).length;
}

async function reembed(fleet: Fleet, ...args: string[]): Promise<ReembedAnswer> {
  const text = await mustRun(fleet.primary, "reembed", "--space", "heuristic", "--json", ...args);
  return jsonLines<ReembedAnswer>(text)[0] as ReembedAnswer;
}

describe("a space that is filled later", () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await makeFleet({ volume: "512M", primary: { ...NO_ROWS, push: { hello_seconds: 1 } } });
    await startWithEvents(fleet);
  });
  after(() => fleet?.stop());

  test("is described by a dry run, which makes nothing of it", async () => {
    await ingest(fleet, someEvents(300, "older"));
    const answer = await reembed(fleet, "--dry-run");
    assert.equal(answer.space, SPACE);
    assert.equal(answer.missing, 310);
    assert.equal(answer.bytes, 310 * rowBytes(heuristicSpace));
    assert.ok((answer.events_per_second ?? 0) > 0);
    assert.ok((answer.seconds ?? -1) >= 0);
    assert.deepEqual(await readdir((await storeOf(fleet, "primary")).live.vector), ["generation"]);
    const some = await reembed(fleet, "--dry-run", "--to", "5", "--priority", "medium", "low");
    assert.equal(some.missing, 5);
    const none = await reembed(fleet, "--dry-run", "--priority", "critical");
    assert.deepEqual([none.missing, none.seconds], [0, 0]);
  });

  test("holds one row of each event that was asked for, on both sides, while events go on coming in", async () => {
    const waited = reembed(fleet, "--wait");
    await ingest(fleet, someEvents(200, "meanwhile"));
    const { done, from, to } = await waited;
    assert.equal(from, 0);
    assert.equal(done?.left_out, 0);
    assert.ok((done?.made ?? 0) >= 310);
    await expectConverged(fleet);
    const seqs = await filledSeqs(fleet, "primary");
    assert.equal(new Set(seqs).size, seqs.length);
    assert.equal(seqs.length, done?.made);
    assert.ok(seqs.every((seq) => seq < to));
    assert.deepEqual(await filledSeqs(fleet, "replica"), seqs);
    assert.equal(await ledgerHas(fleet, "space_filled"), 1);
    const { results } = await askSocket<{ results: { cosine: number }[] }>({
      socketPath: fleet.replica.socket("query"),
      path: `/v1/similar?seq=${seqs[20]}`,
    });
    assert.ok(results.length > 0);
  });

  test("goes on after the primary was killed in the middle of it, without a second row of any event", async () => {
    await ingest(fleet, someEvents(12_000, "many"));
    for (const pid of (await primaryStatus(fleet)).vectorize.workers.pids) process.kill(pid, "SIGSTOP");
    await reembed(fleet);
    const stopped = await letWorkersMake(fleet, 512);
    // Some of its rows are in a generation, some are in none.
    await seal(fleet, { force: true });
    const { made = 0 } = (await fillOf(fleet)) ?? {};
    await letWorkersMake(fleet, made + 512);
    const before = await fillOf(fleet);
    assert.equal(before?.state, "filling");
    assert.ok(before.missing > 0);
    await fleet.primary.daemon.kill();
    for (const pid of stopped) killIfThere(pid);
    await fleet.primary.daemon.start();
    const after = await fillOf(fleet);
    assert.ok(after === undefined || after.made < 12_000, "rows that were there are made again");
    await fillEnds(fleet);
    await expectConverged(fleet);
    const seqs = await filledSeqs(fleet, "replica");
    assert.equal(new Set(seqs).size, seqs.length);
    assert.equal((await reembed(fleet, "--dry-run", "--to", String((seqs.at(-1) ?? 0) + 1))).missing, 0);
    assert.ok(seqs.length >= 12_500);
    assert.equal(await ledgerHas(fleet, "space_filled"), 2);
  });

  test("is paused over a restart, resumed and cancelled; a foreign name is refused with the names there are", async () => {
    await ingest(fleet, someEvents(50, "held"));
    const { stderr, exitCode } = await fleet.primary.run("reembed", "--space", "all-that-there-is");
    assert.notEqual(exitCode, 0);
    assert.match(stderr, new RegExp(`no level here.*all-that-there-is.*\\n?.*heuristic \\(${SPACE}\\)`, "s"));
    const nobody = await fleet.primary.run("reembed", "--space", "heuristic", "--cancel");
    assert.match(nobody.stderr, /nobody has asked/);
    // Its events are in no generation, and nothing seals them: it waits.
    const pids = (await primaryStatus(fleet)).vectorize.workers.pids;
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    await reembed(fleet);
    assert.match(await mustRun(fleet.primary, "reembed", "--space", SPACE, "--pause"), /^paused: /);
    const other = await fleet.primary.run("reembed", "--space", "heuristic", "--priority", "low");
    assert.match(other.stderr, /is being filled already/);
    await fleet.primary.daemon.kill();
    for (const pid of pids) killIfThere(pid);
    await fleet.primary.daemon.start();
    let last: unknown;
    await eventually(
      async () => {
        last = await fillOf(fleet);
        return (last as { state: string } | undefined)?.state === "paused";
      },
      () => `the fill is not paused after the restart: ${JSON.stringify(last)}`,
    );
    assert.match(await mustRun(fleet.primary, "status"), /^fill +heuristic-\S+: .*paused$/m);
    assert.match(
      await mustRun(fleet.primary, "reembed", "--space", "heuristic", "--cancel", "--dry-run"),
      /^would cancel/,
    );
    assert.match(await mustRun(fleet.primary, "reembed", "--space", "heuristic", "--cancel"), /^cancelled: /);
    assert.equal(await fillOf(fleet), undefined);
    const { done } = await reembed(fleet, "--wait");
    assert.ok((done?.made ?? 0) >= 50);
    await expectConverged(fleet);
  });
});

/** Lets stopped embedding workers go on for moments, until so many rows were made; returns them, stopped. */
async function letWorkersMake(fleet: Fleet, rows: number): Promise<number[]> {
  let last: unknown;
  for (const endMs = performance.now() + 60_000; performance.now() < endMs; ) {
    const { fills, workers } = (await primaryStatus(fleet)).vectorize;
    last = fills[0];
    if ((fills[0]?.made ?? 0) >= rows) return workers.pids;
    for (const pid of workers.pids) process.kill(pid, "SIGCONT");
    await sleep(5);
    for (const pid of workers.pids) process.kill(pid, "SIGSTOP");
  }
  throw new Error(`the fill does not come to ${rows} rows: ${JSON.stringify(last)}`);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

describe("a level that some events get later", () => {
  test("is given to each of them once its generation stands, by itself, and again after a restart to those of before", async () => {
    const vectorize = { level: "none", later: { critical: "heuristic" } };
    const fleet = await makeFleet({ volume: "256M", primary: { ...QUIET, vectorize, push: { hello_seconds: 1 } } });
    try {
      await startWithEvents(fleet);
      const events = (tag: string) => [
        ...someEvents(3, tag),
        ...someEvents(2, tag, { priority: "critical" }),
        ...someEvents(3, tag),
      ];
      const acks = await ingest(fleet, events("first"));
      const critical = acks.slice(3, 5).map(({ seq }) => seq);
      await rowsBecome(fleet, critical);
      await fleet.primary.daemon.stop();
      await fleet.primary.daemon.start();
      const more = await ingest(fleet, events("second"));
      await rowsBecome(fleet, [...critical, ...more.slice(3, 5).map(({ seq }) => seq)]);
      await expectConverged(fleet);
      await replicaAnswers(fleet, (await primaryStatus(fleet)).ledger.sealed);
      assert.equal((await fillOf(fleet))?.kind, "later");
      const { stderr } = await fleet.primary.run("reembed", "--space", "heuristic", "--cancel");
      assert.match(stderr, /vectorize\.later/);
    } finally {
      await fleet.stop();
    }
  });
});

describe("a space of a model", () => {
  test("is filled once the model is there, beside the old space, whose rows stay as they are", async (t) => {
    if (!(await requirePart(t, MODEL_RUNTIME))) return;
    const vectorize = { models: { medium: "made-model" } };
    const fleet = await makeFleet({ volume: "512M", primary: { ...QUIET, vectorize, push: { hello_seconds: 1 } } });
    try {
      await startWithEvents(fleet);
      const refused = await fleet.primary.run("reembed", "--space", "medium");
      assert.match(refused.stderr, /level medium cannot be had.*\n?.*model add/s);
      const folder = join(fleet.folder, "made-model");
      await mkdir(folder, { recursive: true });
      await makeModel(folder);
      await mustRun(fleet.primary, "model", "add", folder);
      const before = await filledSeqs(fleet, "primary");
      const { space, done, missing } = JSON.parse(
        await mustRun(fleet.primary, "reembed", "--space", "medium", "--wait", "--json"),
      ) as ReembedAnswer;
      assert.deepEqual([done?.made, done?.left_out], [missing, 0]);
      assert.match(space, /^made-model-/);
      await expectConverged(fleet);
      assert.deepEqual((await filledSeqs(fleet, "primary")).slice(0, before.length), before);
      assert.deepEqual(await filledSeqs(fleet, "replica", space), before);
    } finally {
      await fleet.stop();
    }
  });
});

/** Rows that are written ask for a generation half a minute later; an operator asks at once. */
async function rowsBecome(fleet: Fleet, wanted: number[]): Promise<void> {
  let last: unknown;
  await eventually(
    async () => {
      last = await fillOf(fleet);
      return (last as { missing: number; state: string }).state === "done";
    },
    () => `the fill is as ${JSON.stringify(last)}`,
  );
  await mustRun(fleet.primary, "seal");
  await expectConverged(fleet);
  assert.deepEqual(await filledSeqs(fleet, "replica"), wanted);
}
