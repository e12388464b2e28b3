// Levels that need a model, with real worker processes, the real runtime and a small made model: what its rows are, and what
// becomes of events when the model breaks.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import type { AppendedEvent } from "../../../primary/event.js";
import { LevelPlan } from "../../../primary/vectorize/level-plan.js";
import { Vectorizer, type VectorizerOptions } from "../../../primary/vectorize/vectorizer.js";
import { LevelWatch } from "../../../primary/vectorize/watch-levels.js";
import { type EmbedderSpec, HEURISTIC_SPEC, type ModelSpec } from "../../../shared/embed/embedder.js";
import { SentenceEncoder } from "../../../shared/embed/onnx/sentence-encoder.js";
import { type ResolvedLevel, spaceOfModel } from "../../../shared/embed/resolve-level.js";
import { composeText } from "../../../shared/embed/text/compose-text.js";
import type { Priority } from "../../../shared/format/entry.js";
import { spaceName } from "../../../shared/format/space.js";
import { parseRows, type VectorRow } from "../../../shared/format/vector-row.js";
import { TreeLayout } from "../../../shared/store/layout.js";
import { appendedEvent } from "../../support/appended-event.js";
import { makeStoredModel } from "../../support/make-model.js";
import { MODEL_RUNTIME, requirePart } from "../../support/require-part.js";
import { sharedModel, testWithModel } from "../../support/shared-model.js";
import { until } from "../../support/until.js";
import { withFolder } from "../../support/with-folder.js";

const LEVELS = { critical: "medium", high: "medium", medium: "medium", low: "medium" } as const;

interface Logged {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

class Fixture {
  readonly folder: string;
  readonly tree: TreeLayout;
  readonly events: AppendedEvent[] = [];
  readonly logged: Logged[] = [];
  spec: ModelSpec | undefined;
  constructor(folder: string) {
    this.folder = folder;
    this.tree = new TreeLayout(join(folder, "live"));
  }

  get log() {
    const at =
      (level: string) =>
      (message: string, fields: Record<string, unknown> = {}) => {
        this.logged.push({ level, message, fields });
      };
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  }

  async addModel(): Promise<ModelSpec> {
    const model = await makeStoredModel(join(this.folder, "models", "made"));
    const cache = { path: join(this.folder, "vectors.db"), maxBytes: 1024 * 1024 };
    this.spec = { kind: "model", model, space: spaceOfModel(model, "f32"), cache };
    return this.spec;
  }

  make(plan: LevelPlan, options: Partial<VectorizerOptions> = {}): Vectorizer {
    return new Vectorizer({
      tree: this.tree,
      levels: LEVELS,
      plan,
      workers: 1,
      urgentWorkers: 1,
      maxQueuedEvents: 10_000,
      log: this.log,
      recentActions: (seqs) => new Uint32Array(seqs.length),
      readAppended: async (from, limit) => this.events.slice(from, from + limit),
      ...options,
    });
  }

  write(count: number, priority: Priority = "low", textBytes = 0): AppendedEvent[] {
    const made = Array.from({ length: count }, (_, i) => {
      const seq = this.events.length + i;
      const state = { message: SENTENCES[seq % SENTENCES.length], number: seq, text: "x".repeat(textBytes) };
      return appendedEvent(seq, state, { priority });
    });
    this.events.push(...made);
    return made;
  }

  async rowsOf(spec: Pick<EmbedderSpec, "space">): Promise<VectorRow[]> {
    const folder = this.tree.space(spaceName(spec.space));
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".vec"));
    const files = await Promise.all(names.sort().map((name) => readFile(join(folder, name))));
    return files.flatMap((bytes) => [...parseRows(bytes, spec.space)]);
  }
}

const SENTENCES = ["the link went down", "a user logged in", "the disk is full", "the service was restarted"];

const WORDS = "disk link user mail door lamp rack fan tape hub vpn log key port route mount".split(" ");

/** Another text for each number up to 4095. */
function wordsOf(number: number): string {
  return [0, 4, 8].map((bits) => WORDS[(number >> bits) % WORDS.length]).join(" and then the ");
}

function stateOf(message: string): string {
  return JSON.stringify({ message: `${message} failed while the host was being shut down for the night` });
}

async function withModel(t: TestContext, body: (fixture: Fixture, spec: ModelSpec) => Promise<void>): Promise<void> {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withFolder(async (folder) => {
    const fixture = new Fixture(folder);
    for (const dir of [fixture.tree.vector, fixture.tree.entries, fixture.tree.payloads])
      await mkdir(dir, { recursive: true });
    await body(fixture, await fixture.addModel());
  });
}

async function running(vectorizer: Vectorizer, body: () => Promise<void>): Promise<void> {
  await vectorizer.start(0);
  try {
    await body();
  } finally {
    await vectorizer.stop();
  }
}

const inForce = (spec: ModelSpec): ResolvedLevel[] => [{ level: "medium", spec }];

const seqsOf = (rows: VectorRow[]) => rows.map(({ seq }) => seq).sort((a, b) => a - b);

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Changes one byte in the middle. Returns what mends it. */
async function damage(file: string): Promise<() => Promise<void>> {
  const bytes = await readFile(file);
  const bad = Buffer.from(bytes);
  const at = Math.floor(bad.length / 2);
  bad[at] = (bad[at] as number) ^ 0xff;
  await writeFile(file, bad);
  return () => writeFile(file, bytes);
}

describe("a level with a model", () => {
  test("gives each event the vector of its text, in the model's space, and keeps the texts' vectors", (t) =>
    withModel(t, async (fixture, spec) => {
      const vectorizer = fixture.make(new LevelPlan(inForce(spec), fixture.log));
      await running(vectorizer, async () => {
        vectorizer.appended(fixture.write(40));
        vectorizer.appended(fixture.write(2, "critical"));
        await vectorizer.drained(42);
        assert.deepEqual(vectorizer.state().inForce, [
          { level: "medium", in_force: "medium", space: spaceName(spec.space), fault: null, proven: true },
        ]);
      });
      const rows = await fixture.rowsOf(spec);
      assert.deepEqual(seqsOf(rows), upTo(42));
      const encoder = await SentenceEncoder.open(spec.model);
      for (const { seq, vector } of rows.slice(0, 12)) {
        const { entry, stateJson } = fixture.events[seq] as AppendedEvent;
        const [wanted] = await encoder.encode([composeText(entry, JSON.parse(stateJson))]);
        const cosine = vector.reduce((sum, value, i) => sum + value * (wanted?.[i] as number), 0);
        assert.ok(cosine > 0.9999, `event ${seq}: ${cosine}`);
      }
      await encoder.close();
      assert.deepEqual(await fixture.rowsOf(HEURISTIC_SPEC), []);
      assert.ok((await readdir(fixture.folder)).includes("vectors.db"));
    }));

  test("whose file is damaged falls back: events get heuristic rows, and once it is mended the model's again", (t) =>
    withModel(t, async (fixture, spec) => {
      const mend = await damage(spec.model.modelFile);
      const plan = new LevelPlan(inForce(spec), fixture.log);
      let ground = "damaged";
      const groundOf = async () => ground;
      const watch = new LevelWatch({
        plan,
        groundOf,
        resolve: async () => ({ level: "medium", spec }),
        log: fixture.log,
      });
      const vectorizer = fixture.make(plan);
      await running(vectorizer, async () => {
        await watch.start();
        vectorizer.appended(fixture.write(10));
        await vectorizer.drained(10);
        const [state] = plan.state();
        assert.deepEqual([state?.in_force, state?.fault?.code], ["heuristic", "model-damaged"]);
        assert.ok(fixture.logged.some(({ level, fields }) => level === "error" && fields.hint === state?.fault?.hint));
        // As it stands it would fail again.
        await watch.look();
        assert.equal(plan.state()[0]?.in_force, "heuristic");
        await mend();
        ground = "mended";
        await watch.look();
        assert.equal(plan.state()[0]?.in_force, "medium");
        vectorizer.appended(fixture.write(5));
        await vectorizer.drained(15);
        await until(() => plan.state()[0]?.proven === true);
        await watch.stop();
      });
      assert.deepEqual(seqsOf(await fixture.rowsOf(HEURISTIC_SPEC)), upTo(10));
      assert.deepEqual(seqsOf(await fixture.rowsOf(spec)), [10, 11, 12, 13, 14]);
    }));

  test("that is no sentence model falls back the same way, and rows made before stay", (t) =>
    withModel(t, async (fixture, spec) => {
      const plan = new LevelPlan(inForce(spec), fixture.log);
      const vectorizer = fixture.make(plan);
      await running(vectorizer, async () => {
        vectorizer.appended(fixture.write(6));
        await vectorizer.drained(6);
        const unfit = await makeStoredModel(join(fixture.folder, "models", "unfit"), { claimedDimensions: 32 });
        plan.set({ level: "medium", spec: { kind: "model", model: unfit, space: spaceOfModel(unfit, "f32") } });
        vectorizer.appended(fixture.write(6));
        await vectorizer.drained(12);
        assert.equal(plan.state()[0]?.fault?.code, "model-unfit");
      });
      assert.deepEqual(seqsOf(await fixture.rowsOf(spec)), upTo(6));
      assert.deepEqual(seqsOf(await fixture.rowsOf(HEURISTIC_SPEC)), [6, 7, 8, 9, 10, 11]);
    }));

  // The made model is too fast for a long job.
  const trained = "all-MiniLM-L6-v2";
  testWithModel(
    trained,
    "does not hold up an urgent event behind a long job, even where they share one worker",
    async (t) => {
      const model = await sharedModel(trained);
      assert.ok(model);
      await withModel(t, async (fixture) => {
        const spec: ModelSpec = { kind: "model", model, space: spaceOfModel(model, "f32") };
        const vectorizer = fixture.make(new LevelPlan(inForce(spec), fixture.log), { urgentWorkers: 0 });
        await running(vectorizer, async () => {
          vectorizer.appended(fixture.write(1));
          await vectorizer.drained(1);
          // One job, whose texts are all distinct.
          const long = fixture.write(256).map((event, i) => ({ ...event, stateJson: stateOf(wordsOf(i)) }));
          vectorizer.appended(long);
          vectorizer.appended(fixture.write(1, "critical"));
          await vectorizer.drained(258);
        });
        const place = (await fixture.rowsOf(spec)).findIndex(({ seq }) => seq === 257);
        assert.ok(place > 0 && place < 200, `its row is the ${place}th of 258`);
      });
    },
  );

  test("loses no event when its workers are killed under load", (t) =>
    withModel(t, async (fixture, spec) => {
      const vectorizer = fixture.make(new LevelPlan(inForce(spec), fixture.log));
      await running(vectorizer, async () => {
        for (let round = 0; round < 5; round += 1) {
          vectorizer.appended([...fixture.write(17), ...fixture.write(3, "critical")]);
          for (const pid of vectorizer.state().workerPids) process.kill(pid, "SIGKILL");
          await new Promise((resolve) => setTimeout(resolve, 150));
        }
        await vectorizer.drained(100);
      });
      // Killed while they came up more than twice in a row, they would be taken for a model that kills them.
      const rows = [...(await fixture.rowsOf(spec)), ...(await fixture.rowsOf(HEURISTIC_SPEC))];
      assert.deepEqual(seqsOf(rows), upTo(100));
    }));
});

describe("a worker that has grown", () => {
  const HEURISTIC = { critical: "heuristic", high: "heuristic", medium: "heuristic", low: "heuristic" } as const;
  const plan = (fixture: Fixture) => new LevelPlan([{ level: "heuristic", spec: HEURISTIC_SPEC }], fixture.log);

  test("past its limit is replaced between two jobs, and nothing is lost", (t) =>
    withModel(t, async (fixture) => {
      const small = fixture.make(plan(fixture), { levels: HEURISTIC, maxWorkerRssBytes: 1 });
      await running(small, async () => {
        small.appended(fixture.write(1));
        await small.drained(1);
      });
      const warned = fixture.logged.find(({ fields }) => fields.limit_bytes === 1);
      const firstRssBytes = warned?.fields.rss_bytes as number;
      assert.ok(firstRssBytes > 1024 * 1024);
      // It may grow by half before a limit that its mere start exceeds has it replaced.
      assert.equal(small.state().workersOutgrown, 0);
      const limit = firstRssBytes + 16 * 1024 * 1024;
      const vectorizer = fixture.make(plan(fixture), { levels: HEURISTIC, maxWorkerRssBytes: limit });
      await running(vectorizer, async () => {
        vectorizer.appended([fixture.events[0] as AppendedEvent]);
        await vectorizer.drained(1);
        const [pid] = vectorizer.state().workerPids;
        for (let round = 0; round < 8 && vectorizer.state().workersOutgrown === 0; round += 1) {
          vectorizer.appended(fixture.write(8, "low", 512 * 1024));
          await vectorizer.drained(fixture.events.length);
        }
        assert.ok(vectorizer.state().workersOutgrown > 0);
        vectorizer.appended(fixture.write(1));
        await vectorizer.drained(fixture.events.length);
        assert.notEqual(vectorizer.state().workerPids[0], pid);
        assert.equal(vectorizer.state().workerDeaths, 0);
      });
      assert.deepEqual(seqsOf(await fixture.rowsOf(HEURISTIC_SPEC)).length, fixture.events.length);
    }));
});
