// Questions at a level of a model, as users ask them: the primary makes the vectors, the replica embeds the question with the
// same model, and nothing else.
import assert from "node:assert/strict";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { SearchResult } from "../../shared/query/query-search.js";
import { expectConverged, ingest, jsonLines, mustRun, primaryStatus, QUIET, seal } from "../support/drive-fleet.js";
import { scrapeAll } from "../support/list-metrics.js";
import { makeModel } from "../support/make-model.js";
import { makeQueryService, QUERY_USER, READABLE_CHECKOUT } from "../support/query-service.js";
import { MODEL_RUNTIME, ROOT, requirePart } from "../support/require-part.js";
import { sharedModelFolder, testWithModel } from "../support/shared-model.js";
import type { DaemonProcess } from "../support/start-daemon.js";
import { bothAnswer, type Fleet, type FleetSide, makeFleet } from "../support/start-fleet.js";

const MADE = "made-model";
const REAL = "all-MiniLM-L6-v2";

const logged = (message: string, element = "service:gate", element_type = "Service") => {
  return { element_id: element, element_type, action: "logged", actor: "syslog", state_snapshot: { message } };
};
const EVENTS = [
  logged("password rejected for admin from 10.0.0.7 port 4022"),
  logged("disk full at /var", "mount:/var", "Mount"),
  logged("eth0 carrier lost", "interface:eth0", "NetworkInterface"),
  logged("eth1 carrier lost", "interface:eth1", "NetworkInterface"),
  logged("package upgraded to 2.41", "package:libc6", "Package"),
];

interface Questions {
  model: string;
  /** Whether the replica has the model too. */
  asks: boolean;
  /** Whether a service of another user answers for it. */
  byService?: boolean;
}

/** A fleet at level medium. */
async function withQuestions(
  t: TestContext,
  { model, asks, byService = false }: Questions,
  body: (fleet: Fleet, service: DaemonProcess | undefined) => Promise<void>,
): Promise<void> {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  const vectorize = { level: "medium", models: { medium: model } };
  const fleet = await makeFleet({
    volume: "512M",
    primary: { ...QUIET, vectorize, push: { hello_seconds: 1 } },
    replica: byService ? { query: { user: QUERY_USER.name } } : {},
  });
  const service = byService ? await makeQueryService(fleet, "replica") : undefined;
  try {
    const folder = model === MADE ? await makeFolder(fleet) : sharedModelFolder(model);
    for (const side of asks ? [fleet.primary, fleet.replica] : [fleet.primary]) await addModel(side, folder);
    await fleet.replica.daemon.start();
    await service?.start();
    await fleet.primary.daemon.start();
    await ingest(fleet, EVENTS);
    await seal(fleet);
    await expectConverged(fleet);
    await body(fleet, service);
    await expectConverged(fleet);
  } catch (error) {
    const log = `${fleet.replica.daemon.log.slice(-6000)}\n${service?.log ?? ""}`;
    throw new Error(`${(error as Error).message}\n${log}`, { cause: error });
  } finally {
    await service?.stop();
    await fleet.stop();
  }
}

async function makeFolder(fleet: Fleet): Promise<string> {
  const folder = join(fleet.folder, MADE);
  await mkdir(folder, { recursive: true });
  await makeModel(folder);
  return folder;
}

const addModel = (side: FleetSide, folder: string) => mustRun(side, "model", "add", folder);

async function search(side: FleetSide, ...args: string[]): Promise<{ results: SearchResult[]; vector: string }> {
  const lines = jsonLines<SearchResult & { legs: { vector: string } }>(
    await mustRun(side, "search", ...args, "--json"),
  );
  const { legs } = lines.pop() as { legs: { vector: string } };
  return { results: lines, vector: legs.vector };
}

/** Who the children of a process are that run a script. */
async function usersOf(script: string, parent: number | undefined): Promise<number[]> {
  const pids = (await readFile(`/proc/${parent}/task/${parent}/children`, "utf8")).split(" ").filter(Boolean);
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  const ofScript = pids.filter((_, i) => commands[i]?.includes(script));
  return Promise.all(ofScript.map(async (pid) => (await stat(`/proc/${pid}`)).uid));
}

const embedded = async (side: FleetSide, result: string) =>
  (await scrapeAll(side)).value("isochron_question_embeddings_total", { result });

test("a question in other words finds the event, and the replica embeds nothing but the question", async (t) => {
  await withQuestions(t, { model: MADE, asks: true }, async (fleet) => {
    assert.equal(await embedded(fleet.replica, "embedded"), 0);
    const { results, vector } = await search(fleet.replica, "credentials denied");
    assert.deepEqual([results[0]?.seq, results[0]?.text], [0, undefined]);
    assert.match(vector, /^made-model-[0-9a-f]{12}, the question's own vector/);
    assert.deepEqual([await embedded(fleet.replica, "embedded"), await embedded(fleet.replica, "failed")], [1, 0]);
    assert.equal(await embedded(fleet.primary, "embedded"), 0);
    const named = await search(fleet.replica, "eth1 uplink gone");
    assert.deepEqual(
      named.results.slice(0, 2).map(({ seq }) => seq),
      [3, 2],
    );
    await bothAnswer(fleet, (await primaryStatus(fleet)).ledger.sealed);
    assert.equal((await search(fleet.primary, "credentials denied")).results[0]?.seq, 0);
    const shown = await mustRun(fleet.replica, "search", "eth1 uplink gone", "--explain");
    assert.match(shown, /^order +cosine \+ 0\.02 × words \+ 1 × names;.*"eth1" stand first/m);
    assert.match(
      await mustRun(fleet.replica, "stats"),
      /^vectors +5 in made-model-.*; questions embedded by made-model-/m,
    );
  });
});

test("a service without privileges answers by meaning: a process of its user reads the model, and embeds the question", async (t) => {
  if (!(await requirePart(t, ROOT)) || !(await requirePart(t, READABLE_CHECKOUT))) return;
  await withQuestions(t, { model: MADE, asks: true, byService: true }, async ({ replica }, service) => {
    assert.deepEqual(await usersOf("question-child", service?.pid), []);
    const { results, vector } = await search(replica, "credentials denied");
    assert.deepEqual([results[0]?.seq, results[0]?.text], [0, undefined]);
    assert.match(vector, /^made-model-[0-9a-f]{12}, the question's own vector/);
    assert.deepEqual([await embedded(replica, "embedded"), await embedded(replica, "failed")], [1, 0]);
    assert.deepEqual(await usersOf("question-child", service?.pid), [QUERY_USER.uid]);
    assert.deepEqual(await usersOf("question-child", replica.daemon.pid), []);
  });
});

test("a replica without the model answers by words, says the command that cures it, and is cured by it", async (t) => {
  await withQuestions(t, { model: MADE, asks: false }, async (fleet) => {
    assert.deepEqual((await search(fleet.replica, "credentials denied")).results, []);
    const { results, vector } = await search(fleet.replica, "password rejected");
    assert.equal(results[0]?.seq, 0);
    assert.match(vector, /not embedded here, model-missing: .*`model add`/);
    assert.match(await mustRun(fleet.replica, "stats"), /; questions by words: model-missing: /);
    assert.equal(jsonLines<SearchResult>(await mustRun(fleet.replica, "similar", "2", "--json"))[0]?.seq, 3);
    await addModel(fleet.replica, join(fleet.folder, MADE));
    assert.equal((await search(fleet.replica, "credentials denied")).results[0]?.seq, 0);
  });
});

testWithModel(REAL, "with a trained model a question in plain words finds what was never said so", async (t) => {
  await withQuestions(t, { model: REAL, asks: true }, async (fleet) => {
    for (const [question, seq] of [
      ["someone typed wrong credentials", 0],
      ["no room left on the file system", 1],
      ["network cable of eth0 was unplugged", 2],
      ["software got updated", 4],
    ] as const) {
      assert.equal((await search(fleet.replica, question)).results[0]?.seq, seq, question);
    }
  });
});
