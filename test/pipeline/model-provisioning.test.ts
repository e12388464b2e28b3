// A model's way through a fleet as an operator takes it: the replica says which model its spaces want, the primary's folder
// is copied there, and from then on both sides keep it from being removed.
import assert from "node:assert/strict";
import { cp, mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { test } from "node:test";
import { expectConverged, ingest, mustRun, QUIET, seal, someEvents } from "../support/drive-fleet.js";
import { makeModel } from "../support/make-model.js";
import { MODEL_RUNTIME, requirePart } from "../support/require-part.js";
import { type FleetSide, makeFleet } from "../support/start-fleet.js";

const NAME = "made-model";

test("a replica names the model that its space wants, and takes a copy of the primary's folder for it", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  const vectorize = { level: "medium", models: { medium: NAME } };
  const fleet = await makeFleet({ volume: "512M", primary: { ...QUIET, vectorize } });
  try {
    const made = join(fleet.folder, NAME);
    await mkdir(made, { recursive: true });
    await makeModel(made);
    await mustRun(fleet.primary, "model", "add", made);
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    await ingest(fleet, someEvents(5));
    await seal(fleet);
    await expectConverged(fleet);

    const [ofPrimary] = (await listModels(fleet.primary)).models;
    assert.deepEqual([ofPrimary?.levels.length, ofPrimary?.spaces.length], [1, 1]);
    const { models, missing } = await listModels(fleet.replica);
    assert.deepEqual([models.length, missing.spaces.length], [0, 1]);
    const wanted = missing.spaces[0]?.model_sha256 as string;
    assert.equal(wanted, ofPrimary?.model_sha256);
    assert.match((await fleet.replica.run("model", "list")).stdout, new RegExp(`missing: ${NAME}, .*${wanted}`));

    const copy = join(fleet.folder, "copied", basename(ofPrimary?.dir as string));
    await cp(ofPrimary?.dir as string, copy, { recursive: true });
    const added = JSON.parse(await mustRun(fleet.replica, "model", "add", copy, "--sha256", wanted, "--json"));
    assert.deepEqual([added.changed, added.id, added.checked.source], [true, ofPrimary?.id, true]);
    const after = await listModels(fleet.replica);
    assert.deepEqual([after.models[0]?.spaces.length, after.missing.spaces], [1, []]);
    for (const side of [fleet.primary, fleet.replica]) {
      const { exitCode, stderr } = await side.run("model", "remove", NAME);
      assert.equal(exitCode, 1);
      assert.match(stderr, new RegExp(`is used by .*space ${NAME}-[0-9a-f]{12} of `));
    }
    assert.match(await mustRun(fleet.replica, "model", "test", NAME), /^good/);
    await expectConverged(fleet);
  } finally {
    await fleet.stop();
  }
});

interface ListedSpace {
  space: string;
  model_sha256: string;
}

interface Listed {
  models: { id: string; dir: string; model_sha256: string; levels: object[]; spaces: ListedSpace[] }[];
  missing: { spaces: ListedSpace[] };
}

async function listModels(side: FleetSide): Promise<Listed> {
  return JSON.parse(await mustRun(side, "model", "list", "--json"));
}
