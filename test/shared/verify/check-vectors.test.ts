// Rows of every dtype against the seals that name them, and definitions of spaces that cannot be what they say.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { DTYPES } from "../../../shared/format/row-values.js";
import { type ModelSpace, type Space, spaceName } from "../../../shared/format/space.js";
import { rowBytes } from "../../../shared/format/vector-row.js";
import { loadVerifiedState } from "../../../shared/verify/load-verified-state.js";
import { MapHeads } from "../../../shared/verify/map-heads.js";
import type { VerifyError } from "../../../shared/verify/verify-error.js";
import { NOTHING_VERIFIED, verifyGeneration } from "../../../shared/verify/verify-generation.js";
import { flipByte, groupVector, StoreBuilder, seededRandom, testRecipe, testSpace } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const DIMENSIONS = 7;
const random = seededRandom(21);

function events(count: number, late = false) {
  return Array.from({ length: count }, (_, i) => ({
    element: `interface:eth${i % 5}`,
    state: { mtu: 1500 + i },
    vector: groupVector(DIMENSIONS, i % 5, random),
    late,
  }));
}

async function makeStore(root: string, space: Space): Promise<StoreBuilder> {
  const store = await StoreBuilder.create({ root, uuid: randomUUID(), space });
  await store.seal([...events(20), ...events(3, true)]);
  await store.seal(events(10));
  return store;
}

function verify(store: StoreBuilder) {
  return verifyGeneration({
    tree: store.layout.generation(2),
    storeUuid: store.uuid,
    keys: [store.signer],
    from: NOTHING_VERIFIED,
    heads: new MapHeads(),
  });
}

for (const dtype of DTYPES) {
  const space = testSpace(DIMENSIONS, dtype);
  const rowsOf = (store: StoreBuilder) => store.layout.generation(2).rows(spaceName(space), 0);
  const file = `vector/${spaceName(space)}/00000000000000000000.vec`;

  test(`${dtype} rows are intact as they were sealed, late ones too, and are counted the same when they are taken up again`, () =>
    withFolder(async (root) => {
      const store = await makeStore(root, space);
      const { rows } = await verify(store);
      assert.deepEqual([...rows], [[file.slice("vector/".length), 33]]);
      const loaded = await loadVerifiedState(store.layout.generation(2), 2, [store.signer]);
      assert.deepEqual(loaded?.rows, rows);
    }));

  test(`any byte of a ${dtype} row that is changed is found, and its row named`, () =>
    withFolder(async (root) => {
      const store = await makeStore(root, space);
      const width = rowBytes(space);
      for (let at = 21 * width; at < 22 * width; at += 1) {
        await flipByte(rowsOf(store), at);
        await assert.rejects(verify(store), { verdict: "tampered", place: { file, offset: 20 * width } }, String(at));
        await flipByte(rowsOf(store), at);
      }
      await verify(store);
    }));

  test(`a ${dtype} row too few or too many is found`, () =>
    withFolder(async (root) => {
      const store = await makeStore(root, space);
      const width = rowBytes(space);
      const whole = await readFile(rowsOf(store));
      assert.equal(whole.length, 33 * width);
      await writeFile(rowsOf(store), Buffer.concat([whole, whole.subarray(0, width)]));
      await assert.rejects(verify(store), { verdict: "tampered", place: { file, offset: 33 * width } });
      for (const bytes of [32 * width, 33 * width - 1]) {
        await truncate(rowsOf(store), bytes);
        await assert.rejects(verify(store), { verdict: "incomplete" }, String(bytes));
      }
    }));
}

const SOUND = testSpace(DIMENSIONS, "f16") as ModelSpace;

/** Sealed and signed: what a primary gone wrong, or one of another version, could write. */
const DEFINITIONS: { name: string; verdict: VerifyError["verdict"]; field: string; space: object }[] = [
  { name: "an unknown dtype", verdict: "tampered", field: "dtype", space: { ...SOUND, dtype: "f8" } },
  { name: "too many dimensions", verdict: "tampered", field: "dimensions", space: { ...SOUND, dimensions: 4097 } },
  { name: "no recipe", verdict: "tampered", field: "recipe", space: { ...SOUND, recipe: null } },
  {
    name: "another recipe than its fingerprint's",
    verdict: "tampered",
    field: "fingerprint",
    space: { ...SOUND, recipe: { ...testRecipe(), text: "test 2" } },
  },
  { name: "a format of a later version", verdict: "newer", field: "format", space: { ...SOUND, format: 3 } },
];

for (const { name, verdict, field, space } of DEFINITIONS) {
  test(`${verdict}: a space with ${name}, naming the file and the field, whoever signed it`, () =>
    withFolder(async (root) => {
      const store = await StoreBuilder.create({ root, uuid: randomUUID(), space: space as Space, rowShape: SOUND });
      await store.seal(events(3));
      await store.seal(events(3));
      const file = `vector/${spaceName(space as Space)}/space.json`;
      await assert.rejects(verify(store), (error: VerifyError) => {
        assert.deepEqual([error.verdict, error.place], [verdict, { file }], error.message);
        assert.match(error.message, new RegExp(`^space.json's ${field}`));
        return true;
      });
    }));
}
