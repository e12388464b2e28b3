import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMessage } from "../../../../primary/sources/ovsdb/parse-message.js";

const parse = (text: string) => parseMessage(Buffer.from(text));

test("integers beyond 2^53 − 1 are kept digit by digit, as strings, and nothing else is touched", () => {
  const text = String.raw`{"big":9007199254740993,"low":-9223372036854775808,"most":9007199254740991,"real":1.25e3,"long":0.1234567890123456,
    "text":"9007199254740993","quoted":"\"9007199254740993\\","list":[1,18446744073709551615,"x"],"9007199254740993":{}}`;
  assert.deepEqual(parse(text), {
    big: "9007199254740993",
    low: "-9223372036854775808",
    most: 9007199254740991,
    real: 1250,
    long: 0.1234567890123456,
    text: "9007199254740993",
    quoted: '"9007199254740993\\',
    list: [1, "18446744073709551615", "x"],
    "9007199254740993": {},
  });
});

test("what is no JSON object in UTF-8 is refused", () => {
  const bad = [Buffer.from("{,}"), Buffer.from('{"a":1,}'), Buffer.from("[1]"), Buffer.from("null")];
  for (const bytes of [...bad, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]) {
    assert.throws(() => parseMessage(bytes), { code: "bad-message" });
  }
});
