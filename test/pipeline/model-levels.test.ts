// A fleet at level medium, with a small made model that is added by the command, and the real one where it is there: rows are
// made once, on the primary. What is missing has the level fall back, loudly, and come back.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { RootLayout } from "../../shared/store/layout.js";
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
  storeOf,
} from "../support/drive-fleet.js";
import { makeModel } from "../support/make-model.js";
import { MODEL_RUNTIME, requirePart } from "../support/require-part.js";
import { sharedModelFolder, testWithModel } from "../support/shared-model.js";
import { bothAnswer, type Fleet, makeFleet } from "../support/start-fleet.js";

const NAME = "made-model";
const HEURISTIC = /^heuristic-/;

interface LedgerEvent {
  action: string;
  element_id: string;
  priority: string;
}

async function withMedium(t: TestContext, name: string, body: (fleet: Fleet) => Promise<void>): Promise<void> {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  const vectorize = { level: "medium", models: { medium: name } };
  const fleet = await makeFleet({ volume: "512M", primary: { ...QUIET, vectorize, push: { hello_seconds: 1 } } });
  try {
    await fleet.replica.daemon.start();
    await body(fleet);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${fleet.primary.daemon.log.slice(-6000)}`, { cause: error });
  } finally {
    await fleet.stop();
  }
}

async function addMadeModel(fleet: Fleet): Promise<void> {
  const folder = join(fleet.folder, NAME);
  await mkdir(folder, { recursive: true });
  await makeModel(folder);
  await mustRun(fleet.primary, "model", "add", folder);
}

const spacesOf = async (fleet: Fleet, role: "primary" | "replica") => {
  const store = await storeOf(fleet, role);
  const { ledger } = await primaryStatus(fleet);
  const { vector } = store.generation(ledger.generation);
  const names = (await readdir(vector)).filter((name) => name !== "generation").sort();
  const files = names.map(async (space) => {
    const segments = (await readdir(join(vector, space))).sort();
    const bytes = await Promise.all(segments.map((segment) => readFile(join(vector, space, segment))));
    return { space, bytes: Buffer.concat(bytes).toString("hex") };
  });
  return Promise.all(files);
};

/** The replica has the primary's rows, byte for byte, and has no process that could have made any. */
async function expectSameRows(fleet: Fleet): Promise<string[]> {
  await expectConverged(fleet);
  const ofPrimary = await spacesOf(fleet, "primary");
  assert.deepEqual(await spacesOf(fleet, "replica"), ofPrimary);
  return ofPrimary.map(({ space }) => space);
}

/** What became of the level, in the words of the ledger, up to its last event; `status` knows before the ledger does. */
async function levelEvents(fleet: Fleet, last?: string): Promise<LedgerEvent[]> {
  let events: LedgerEvent[] = [];
  await eventually(
    async () => {
      await bothAnswer(fleet, (await primaryStatus(fleet)).ledger.sealed);
      const { stdout } = await fleet.primary.run("chain", "vectors:medium", "--json");
      events = jsonLines<LedgerEvent>(stdout).filter(({ action }) => action?.startsWith("level_"));
      if (last === undefined || events.at(-1)?.action === last) return true;
      await seal(fleet, { force: true });
      return false;
    },
    () => `the ledger tells ${JSON.stringify(events)}`,
  );
  return events;
}

async function levelBecomes(fleet: Fleet, code: string | null): Promise<void> {
  let last: unknown;
  await eventually(
    async () => {
      const [level] = (await primaryStatus(fleet)).vectorize.in_force;
      last = level;
      return (level?.fault?.code ?? null) === code && (code !== null || level?.proven === true);
    },
    () => `the level stays as ${JSON.stringify(last)}`,
  );
}

/** By the replica, nearest first. */
async function similarTo(fleet: Fleet, seq: number): Promise<number[]> {
  const lines = jsonLines<{ seq: number }>(await mustRun(fleet.replica, "similar", String(seq), "--json"));
  return lines.slice(0, -1).map((line) => line.seq);
}

async function sealedAfter(fleet: Fleet, count: number, tag: string): Promise<void> {
  await ingest(fleet, someEvents(count, tag));
  await seal(fleet, { force: true });
}

describe("a fleet at level medium", () => {
  test("makes the rows on the primary, and the replica gets the same bytes and embeds nothing", (t) =>
    withMedium(t, NAME, async (fleet) => {
      await addMadeModel(fleet);
      await fleet.primary.daemon.start();
      await sealedAfter(fleet, 60, "alpha");
      const spaces = await expectSameRows(fleet);
      assert.deepEqual(spaces.length, 1);
      assert.match(spaces[0] as string, new RegExp(`^${NAME}-`));
      assert.ok((await similarTo(fleet, 3)).length > 0);
      assert.deepEqual(await readdir(new RootLayout(fleet.replica.root).models).catch(() => []), []);
      assert.match(await mustRun(fleet.primary, "status"), /vectors +level medium;/);
      assert.doesNotMatch(await mustRun(fleet.primary, "config", "check"), /falls back/);
      assert.deepEqual(await levelEvents(fleet), []);
    }));

  test("falls back while the model is missing, in the log, the ledger, status, metrics and config check, and comes back with it", (t) =>
    withMedium(t, NAME, async (fleet) => {
      await fleet.primary.daemon.start();
      await levelBecomes(fleet, "model-missing");
      await sealedAfter(fleet, 20, "beta");
      assert.match((await expectSameRows(fleet)).join(), HEURISTIC);
      assert.match(fleet.primary.daemon.log, /vector level falls back to heuristic/);
      assert.match(await mustRun(fleet.primary, "status"), /level medium fell back to heuristic: .*model add/);
      assert.match(
        await mustRun(fleet.primary, "metrics"),
        /isochron_vector_level_degraded\{[^}]*level="medium"[^}]*\} 1/,
      );
      assert.match(
        await mustRun(fleet.primary, "config", "check"),
        /level medium falls back to heuristic: .*model add/,
      );
      assert.deepEqual(
        (await levelEvents(fleet, "level_degraded")).map(({ action, priority }) => [action, priority]),
        [["level_degraded", "high"]],
      );
      // A restart in which nothing has changed is no event.
      await fleet.primary.daemon.stop();
      await fleet.primary.daemon.start();
      await levelBecomes(fleet, "model-missing");
      await addMadeModel(fleet);
      await fleet.primary.daemon.stop();
      await fleet.primary.daemon.start();
      await levelBecomes(fleet, null);
      await sealedAfter(fleet, 20, "gamma");
      assert.equal((await expectSameRows(fleet)).length, 2);
      assert.deepEqual(
        (await levelEvents(fleet, "level_restored")).map(({ action }) => action),
        ["level_degraded", "level_restored"],
      );
    }));

  test("falls back from a model with a changed byte, and from a runtime that is not there", (t) =>
    withMedium(t, NAME, async (fleet) => {
      await addMadeModel(fleet);
      const { models } = new RootLayout(fleet.primary.root);
      const file = join(models, (await readdir(models))[0] as string, "model.onnx");
      const bytes = await readFile(file);
      const bad = Buffer.from(bytes);
      bad[bad.length >> 1] = (bad[bad.length >> 1] as number) ^ 1;
      await writeFile(`${file}.bad`, bad);
      await rename(`${file}.bad`, file);
      await fleet.primary.daemon.start();
      await levelBecomes(fleet, "model-damaged");
      await sealedAfter(fleet, 20, "delta");
      assert.match((await expectSameRows(fleet)).join(), HEURISTIC);
      assert.match(await mustRun(fleet.primary, "config", "check"), /level medium falls back to heuristic/);
      await fleet.primary.daemon.stop();
      await writeFile(file, bytes);
      fleet.primary.daemon.env.ISOCHRON_RUNTIME = join(fleet.folder, "nothing");
      await fleet.primary.daemon.start();
      await levelBecomes(fleet, "runtime-missing");
      await sealedAfter(fleet, 5, "epsilon");
      await expectSameRows(fleet);
      assert.match(await mustRun(fleet.primary, "status"), /npm run add-runtime/);
    }));

  const trained = "all-MiniLM-L6-v2";
  testWithModel(trained, "with a trained model finds events by what they mean", async (t) => {
    const folder = sharedModelFolder(trained);
    await withMedium(t, trained, async (fleet) => {
      await mustRun(fleet.primary, "model", "add", folder);
      await fleet.primary.daemon.start();
      await ingest(fleet, [
        ...someEvents(1, "", { state_snapshot: { message: "the disk is almost full" } }),
        ...someEvents(1, "", { state_snapshot: { message: "authentication failure for root over ssh" } }),
        ...someEvents(1, "", { state_snapshot: { message: "no space left on device" } }),
      ]);
      await seal(fleet);
      const [space] = await expectSameRows(fleet);
      assert.match(space as string, /^all-minilm-l6-v2-/);
      assert.deepEqual(await similarTo(fleet, 0), [2, 1]);
    });
  });
});
