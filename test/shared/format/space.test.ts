import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatSpace,
  isSpaceName,
  type ModelSpace,
  modelSpace,
  parseSpace,
  type Space,
  spaceName,
} from "../../../shared/format/space.js";
import { readVectors } from "../../support/read-vectors.js";

interface Frozen {
  space: Space;
  space_line: string;
  space_name: string;
}
const first = readVectors<Frozen>("vector-row");
const { spaces } = readVectors<{ spaces: (Frozen & { name: string; space: ModelSpace })[] }>("vector-row-2");

test("a space's file and name are the frozen ones", () => {
  for (const frozen of [first, ...spaces]) {
    assert.equal(formatSpace(frozen.space), `${frozen.space_line}\n`);
    assert.deepEqual(parseSpace(frozen.space_line), frozen.space);
    assert.equal(spaceName(frozen.space), frozen.space_name);
    assert.equal(isSpaceName(frozen.space_name), true);
  }
});

test("a model's space is made of its name, recipe and dtype as frozen, and two dtypes are two spaces", () => {
  for (const { name, space } of spaces) assert.deepEqual(modelSpace({ ...space, name }, space.dtype), space);
  assert.equal(new Set(spaces.map(({ space }) => space.fingerprint)).size, 3);
});

test("any part of the recipe that changes makes another space", () => {
  const { name, space } = spaces[0] as (typeof spaces)[0];
  const others = { model_sha256: "0".repeat(64), tokenizer_sha256: "0".repeat(64), weights: "fp32", max_tokens: 512 };
  for (const [field, value] of Object.entries({ ...others, text: "2" })) {
    const other = modelSpace({ ...space, name, recipe: { ...space.recipe, [field]: value } }, space.dtype);
    assert.notEqual(other.fingerprint, space.fingerprint, field);
  }
});

test("whatever a model is called, its space's name is one that a folder of spaces may have", () => {
  const { space } = spaces[0] as (typeof spaces)[0];
  for (const name of ["paraphrase-MiniLM-L3-v2", "Ünïcode model/../x", "_leading", "m".repeat(200)]) {
    const made = modelSpace({ ...space, name }, "f16");
    assert.ok(isSpaceName(spaceName(made)), spaceName(made));
    assert.deepEqual(parseSpace(formatSpace(made)), made);
  }
  for (const name of ["", "…"]) assert.throws(() => modelSpace({ ...space, name }, "f16"), /model/);
});

test("a space file with a field that is wrong is refused by that field's name", () => {
  const wrong = { format: 0, model: "../x", fingerprint: "", dimensions: 0, dtype: "f64", metric: "l2", normalised: 1 };
  for (const { space } of [first, ...spaces]) {
    for (const [field, value] of Object.entries({ ...wrong, dimensions: 4097 })) {
      const text = JSON.stringify({ ...space, [field]: value });
      assert.throws(() => parseSpace(text), { code: "bad-space", message: new RegExp(`'s ${field} is`) }, field);
    }
  }
  for (const text of ["", "null", "1", "[]"]) assert.throws(() => parseSpace(text), { code: "bad-space" }, text);
  for (const name of ["", "..", ".hidden", "A", "a/b", "x".repeat(65)]) assert.equal(isSpaceName(name), false, name);
});

test("a recipe that is wrong, or is not the one that the fingerprint was made of, is refused by its field's name", () => {
  const { space } = spaces[1] as (typeof spaces)[0];
  const wrong = {
    model_sha256: "A".repeat(64),
    tokenizer_sha256: undefined,
    weights: "int4",
    pooling: "cls",
    max_tokens: 0,
    text: "\ud800",
    later: true,
  };
  for (const [field, value] of Object.entries(wrong)) {
    const text = JSON.stringify({ ...space, recipe: { ...space.recipe, [field]: value } });
    assert.throws(() => parseSpace(text), { code: "bad-space", message: new RegExp(`'s recipe.${field} is`) }, field);
  }
  const others: object[] = [{ recipe: { ...space.recipe, max_tokens: 255 } }, { dtype: "int8" }];
  for (const other of [...others, { fingerprint: "0".repeat(64) }]) {
    const text = JSON.stringify({ ...space, ...other });
    assert.throws(() => parseSpace(text), { code: "bad-space", message: /'s fingerprint is/ }, text);
  }
  for (const recipe of [undefined, null, 7]) {
    assert.throws(() => parseSpace(JSON.stringify({ ...space, recipe })), { message: /'s recipe/ });
  }
});

test("a space of a later format is told from a damaged one", () => {
  for (const format of [3, 2 ** 31]) {
    assert.throws(() => parseSpace(JSON.stringify({ ...first.space, format })), {
      code: "newer-space",
      message: new RegExp(`format is ${format}, which a later version`),
    });
  }
});
