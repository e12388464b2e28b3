import assert from "node:assert/strict";
import { test } from "node:test";
import { addActor } from "../../../primary/sources/add-actor.js";

const cases: [name: string, line: string, wanted: string][] = [
  ["an event", '{"action":"a"}', '{"actor":"me","action":"a"}'],
  ["an empty object", " {} ", ' {"actor":"me"} '],
  ["an event that has one", '{"actor":"own"}', '{"actor":"own"}'],
  ["a CloudEvent", '{"specversion":"1.0"}', '{"isochronactor":"me","specversion":"1.0"}'],
  [
    "a CloudEvent that has one",
    '{"specversion":"1.0","isochronactor":"o"}',
    '{"specversion":"1.0","isochronactor":"o"}',
  ],
  [
    "each event of a batch",
    '[ {"specversion":"1.0","data":[{"a":"]{\\"["}]}, 5, [{}], {"specversion":"1.0"} ]',
    '[ {"isochronactor":"me","specversion":"1.0","data":[{"a":"]{\\"["}]}, 5, [{}], {"isochronactor":"me","specversion":"1.0"} ]',
  ],
  ["an empty batch", "[]", "[]"],
  ["a line that is no JSON", '{"action":', '{"action":'],
  ["a number", "5", "5"],
];
for (const [name, line, wanted] of cases) {
  test(`the actor is put into ${name}, which stays as it was otherwise`, () => {
    assert.equal(addActor(Buffer.from(line), "me").toString(), wanted);
  });
}

test("mistakes of the line stay in it, for admission to see", () => {
  assert.equal(addActor(Buffer.from('{"a":1,"a":2}'), "me").toString(), '{"actor":"me","a":1,"a":2}');
});
