// The vectorizer with real worker processes and real files.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFileSync } from "node:fs";
import { appendFile, mkdir, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import type { AppendedEvent, TakenRows } from "../../../primary/event.js";
import { LevelPlan } from "../../../primary/vectorize/level-plan.js";
import { type SealedVectors, Vectorizer, type VectorizerOptions } from "../../../primary/vectorize/vectorizer.js";
import type { EmbedderSpec } from "../../../shared/embed/embedder.js";
import { embedHeuristic, heuristicSpace } from "../../../shared/embed/heuristic.js";
import { addAction, NO_ACTIONS, type RecentActions } from "../../../shared/embed/recent-actions.js";
import { spaceOfModel } from "../../../shared/embed/resolve-level.js";
import { formatEntry, type Priority } from "../../../shared/format/entry.js";
import { sha256Hex } from "../../../shared/format/hash.js";
import { formatPayload } from "../../../shared/format/payload.js";
import { MOST_LATE_RANGES, type SealedRows } from "../../../shared/format/seal.js";
import { parseSpace, spaceName } from "../../../shared/format/space.js";
import { formatRows, parseRows, rowBytes } from "../../../shared/format/vector-row.js";
import { TreeLayout } from "../../../shared/store/layout.js";
import { appendedEvent } from "../../support/appended-event.js";
import { makeStoredModel } from "../../support/make-model.js";
import { MODEL_RUNTIME, requirePart } from "../../support/require-part.js";
import { until } from "../../support/until.js";
import { withFolder } from "../../support/with-folder.js";

const SPACE = spaceName(heuristicSpace);
const WIDTH = rowBytes(heuristicSpace);
const log = { debug() {}, info() {}, warn() {}, error() {} };

const EVERY = { critical: "heuristic", high: "heuristic", medium: "heuristic", low: "heuristic" } as const;

/** `space.json` of the heuristic that knew nothing of what an element did before. */
const FIRST_HEURISTIC =
  '{"dimensions":64,"dtype":"f32","fingerprint":"b0d44257814d0221dbc4c6b8c11c7e20dca78599950f28039e3ed9058eb63f8d",' +
  '"format":1,"metric":"cosine","model":"heuristic","normalised":true}\n';

/** A generation of `size` events, each with its row. */
function sealedRows(size: number, file: string): SealedVectors {
  return { size, rows: new Map([[SPACE, new Map([[file, size]])]]), late: [] };
}

const MEMORY_STATE = JSON.stringify({ text: "the copy in memory" });

const ACTIONS = ["modified", "connected", "failed", "removed"];

function appended(seq: number, priority: Priority = "low", more: Partial<AppendedEvent["entry"]> = {}): AppendedEvent {
  const state = { mtu: 1500 + (seq % 3), text: `change number ${seq}` };
  const action = ACTIONS[seq % ACTIONS.length] as string;
  return appendedEvent(seq, state, { action, element_id: `interface:eth${seq % 7}`, priority, ...more });
}

class Fixture {
  readonly tree: TreeLayout;
  /** The ledger. */
  readonly events: AppendedEvent[] = [];
  /** What the element of each event had done before it. */
  readonly recent: RecentActions[] = [];
  readonly #recentOf = new Map<string, RecentActions>();
  reads = 0;
  /** The most that was asked for at once. */
  mostRead = 0;
  constructor(folder: string) {
    this.tree = new TreeLayout(join(folder, "live"));
  }
  make(options: Partial<VectorizerOptions> = {}): Vectorizer {
    return new Vectorizer({
      tree: this.tree,
      levels: EVERY,
      plan: new LevelPlan([], log),
      workers: 1,
      urgentWorkers: 1,
      maxQueuedEvents: 10_000,
      log,
      recentActions: (seqs) => Uint32Array.from(seqs, (seq) => this.recent[seq] as number),
      readAppended: async (from, limit) => {
        this.reads += 1;
        this.mostRead = Math.max(this.mostRead, limit);
        return this.events.slice(from, from + limit);
      },
      ...options,
    });
  }
  write(count: number, priority: Priority = "low"): AppendedEvent[] {
    return this.add(Array.from({ length: count }, (_, i) => appended(this.events.length + i, priority)));
  }
  /** Into the ledger: in memory for `readAppended`, on disk for the workers. */
  add(events: AppendedEvent[]): AppendedEvent[] {
    this.events.push(...events);
    for (const { entry } of events) {
      const recent = this.#recentOf.get(entry.element_id) ?? NO_ACTIONS;
      this.recent.push(recent);
      this.#recentOf.set(entry.element_id, addAction(recent, entry.action));
    }
    const entries = events.map(({ entry }) => `${formatEntry(entry)}\n`);
    const payloads = events.map(({ seq, stateJson }) => `${formatPayload({ stateJson }, "0".repeat(32), seq)}\n`);
    appendFileSync(this.tree.entriesSegment(0), entries.join(""));
    appendFileSync(this.tree.payloadsSegment(0), payloads.join(""));
    return events;
  }
  async files(): Promise<string[]> {
    return (await readdir(this.tree.space(SPACE))).filter((name) => name.endsWith(".vec")).sort();
  }
  path(file: string): string {
    return join(this.tree.space(SPACE), file);
  }
  async seqs(): Promise<number[]> {
    const seqs: number[] = [];
    for (const file of await this.files()) {
      for (const { seq, vector } of parseRows(await readFile(this.path(file)), heuristicSpace)) {
        const { entry, stateJson } = this.events[seq] as AppendedEvent;
        assert.deepEqual(
          vector,
          embedHeuristic(entry, JSON.parse(stateJson), this.recent[seq] as number),
          `row of ${seq}`,
        );
        seqs.push(seq);
      }
    }
    return seqs;
  }
  /** Every event of the ledger that is no seal has one row, and it is the right one. */
  async assertComplete(): Promise<void> {
    const wanted = this.events.filter(({ entry }) => entry.action !== "sealed").map(({ seq }) => seq);
    assert.deepEqual(
      (await this.seqs()).sort((a, b) => a - b),
      wanted,
    );
  }
  async assertCovers(added: SealedRows[]): Promise<void> {
    for (const { file, first, rows, sha256 } of added) {
      const bytes = await readFile(this.path(file));
      assert.equal(sha256Hex(bytes.subarray(first * WIDTH, (first + rows) * WIDTH)), sha256);
    }
  }
}

async function withVectors(body: (fixture: Fixture) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const fixture = new Fixture(folder);
    for (const dir of [fixture.tree.vector, fixture.tree.entries, fixture.tree.payloads])
      await mkdir(dir, { recursive: true });
    await body(fixture);
  });
}

/** Starts, runs `body`, stops whatever happens. */
async function running(vectorizer: Vectorizer, start: Parameters<Vectorizer["start"]>, body: () => Promise<void>) {
  await vectorizer.start(...start);
  try {
    await body();
  } finally {
    await vectorizer.stop();
  }
}

const rowsOf = (taken: TakenRows | undefined) => taken?.spaces[0]?.added ?? [];

describe("the vectorizer", () => {
  test("gives every appended event its row, and lists the rows of each seal once", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make();
      await running(vectorizer, [0], async () => {
        vectorizer.appended(fixture.write(700));
        vectorizer.appended(fixture.write(3, "critical"));
        await vectorizer.drained(703);
        assert.equal(vectorizer.backlog(), 0);
        const first = await vectorizer.takeAdded(703);
        assert.equal(first?.spaces[0]?.space, SPACE);
        assert.deepEqual(first.late, []);
        assert.deepEqual(
          rowsOf(first).map(({ rows }) => rows),
          [703],
        );
        await fixture.assertCovers(rowsOf(first));
        assert.deepEqual(await vectorizer.takeAdded(703), { spaces: [], late: [] });
        vectorizer.appended(fixture.write(5));
        await vectorizer.drained(708);
        const second = rowsOf(await vectorizer.takeAdded(708));
        assert.deepEqual([second[0]?.first, second[0]?.rows], [703, 5]);
        await fixture.assertCovers(second);
      });
      await fixture.assertComplete();
      assert.equal(
        await readFile(fixture.tree.spaceFile(SPACE), "utf8").then((text) => JSON.parse(text).model),
        "heuristic",
      );
    }));

  test("puts critical events before what waits, where they share the workers of all others", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ urgentWorkers: 0 });
      await running(vectorizer, [0], async () => {
        vectorizer.appended(fixture.write(4000));
        vectorizer.appended(fixture.write(1, "critical"));
        await vectorizer.drained(4001);
      });
      const place = (await fixture.seqs()).indexOf(4000);
      assert.ok(place <= 600, `the critical event came at place ${place}`);
      await fixture.assertComplete();
    }));

  test("gives a seal no row and does not wait for one", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make();
      await running(vectorizer, [0], async () => {
        fixture.write(2);
        fixture.add([appended(2, "low", { action: "sealed", element_type: "Store", element_id: "store:x" })]);
        vectorizer.appended(fixture.events);
        await vectorizer.drained(3);
      });
      await fixture.assertComplete();
    }));

  test("keeps few events in memory and lets the workers read the rest from the ledger, losing none", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ maxQueuedEvents: 10 });
      await running(vectorizer, [0], async () => {
        for (let batch = 0; batch < 30; batch += 1) {
          vectorizer.appended([...fixture.write(97), ...fixture.write(3, "critical")]);
          if (batch % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await vectorizer.drained(3000);
      });
      // The workers read the files themselves: nothing came back through this process.
      assert.equal(fixture.reads, 0);
      await fixture.assertComplete();
    }));

  test("reads a range again when what its elements did before could not be told", () =>
    withVectors(async (fixture) => {
      let refusals = 0;
      const recentActions = (seqs: readonly number[]) => {
        // Of a range, not of the events in memory.
        if (seqs.length > 1 && refusals++ < 2) throw new Error("the heads cannot be read");
        return Uint32Array.from(seqs, (seq) => fixture.recent[seq] as number);
      };
      const vectorizer = fixture.make({ maxQueuedEvents: 1, recentActions });
      await running(vectorizer, [0], async () => {
        vectorizer.appended(fixture.write(20));
        await vectorizer.drained(20);
      });
      assert.ok(refusals > 2);
      await fixture.assertComplete();
    }));

  test("tells a fill whose model ends every worker that opens it, and ends no more of them", async (t) => {
    if (!(await requirePart(t, MODEL_RUNTIME))) return;
    await withVectors(async (fixture) => {
      const made = await makeStoredModel(join(fixture.tree.dir, "..", "made"));
      const pipe = join(made.dir, "pipe.onnx");
      // Opening what nobody writes into takes for ever, as a disk would that does not answer.
      await promisify(execFile)("mkfifo", [pipe]);
      const model = { ...made, modelFile: pipe };
      const spec: EmbedderSpec = { kind: "model", model, space: spaceOfModel(model, "f32") };
      const vectorizer = fixture.make({ openTimeoutMs: 2000 });
      await running(vectorizer, [0], async () => {
        vectorizer.appended(fixture.write(5));
        await vectorizer.drained(5);
        const embedded = vectorizer.ground(async () => spec).embed("medium", ["low"], { from: 0, to: 5, skip: [] });
        await assert.rejects(embedded, { code: "encoder-died", message: /three workers in a row/ });
        assert.equal(vectorizer.state().workerDeaths, 3);
        vectorizer.appended(fixture.write(5));
        await vectorizer.drained(10);
      });
      await fixture.assertComplete();
    });
  });

  for (const [what, room] of [
    ["number", { maxQueuedEvents: 10 }],
    ["bytes", { maxQueuedBytes: 10 * Buffer.byteLength(MEMORY_STATE) }],
  ] as const) {
    test(`holds a flood of critical events in memory only up to three times the bound in ${what}`, () =>
      withVectors(async (fixture) => {
        const vectorizer = fixture.make(room);
        await running(vectorizer, [0], async () => {
          // What is embedded from memory can be told from what is embedded from the ledger.
          for (const event of fixture.write(100, "critical")) {
            vectorizer.appended([{ ...event, stateJson: MEMORY_STATE }]);
          }
          await vectorizer.drained(100);
        });
        for (const event of fixture.events.slice(0, 30))
          fixture.events[event.seq] = { ...event, stateJson: MEMORY_STATE };
        await fixture.assertComplete();
      }));
  }

  test("has large events of a range embedded in parts", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ maxQueuedEvents: 1 });
      const backlogs = new Set<number>();
      await running(vectorizer, [0], async () => {
        const stateJson = JSON.stringify({ text: "x".repeat(1024 * 1024) });
        vectorizer.appended(fixture.add(Array.from({ length: 20 }, (_, seq) => ({ ...appended(seq), stateJson }))));
        while (vectorizer.backlog() > 0) {
          backlogs.add(vectorizer.backlog());
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
      assert.ok([...backlogs].some((backlog) => backlog > 0 && backlog < 19));
      await fixture.assertComplete();
    }));

  test("rolls to a new file on whole rows, with names that rise", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ segmentBytes: 300 * WIDTH });
      await running(vectorizer, [0], async () => {
        for (let n = 0; n < 5; n += 1) {
          vectorizer.appended(fixture.write(200));
          await vectorizer.drained(fixture.events.length);
        }
        const added = rowsOf(await vectorizer.takeAdded(1000));
        assert.equal(added.length, (await fixture.files()).length);
        await fixture.assertCovers(added);
      });
      const files = await fixture.files();
      assert.ok(files.length > 2);
      for (const file of files) assert.equal((await stat(fixture.path(file))).size % WIDTH, 0);
      await fixture.assertComplete();
    }));

  test("at level none has no space and nothing waits", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ levels: { critical: "none", high: "none", medium: "none", low: "none" } });
      await running(vectorizer, [0], async () => {
        vectorizer.appended(fixture.write(10));
        await vectorizer.drained(10);
        assert.deepEqual(await vectorizer.takeAdded(10), { spaces: [], late: [] });
      });
      assert.deepEqual(await readdir(fixture.tree.vector), []);
    }));

  test("stops waiting when told to, and says so when it is stopped", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make();
      await running(vectorizer, [0], async () => {
        const abort = new AbortController();
        const waiting = vectorizer.drained(1, abort.signal);
        abort.abort();
        await assert.rejects(waiting, { name: "AbortError" });
        const stopped = assert.rejects(vectorizer.drained(1), { code: "stopped" });
        await vectorizer.stop();
        await stopped;
      });
    }));
});

describe("a worker that dies", () => {
  test("is replaced, and its job is done again", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make();
      await running(vectorizer, [0], async () => {
        vectorizer.appended(fixture.write(1));
        await vectorizer.drained(1);
        const [pid] = vectorizer.state().workerPids;
        vectorizer.appended(fixture.write(6000));
        process.kill(pid as number, "SIGKILL");
        await vectorizer.drained(6001);
        assert.notEqual(vectorizer.state().workerPids[0], pid);
        assert.equal(vectorizer.state().degraded, 0);
      });
      await fixture.assertComplete();
    }));

  test("of one event three times leaves that event a vector without its state, and the others theirs", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make();
      await running(vectorizer, [0], async () => {
        const events = fixture.write(3);
        const poison = { ...(events[1] as AppendedEvent), stateJson: "this ends the worker: no JSON" };
        vectorizer.appended([events[0] as AppendedEvent, poison, events[2] as AppendedEvent]);
        await vectorizer.drained(3);
        assert.equal(vectorizer.state().degraded, 1);
        fixture.events[1] = { ...poison, stateJson: "{}" };
      });
      await fixture.assertComplete();
    }));

  test("of an event in a long range has the range read back in pieces", () =>
    withVectors(async (fixture) => {
      const poison = { ...appended(290), stateJson: "this ends the worker: no JSON" };
      fixture.write(290);
      fixture.add([poison]);
      fixture.write(2500);
      const vectorizer = fixture.make();
      await running(vectorizer, [2791], async () => {
        await vectorizer.drained(2791);
        assert.equal(vectorizer.state().degraded, 1);
        // The range, the piece, the event: three workers each. On a busy machine a range may have parts before that.
        const { workerDeaths } = vectorizer.state();
        assert.ok(workerDeaths >= 9 && workerDeaths <= 12, `${workerDeaths} workers died`);
      });
      assert.ok(fixture.mostRead > 0 && fixture.mostRead <= 256);
      fixture.events[290] = { ...poison, stateJson: "{}" };
      await fixture.assertComplete();
    }));

  test("of an event in a range costs the others nothing either", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ maxQueuedEvents: 1 });
      await running(vectorizer, [0], async () => {
        const before = fixture.write(20);
        const poison = { ...appended(20), stateJson: "this ends the worker: no JSON" };
        vectorizer.appended([...before, ...fixture.add([poison]), ...fixture.write(20)]);
        await vectorizer.drained(41);
        assert.equal(vectorizer.state().degraded, 1);
        fixture.events[20] = { ...poison, stateJson: "{}" };
      });
      await fixture.assertComplete();
    }));
});

describe("a restart", () => {
  test("cuts a torn row off, makes the missing rows, and lists what no seal covers", () =>
    withVectors(async (fixture) => {
      const first = fixture.make();
      await running(first, [0], async () => {
        first.appended(fixture.write(300));
        await first.drained(300);
      });
      const file = (await fixture.files())[0] as string;
      await truncate(fixture.path(file), 250 * WIDTH - 100);
      fixture.write(40);
      const second = fixture.make();
      await running(second, [340, sealedRows(100, file)], async () => {
        await second.drained(340);
        const added = rowsOf(await second.takeAdded(340));
        assert.deepEqual(
          added.map((run) => [run.first, run.rows]),
          [[100, 240]],
        );
        await fixture.assertCovers(added);
      });
      await fixture.assertComplete();
    }));

  test("drops zeros that a power cut left where rows should be", () =>
    withVectors(async (fixture) => {
      const first = fixture.make();
      await running(first, [0], async () => {
        first.appended(fixture.write(10));
        await first.drained(10);
      });
      const file = (await fixture.files())[0] as string;
      await truncate(fixture.path(file), 0);
      await appendFile(fixture.path(file), Buffer.alloc(10 * WIDTH));
      const second = fixture.make();
      await running(second, [10], () => second.drained(10));
      await fixture.assertComplete();
    }));

  test("refuses files that have lost rows which seals cover", () =>
    withVectors(async (fixture) => {
      const file = "00000000000000000000.vec";
      await assert.rejects(fixture.make().start(5, sealedRows(5, file)), {
        code: "rows-missing",
      });
      await writeFile(fixture.path(file), Buffer.alloc(4 * WIDTH));
      await assert.rejects(fixture.make().start(5, sealedRows(5, file)), {
        code: "rows-missing",
      });
      assert.equal((await stat(fixture.path(file))).size, 4 * WIDTH);
    }));

  test("refuses a space.json of the same name that says something else", () =>
    withVectors(async (fixture) => {
      await mkdir(fixture.tree.space(SPACE));
      await writeFile(fixture.tree.spaceFile(SPACE), "{}\n");
      await assert.rejects(fixture.make().start(0), { code: "space-differs" });
    }));

  test("takes up the rows of the heuristic before, and goes on in a space of its own", () =>
    withVectors(async (fixture) => {
      const old = parseSpace(FIRST_HEURISTIC);
      const file = fixture.tree.rows(spaceName(old), 0);
      fixture.write(30);
      await mkdir(fixture.tree.space(spaceName(old)));
      await writeFile(fixture.tree.spaceFile(spaceName(old)), FIRST_HEURISTIC);
      const vector = new Float32Array(old.dimensions).fill(1 / 8);
      const rows = formatRows(
        Array.from({ length: 20 }, (_, seq) => ({ seq, vector })),
        old,
      );
      await writeFile(file, rows);
      const vectorizer = fixture.make();
      const sealed = new Map([[spaceName(old), new Map([[basename(file), 10]])]]);
      await running(vectorizer, [30, { size: 10, rows: sealed, late: [] }], async () => {
        await vectorizer.drained(30);
        const taken = await vectorizer.takeAdded(30);
        const added = taken?.spaces.map(({ space, added: [run] }) => [space, run?.first, run?.rows]);
        assert.deepEqual(
          added?.sort(),
          [
            [spaceName(old), 10, 10],
            [SPACE, 0, 10],
          ].sort(),
        );
      });
      assert.deepEqual(await readFile(file), rows);
      assert.deepEqual(
        (await fixture.seqs()).sort((a, b) => a - b),
        Array.from({ length: 10 }, (_, i) => 20 + i),
      );
    }));

  test("at another level still lists the rows of the old space that no seal covers", () =>
    withVectors(async (fixture) => {
      const first = fixture.make();
      await running(first, [0], async () => {
        first.appended(fixture.write(10));
        await first.drained(10);
      });
      const second = fixture.make({ levels: { critical: "none", high: "none", medium: "none", low: "none" } });
      await running(second, [10], async () => {
        const taken = await second.takeAdded(10);
        assert.deepEqual(
          taken?.spaces.map(({ space, added }) => [space, added[0]?.rows]),
          [[SPACE, 10]],
        );
      });
    }));
});

/** Has all workers that run stand still while `body` runs. */
async function whileStopped(vectorizer: Vectorizer, body: () => Promise<void>): Promise<void> {
  const pids = vectorizer.state().workerPids;
  assert.ok(pids.length > 0);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    await body();
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
}

describe("late events", () => {
  test("are exactly those without a row, and their rows come with the next take", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ urgentWorkers: 0 });
      await running(vectorizer, [0], async () => {
        vectorizer.appended(fixture.write(5));
        await vectorizer.drained(5);
        await whileStopped(vectorizer, async () => {
          vectorizer.appended([...fixture.write(3), ...fixture.write(1, "critical")]);
          const taken = await vectorizer.takeAdded(9);
          assert.deepEqual([rowsOf(taken)[0]?.rows, taken?.late], [5, [[5, 8]]]);
          assert.deepEqual(vectorizer.state().backlog, { critical: 1, high: 0, medium: 0, low: 3 });
          assert.deepEqual(vectorizer.state().late, { waiting: 4, since_start: 4 });
          // Called late again, they count once.
          assert.deepEqual(await vectorizer.takeAdded(9), { spaces: [], late: [[5, 8]] });
          assert.deepEqual(vectorizer.state().late, { waiting: 4, since_start: 4 });
        });
        await vectorizer.drained(9);
        const next = await vectorizer.takeAdded(9);
        assert.deepEqual([rowsOf(next)[0]?.first, rowsOf(next)[0]?.rows, next?.late], [5, 4, []]);
        await fixture.assertCovers(rowsOf(next));
        assert.deepEqual(vectorizer.state().late, { waiting: 0, since_start: 4 });
        assert.equal(vectorizer.backlog(), 0);
      });
      await fixture.assertComplete();
    }));

  test("of a seal before the restart are found from its list alone, their rows made or taken up, and nobody else's", () =>
    withVectors(async (fixture) => {
      const first = fixture.make({ urgentWorkers: 0 });
      let sealed: SealedVectors | undefined;
      await running(first, [0], async () => {
        first.appended(fixture.write(300));
        await first.drained(300);
        await whileStopped(first, async () => {
          first.appended(fixture.write(4, "critical"));
          fixture.add([appended(304, "low", { action: "sealed", element_type: "Store", element_id: "store:x" })]);
          const taken = await first.takeAdded(304);
          const rows = new Map([[SPACE, new Map([[(await fixture.files())[0] as string, 300]])]]);
          sealed = { size: 305, rows, late: taken?.late ?? [] };
        });
        await first.drained(304);
      });
      assert.deepEqual(sealed?.late, [[300, 303]]);
      // Of the four, two rows reached the disk.
      await truncate(fixture.path((await fixture.files())[0] as string), 302 * WIDTH);
      fixture.write(10);
      const second = fixture.make();
      await running(second, [315, sealed], async () => {
        assert.equal(second.state().late.waiting, 2);
        await second.drained(315);
        const taken = await second.takeAdded(315);
        assert.deepEqual([rowsOf(taken)[0]?.first, rowsOf(taken)[0]?.rows, taken?.late], [300, 14, []]);
        await fixture.assertCovers(rowsOf(taken));
        assert.equal(second.state().late.waiting, 0);
      });
      await fixture.assertComplete();
    }));

  test("of a seal before the restart get their rows though their priority's level is none by now", () =>
    withVectors(async (fixture) => {
      fixture.write(6, "critical");
      const none = fixture.make({ levels: { critical: "none", high: "none", medium: "none", low: "none" } });
      await running(
        none,
        [
          6,
          {
            size: 4,
            rows: new Map(),
            late: [
              [0, 1],
              [3, 3],
            ],
          },
        ],
        async () => {
          await none.drained(6);
          assert.equal(none.backlog(), 0);
        },
      );
      assert.deepEqual((await fixture.seqs()).sort(), [0, 1, 3]);
    }));

  test("are not taken without when a seal could not name them all", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ urgentWorkers: 0 });
      // Every second event of the old generation is late, and what came since is one range more than a seal may have.
      const count = 2 * MOST_LATE_RANGES + 2;
      fixture.write(count);
      const late = Array.from({ length: MOST_LATE_RANGES }, (_, i) => [2 * i, 2 * i] as const);
      await running(vectorizer, [count, { size: count - 2, rows: new Map(), late }], async () => {
        // No worker has been forked so fast.
        assert.equal(await vectorizer.takeAdded(count), undefined);
        await vectorizer.drained(count);
        assert.deepEqual((await vectorizer.takeAdded(count))?.late, []);
      });
    }));
});

describe("urgent events", () => {
  for (const priority of ["critical", "high"] as const) {
    test(`that are ${priority} wait for no job of others: a worker of their own makes their rows`, () =>
      withVectors(async (fixture) => {
        const vectorizer = fixture.make();
        await running(vectorizer, [0], async () => {
          vectorizer.appended(fixture.write(1));
          await vectorizer.drained(1);
          await whileStopped(vectorizer, async () => {
            // It has its job, and stands still with it.
            vectorizer.appended(fixture.write(1));
            vectorizer.appended(fixture.write(1, priority));
            await until(() => vectorizer.state().backlog[priority] === 0);
            assert.equal(vectorizer.state().backlog.low, 1);
            assert.equal(vectorizer.state().workerPids.length, 2);
          });
          await vectorizer.drained(3);
        });
        await fixture.assertComplete();
      }));
  }

  test("do not wait for a worker of their own that is still coming up when another is free before it", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make();
      await running(vectorizer, [0], async () => {
        vectorizer.appended(fixture.write(1));
        await vectorizer.drained(1);
        const [shared] = vectorizer.state().workerPids as [number];
        process.kill(shared, "SIGSTOP");
        vectorizer.appended(fixture.write(1));
        vectorizer.appended(fixture.write(1, "critical"));
        const own = vectorizer.state().workerPids[1] as number;
        // It was forked for the critical event just now, and never comes up.
        process.kill(own, "SIGSTOP");
        process.kill(shared, "SIGCONT");
        await until(() => vectorizer.backlog() === 0);
        assert.deepEqual(vectorizer.state().workerPids, [shared, own]);
        process.kill(own, "SIGCONT");
      });
      await fixture.assertComplete();
    }));

  test("have no worker of their own until one would wait", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make();
      await running(vectorizer, [0], async () => {
        vectorizer.appended(fixture.write(3, "critical"));
        await vectorizer.drained(3);
        assert.equal(vectorizer.state().workerPids.length, 1);
      });
    }));
});

describe("levels by priority", () => {
  const LOW_WITHOUT = { ...EVERY, low: "none" } as const;

  test("leave events of level none without a row, which is not late, in memory and in ranges", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ levels: LOW_WITHOUT, maxQueuedEvents: 4 });
      await running(vectorizer, [0], async () => {
        for (let i = 0; i < 20; i += 1) vectorizer.appended([...fixture.write(3), ...fixture.write(2, "medium")]);
        await vectorizer.drained(100);
        assert.deepEqual((await vectorizer.takeAdded(100))?.late, []);
      });
      const wanted = fixture.events.filter(({ entry }) => entry.priority === "medium").map(({ seq }) => seq);
      assert.deepEqual(
        (await fixture.seqs()).sort((a, b) => a - b),
        wanted,
      );
    }));

  test("hold for what a start finds in the ledger too, before any of it is read by a worker", () =>
    withVectors(async (fixture) => {
      fixture.write(5);
      fixture.write(2, "high");
      fixture.write(5);
      const vectorizer = fixture.make({ levels: LOW_WITHOUT });
      await running(vectorizer, [12], async () => {
        assert.deepEqual((await vectorizer.takeAdded(12))?.late, [[5, 6]]);
        await vectorizer.drained(12);
      });
      assert.deepEqual(await fixture.seqs(), [5, 6]);
    }));
});
