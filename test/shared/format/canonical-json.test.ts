import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalise, type JsonValue } from "../../../shared/format/canonical-json.js";
import { readVectors } from "../../support/read-vectors.js";

const vectors = readVectors<{
  values: { json: string; canonical: string }[];
  numbers: { ieee754: string; canonical: string }[];
  refused_numbers: string[];
}>("canonical-json");

test("the examples of RFC 8785 come out byte for byte", () => {
  for (const { json, canonical } of vectors.values) {
    const value = JSON.parse(json) as JsonValue;
    assert.equal(canonicalise(value), canonical);
    assert.equal(canonicalise(JSON.parse(canonical) as JsonValue), canonical);
  }
});

test("numbers are written as RFC 8785 appendix B lists them", () => {
  for (const { ieee754, canonical } of vectors.numbers) assert.equal(canonicalise(double(ieee754)), canonical, ieee754);
});

test("numbers that another reader could read as another number are refused", () => {
  for (const ieee754 of vectors.refused_numbers) {
    assert.throws(() => canonicalise(double(ieee754)), { code: "number-out-of-range" }, ieee754);
  }
});

test("half a surrogate pair is refused, in a value and in a key", () => {
  assert.throws(() => canonicalise("a\ud83d"), { code: "lone-surrogate" });
  assert.throws(() => canonicalise({ "\ude00": 1 }), { code: "lone-surrogate" });
});

test("what JSON has no form for is refused", () => {
  for (const value of [undefined, 1n, () => 0, Symbol("x")]) {
    assert.throws(() => canonicalise({ a: value as unknown as JsonValue }), { code: "not-canonical" });
  }
});

function double(hex: string): number {
  return Buffer.from(hex, "hex").readDoubleBE();
}
