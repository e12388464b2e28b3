// The vectorizer with real worker processes and real files.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { appendFile, mkdir, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { AppendedEvent } from "../../../primary/event.js";
import { Vectorizer, type VectorizerOptions } from "../../../primary/vectorize/vectorizer.js";
import { embedHeuristic, heuristicSpace } from "../../../shared/embed/heuristic.js";
import { formatEntry, type Priority } from "../../../shared/format/entry.js";
import { sha256Hex } from "../../../shared/format/hash.js";
import { formatPayload } from "../../../shared/format/payload.js";
import type { SealedRows } from "../../../shared/format/seal.js";
import { parseRows, rowBytes, spaceName } from "../../../shared/format/vector-row.js";
import { TreeLayout } from "../../../shared/store/layout.js";
import { withFolder } from "../../support/with-folder.js";

const SPACE = spaceName(heuristicSpace);
const WIDTH = rowBytes(heuristicSpace.dimensions);
const log = { debug() {}, info() {}, warn() {}, error() {} };

const MEMORY_STATE = JSON.stringify({ text: "the copy in memory" });

function appended(seq: number, priority: Priority = "low", more: Partial<AppendedEvent["entry"]> = {}): AppendedEvent {
  const entry = {
    action: "modified",
    actor: "admin",
    element_id: `interface:eth${seq % 7}`,
    element_type: "NetworkInterface",
    height: 0,
    payload_hash: "0".repeat(64),
    previous_event_hash: "0".repeat(64),
    priority,
    recorded: "2026-11-20T10:05:00.123456Z",
    seq,
    source: "socket",
    timestamp: "2026-11-20T10:05:00.123456Z",
    ...more,
  };
  return { seq, entry, stateJson: JSON.stringify({ mtu: 1500 + (seq % 3), text: `change number ${seq}` }) };
}

class Fixture {
  readonly tree: TreeLayout;
  /** The ledger. */
  readonly events: AppendedEvent[] = [];
  reads = 0;
  /** The most that was asked for at once. */
  mostRead = 0;
  constructor(folder: string) {
    this.tree = new TreeLayout(join(folder, "live"));
  }
  make(options: Partial<VectorizerOptions> = {}): Vectorizer {
    return new Vectorizer({
      tree: this.tree,
      level: "heuristic",
      workers: 1,
      maxQueuedEvents: 10_000,
      log,
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
      for (const { seq, vector } of parseRows(await readFile(this.path(file)), heuristicSpace.dimensions)) {
        const { entry, stateJson } = this.events[seq] as AppendedEvent;
        assert.deepEqual(vector, embedHeuristic(entry, JSON.parse(stateJson)), `row of ${seq}`);
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

const rowsOf = (taken: { space: string; added: SealedRows[] }[]) => taken[0]?.added ?? [];

describe("the vectorizer", () => {
  test("gives every appended event its row, and lists the rows of each seal once", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make();
      await running(vectorizer, [0, 0], async () => {
        vectorizer.appended(fixture.write(700));
        vectorizer.appended(fixture.write(3, "critical"));
        await vectorizer.drained(703);
        assert.equal(vectorizer.backlog(), 0);
        const first = await vectorizer.takeAdded();
        assert.equal(first[0]?.space, SPACE);
        assert.deepEqual(
          rowsOf(first).map(({ rows }) => rows),
          [703],
        );
        await fixture.assertCovers(rowsOf(first));
        assert.deepEqual(await vectorizer.takeAdded(), []);
        vectorizer.appended(fixture.write(5));
        await vectorizer.drained(708);
        const second = rowsOf(await vectorizer.takeAdded());
        assert.deepEqual([second[0]?.first, second[0]?.rows], [703, 5]);
        await fixture.assertCovers(second);
      });
      await fixture.assertComplete();
      assert.equal(
        await readFile(fixture.tree.spaceFile(SPACE), "utf8").then((text) => JSON.parse(text).model),
        "heuristic",
      );
    }));

  test("puts critical events before what waits", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make();
      await running(vectorizer, [0, 0], async () => {
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
      await running(vectorizer, [0, 0], async () => {
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
      await running(vectorizer, [0, 0], async () => {
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

  for (const [what, room] of [
    ["number", { maxQueuedEvents: 10 }],
    ["bytes", { maxQueuedBytes: 10 * Buffer.byteLength(MEMORY_STATE) }],
  ] as const) {
    test(`holds a flood of critical events in memory only up to twice the bound in ${what}`, () =>
      withVectors(async (fixture) => {
        const vectorizer = fixture.make(room);
        await running(vectorizer, [0, 0], async () => {
          // What is embedded from memory can be told from what is embedded from the ledger.
          for (const event of fixture.write(100, "critical")) {
            vectorizer.appended([{ ...event, stateJson: MEMORY_STATE }]);
          }
          await vectorizer.drained(100);
        });
        for (const event of fixture.events.slice(0, 20))
          fixture.events[event.seq] = { ...event, stateJson: MEMORY_STATE };
        await fixture.assertComplete();
      }));
  }

  test("has large events of a range embedded in parts", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ maxQueuedEvents: 1 });
      const backlogs = new Set<number>();
      await running(vectorizer, [0, 0], async () => {
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
      await running(vectorizer, [0, 0], async () => {
        for (let n = 0; n < 5; n += 1) {
          vectorizer.appended(fixture.write(200));
          await vectorizer.drained(fixture.events.length);
        }
        const added = rowsOf(await vectorizer.takeAdded());
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
      const vectorizer = fixture.make({ level: "none" });
      await running(vectorizer, [0, 0], async () => {
        vectorizer.appended(fixture.write(10));
        await vectorizer.drained(10);
        assert.deepEqual(await vectorizer.takeAdded(), []);
      });
      assert.deepEqual(await readdir(fixture.tree.vector), []);
    }));

  test("stops waiting when told to, and says so when it is stopped", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make();
      await running(vectorizer, [0, 0], async () => {
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
      await running(vectorizer, [0, 0], async () => {
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
      await running(vectorizer, [0, 0], async () => {
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
      await running(vectorizer, [0, 2791], async () => {
        await vectorizer.drained(2791);
        assert.equal(vectorizer.state().degraded, 1);
        // The range, the piece, the event: three workers each.
        assert.equal(vectorizer.state().workerDeaths, 9);
      });
      assert.ok(fixture.mostRead > 0 && fixture.mostRead <= 256);
      fixture.events[290] = { ...poison, stateJson: "{}" };
      await fixture.assertComplete();
    }));

  test("of an event in a range costs the others nothing either", () =>
    withVectors(async (fixture) => {
      const vectorizer = fixture.make({ maxQueuedEvents: 1 });
      await running(vectorizer, [0, 0], async () => {
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
      await running(first, [0, 0], async () => {
        first.appended(fixture.write(300));
        await first.drained(300);
      });
      const file = (await fixture.files())[0] as string;
      await truncate(fixture.path(file), 250 * WIDTH - 100);
      fixture.write(40);
      const second = fixture.make();
      await running(second, [100, 340, new Map([[SPACE, new Map([[file, 100]])]])], async () => {
        await second.drained(340);
        const added = rowsOf(await second.takeAdded());
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
      await running(first, [0, 0], async () => {
        first.appended(fixture.write(10));
        await first.drained(10);
      });
      const file = (await fixture.files())[0] as string;
      await truncate(fixture.path(file), 0);
      await appendFile(fixture.path(file), Buffer.alloc(10 * WIDTH));
      const second = fixture.make();
      await running(second, [0, 10], () => second.drained(10));
      await fixture.assertComplete();
    }));

  test("refuses files that have lost rows which seals cover", () =>
    withVectors(async (fixture) => {
      const file = "00000000000000000000.vec";
      await assert.rejects(fixture.make().start(5, 5, new Map([[SPACE, new Map([[file, 5]])]])), {
        code: "rows-missing",
      });
      await writeFile(fixture.path(file), Buffer.alloc(4 * WIDTH));
      await assert.rejects(fixture.make().start(5, 5, new Map([[SPACE, new Map([[file, 5]])]])), {
        code: "rows-missing",
      });
      assert.equal((await stat(fixture.path(file))).size, 4 * WIDTH);
    }));

  test("refuses a space.json of the same name that says something else", () =>
    withVectors(async (fixture) => {
      await mkdir(fixture.tree.space(SPACE));
      await writeFile(fixture.tree.spaceFile(SPACE), "{}\n");
      await assert.rejects(fixture.make().start(0, 0), { code: "space-differs" });
    }));

  test("at another level still lists the rows of the old space that no seal covers", () =>
    withVectors(async (fixture) => {
      const first = fixture.make();
      await running(first, [0, 0], async () => {
        first.appended(fixture.write(10));
        await first.drained(10);
      });
      const second = fixture.make({ level: "none" });
      await running(second, [0, 10], async () => {
        const taken = await second.takeAdded();
        assert.deepEqual(
          taken.map(({ space, added }) => [space, added[0]?.rows]),
          [[SPACE, 10]],
        );
      });
    }));
});
