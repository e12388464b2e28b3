import assert from "node:assert/strict";
import { test } from "node:test";
import { plainObject, plainValue } from "../../../shared/dbus/plain-value.js";
import { variant } from "../../../shared/dbus/variant.js";

test("variants are opened, however deep, and 64-bit numbers keep every digit", () => {
  const value = variant("a{sv}", { inner: variant("v", variant("t", 18446744073709551615n)) });
  assert.deepEqual({ ...(plainValue(value) as object) }, { inner: "18446744073709551615" });
  assert.deepEqual(plainValue([-9223372036854775808n, 4294967295, true, "x"]), [
    "-9223372036854775808",
    4294967295,
    true,
    "x",
  ]);
});

test("bytes are text where they are text, without the NUL that D-Bus names end with, and hex where not", () => {
  assert.equal(plainValue(Buffer.from("eth0\0")), "eth0");
  assert.equal(plainValue(Buffer.from("naïve")), "naïve");
  assert.equal(plainValue(Buffer.from([0xc3, 0x28])), "c328");
  assert.equal(plainValue(Buffer.from([0x61, 0x07])), "6107");
  assert.equal(plainValue(Buffer.alloc(0)), "");
});

test("what JSON has no form for still has one that can be canonicalised", () => {
  assert.deepEqual(plainValue([Number.NaN, Number.NEGATIVE_INFINITY, undefined, "\ud800"]), [
    "NaN",
    "-Infinity",
    null,
    "\ufffd",
  ]);
});

test("a key that names an object's machinery is a key like any other", () => {
  const object = plainObject(JSON.parse('{"__proto__": 1, "constructor": 2}'));
  assert.deepEqual(Object.keys(object), ["__proto__", "constructor"]);
  assert.equal(JSON.stringify(object), '{"__proto__":1,"constructor":2}');
});
