import assert from "node:assert/strict";
import { test } from "node:test";
import { addMembers } from "../../../../primary/sources/lines/add-members.js";

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
    assert.equal(addMembers(Buffer.from(line), { actor: "me" }).toString(), wanted);
  });
}

test("mistakes of the line stay in it, for admission to see", () => {
  assert.equal(addMembers(Buffer.from('{"a":1,"a":2}'), { actor: "me" }).toString(), '{"actor":"me","a":1,"a":2}');
});

test("the key is put into events of our own form that have none, and into nothing else", () => {
  const added = (line: string) => addMembers(Buffer.from(line), { key: "k", actor: "me" }).toString();
  assert.equal(added('{"action":"a"}'), '{"actor":"me","idempotency_key":"k","action":"a"}');
  assert.equal(added('{"actor":"o","idempotency_key":"mine"}'), '{"actor":"o","idempotency_key":"mine"}');
  assert.equal(added('{"specversion":"1.0"}'), '{"isochronactor":"me","specversion":"1.0"}');
  assert.equal(added('[{"specversion":"1.0"}]'), '[{"isochronactor":"me","specversion":"1.0"}]');
});
