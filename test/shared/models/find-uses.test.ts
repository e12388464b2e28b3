import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { sha256Hex } from "../../../shared/format/hash.js";
import { formatSpace, modelSpace, spaceName } from "../../../shared/format/space.js";
import { type LevelModel, missingOf, readModelSpaces, usesOf } from "../../../shared/models/find-uses.js";
import { refuseIfUsed } from "../../../shared/models/remove-model.js";
import type { StoredModel } from "../../../shared/models/stored-model.js";
import { RootLayout } from "../../../shared/store/layout.js";
import { StoreBuilder, testRecipe, testSpace } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const [A, B] = ["5a1c6b1e-1111-4000-8000-000000000001", "5a1c6b1e-1111-4000-8000-000000000002"];
const MODEL = {
  id: "mini-0123456789ab",
  name: "mini",
  modelSha256: testRecipe().model_sha256,
  tokenizerSha256: testRecipe().tokenizer_sha256,
} as StoredModel;
const LEVELS: LevelModel[] = [
  { level: "low", model: "mini", inForce: false },
  { level: "medium", model: "mini-0123456789ab", inForce: true },
  { level: "high", model: "maxi", inForce: true },
];

test("the spaces of every store that a model made are found, in its generation and in the live tree", async () => {
  await withFolder(async (root) => {
    const first = await StoreBuilder.create({ root, uuid: A, origin: "one.example", space: testSpace(8, "f16") });
    await first.seal([]);
    await StoreBuilder.create({ root, uuid: B, origin: "two.example", dimensions: 8 });
    const { live } = new RootLayout(root).store(B);
    const newer = modelSpace(
      { name: "Maxi", recipe: { ...testRecipe(), model_sha256: sha256Hex("x") }, dimensions: 8 },
      "int8",
    );
    await mkdir(live.space(spaceName(newer)));
    await writeFile(live.spaceFile(spaceName(newer)), formatSpace(newer));
    await mkdir(join(live.vector, "half-made"));
    await mkdir(live.space("unknown"));
    await writeFile(live.spaceFile("unknown"), '{"format":99}');
    const found = await readModelSpaces(root);
    assert.deepEqual(found.map(({ origin, model }) => [origin, model]).sort(), [
      ["one.example", "test-model"],
      ["two.example", "maxi"],
    ]);
    const uses = { levels: LEVELS, spaces: found };
    assert.deepEqual(
      usesOf(MODEL, uses).spaces.map(({ store }) => store),
      [A],
    );
    assert.deepEqual(
      missingOf([MODEL], uses).spaces.map(({ model }) => model),
      ["maxi"],
    );
  });
});

test("a store whose first generation is still coming in needs no model, and keeps no other's from being found", async () => {
  await withFolder(async (root) => {
    const first = await StoreBuilder.create({ root, uuid: A, origin: "one.example", space: testSpace(8, "f16") });
    await first.seal([]);
    await mkdir(new RootLayout(root).store(B).staging, { recursive: true });
    assert.deepEqual(
      (await readModelSpaces(root)).map(({ origin }) => origin),
      ["one.example"],
    );
  });
});

test("a root without stores needs no model", async () => {
  await withFolder(async (root) => assert.deepEqual(await readModelSpaces(root), []));
});

test("levels use a model by its name or id, and only one in force is missed", () => {
  const uses = { levels: LEVELS, spaces: [] };
  assert.deepEqual(
    usesOf(MODEL, uses).levels.map(({ level }) => level),
    ["low", "medium"],
  );
  assert.deepEqual(
    missingOf([MODEL], uses).levels.map(({ level }) => level),
    ["high"],
  );
  assert.deepEqual(
    missingOf([], uses).levels.map(({ level }) => level),
    ["medium", "high"],
  );
});

test("a model that a level in force or a space needs is not removed unasked, and what needs it is named", () => {
  const space = { store: A, origin: "one.example", space: "mini-000000000000", model: "mini", ...MODEL };
  const refused = (levels: LevelModel[], spaces: (typeof space)[], message: RegExp) =>
    assert.throws(() => refuseIfUsed(MODEL, { levels, spaces }), { code: "in-use", message, hint: /--force/ });
  refused([LEVELS[1] as LevelModel], [], /level medium/);
  refused([], [space], /space mini-000000000000 of one\.example/);
  assert.doesNotThrow(() => refuseIfUsed(MODEL, { levels: [LEVELS[0] as LevelModel], spaces: [] }));
});
