// One range of a fill, on a ground whose workers die where the test says so.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Fill } from "../../../../primary/vectorize/fill/fill.js";
import type { FillGround } from "../../../../primary/vectorize/fill/fill-ground.js";
import { fillRange, STOPPED } from "../../../../primary/vectorize/fill/fill-range.js";
import { eventsOf } from "../../../../primary/vectorize/fill/next-range.js";
import { SeqSet } from "../../../../primary/vectorize/seq-set.js";
import { WorkerDied } from "../../../../primary/vectorize/worker-process.js";
import { heuristicSpace } from "../../../../shared/embed/heuristic.js";
import { spaceName } from "../../../../shared/format/space.js";

const TARGET = { space: spaceName(heuristicSpace), rowBytes: 8 };

class Ground implements FillGround {
  readonly lanes = 1;
  readonly written: number[] = [];
  jobs = 0;
  space = TARGET.space;
  constructor(
    readonly poison: readonly number[],
    readonly mostEvents = 100,
  ) {}
  target = async () => ({ ...TARGET, space: this.space });
  prepare = async () => TARGET;
  seqsOf = async () => new SeqSet(0);
  embed: FillGround["embed"] = async (_level, _priorities, range) => {
    this.jobs += 1;
    const seqs = eventsOf(range).slice(0, this.mostEvents);
    if (seqs.some((seq) => this.poison.includes(seq))) throw new WorkerDied("killed by an event", undefined);
    const end = seqs.length < eventsOf(range).length ? (seqs.at(-1) as number) + 1 : range.to;
    const bytes = Buffer.alloc(8 * seqs.length);
    for (const [i, seq] of seqs.entries()) bytes.writeBigUInt64LE(BigInt(seq), 8 * i);
    const rows = { space: heuristicSpace, firstSeq: seqs[0] ?? 0, count: seqs.length, bytes };
    return { rows: seqs.length > 0 ? rows : undefined, end };
  };
  append: FillGround["append"] = async ({ bytes }) => {
    const rows = Buffer.from(bytes);
    for (let at = 0; at < rows.length; at += 8) this.written.push(Number(rows.readBigUInt64LE(at)));
  };
}

async function run(ground: Ground, range = { from: 10, to: 110, skip: [12, 50] }, roomBytes = async () => 1e9) {
  const fill = new Fill({ level: "heuristic", priorities: ["low"], from: 0, to: 200 });
  fill.target = TARGET;
  const told: string[] = [];
  let bytes = 0;
  const log = { debug() {}, info() {}, warn() {}, error: (message: string) => told.push(message) };
  const failures: Error[] = [];
  const tried = async <T>(_: Fill, work: () => Promise<T>): Promise<T | typeof STOPPED> => {
    for (let tries = 0; tries < 3; tries += 1) {
      try {
        return await work();
      } catch (error) {
        failures.push(error as Error);
      }
    }
    return STOPPED;
  };
  const onRows = (wrote: number) => {
    bytes += wrote;
  };
  await fillRange({ ground, roomBytes, onRows, log }, fill, range, tried);
  return { fill, told, bytes, failures };
}

const ALL = Array.from({ length: 100 }, (_, i) => 10 + i).filter((seq) => seq !== 12 && seq !== 50);

describe("a range of a fill", () => {
  test("is written part by part, each event once, without those that are skipped", async () => {
    const ground = new Ground([], 7);
    const { fill, bytes } = await run(ground);
    assert.deepEqual(ground.written, ALL);
    assert.equal(bytes, 8 * ALL.length);
    assert.deepEqual([fill.made, fill.leftOut], [ALL.length, 0]);
  });

  test("goes on around the events that end their workers, which are left out and told", async () => {
    const ground = new Ground([10, 33, 34, 109]);
    const { fill, told } = await run(ground);
    assert.deepEqual(
      ground.written,
      ALL.filter((seq) => !ground.poison.includes(seq)),
    );
    assert.equal(fill.leftOut, 4);
    assert.equal(told.length, 4);
    assert.ok(ground.jobs < 60, `${ground.jobs} jobs`);
  });

  test("writes nothing where there is no room, and goes on when there is", async () => {
    const rooms = [0, 100, 1e9];
    const { fill, failures } = await run(new Ground([]), undefined, async () => rooms.shift() ?? 1e9);
    assert.equal(fill.made, ALL.length);
    assert.deepEqual(
      failures.map((error) => (error as Error & { code?: string }).code),
      ["no-room", "no-room"],
    );
  });

  test("is not written into another space, should its level make one by now", async () => {
    const ground = new Ground([]);
    ground.space = "another-0123456789ab";
    const { failures } = await run(ground);
    assert.deepEqual(ground.written, []);
    assert.match(failures[0]?.message ?? "", /another space now/);
  });
});
