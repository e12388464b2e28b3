import assert from "node:assert/strict";
import { test } from "node:test";
import { OvsdbError } from "../../../../primary/sources/ovsdb/ovsdb-error.js";
import { MessageSplitter } from "../../../../primary/sources/ovsdb/split-messages.js";

const MESSAGES = [
  {},
  { method: "echo", params: [], id: "echo" },
  { text: 'braces {[}] "quoted \\" and a backslash at the end \\', "}": { "{": ["]", '"'] } },
  { umlauts: "Brücke", euro: "€{€}", clef: "𝄞", escaped: "\u0001\u2028" },
  { nested: [[[[{ a: [{ b: {} }] }]]], { c: [] }] },
];

function split(chunks: Buffer[], maxMessageBytes?: number): string[] {
  const splitter = new MessageSplitter(maxMessageBytes === undefined ? {} : { maxMessageBytes });
  const texts: string[] = [];
  for (const chunk of chunks) for (const message of splitter.push(chunk)) texts.push(message.toString("utf8"));
  return texts;
}

/** Numbers from 0 to 1 that are the same in every run. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

function cutAtRandom(bytes: Buffer, random: Generator<number, never>): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + Math.floor(random.next().value * (random.next().value < 0.5 ? 3 : 40));
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

function refused(chunks: (string | Buffer)[], maxMessageBytes?: number): string {
  try {
    split(
      chunks.map((chunk) => Buffer.from(chunk)),
      maxMessageBytes,
    );
  } catch (error) {
    assert.ok(error instanceof OvsdbError && error.code === "bad-message");
    return error.message;
  }
  throw new Error("it was not refused");
}

test("messages are found wherever the bytes are cut, inside characters and escapes too", () => {
  const texts = MESSAGES.map((message) => JSON.stringify(message));
  const random = numbers(41);
  for (let round = 0; round < 500; round++) {
    const order = texts.map((text) => ({ text, at: random.next().value })).sort((a, b) => a.at - b.at);
    const wanted = order.map(({ text }) => text);
    const between = ["", " ", "\n", "\r\n\t"][round % 4] as string;
    assert.deepEqual(split(cutAtRandom(Buffer.from(wanted.join(between)), random)), wanted);
  }
});

test("a message is given as soon as its last byte is there, and not before", () => {
  const splitter = new MessageSplitter();
  const bytes = Buffer.from('{"a":"}"}');
  for (const byte of bytes.subarray(0, -1)) assert.deepEqual([...splitter.push(Buffer.from([byte]))], []);
  assert.deepEqual([...splitter.push(bytes.subarray(-1))], [bytes]);
});

test("what is kept of a chunk does not change with the chunk", () => {
  const splitter = new MessageSplitter();
  const chunk = Buffer.from('{"a":');
  assert.deepEqual([...splitter.push(chunk)], []);
  chunk.fill(0x78);
  assert.deepEqual([...splitter.push(Buffer.from("1}"))].map(String), ['{"a":1}']);
});

test("bytes that begin no object are refused", () => {
  for (const rubbish of ["x", "[1]", "}", '"{}"', "{} HTTP/1.1", Buffer.from([0x16, 0x03, 0x01]), "{}]"]) {
    assert.match(refused([rubbish]), /begins with byte 0x[0-9a-f]+/);
  }
});

test("a message is refused once it is longer than the bound, in one piece or in many", () => {
  const message = JSON.stringify({ text: "x".repeat(1000) });
  const bound = message.length;
  assert.deepEqual(split([Buffer.from(message), Buffer.from(message)], bound), [message, message]);
  for (const cut of [message.length, 10, 1]) {
    const chunks = message.match(new RegExp(`.{1,${cut}}`, "g")) as string[];
    assert.match(refused(chunks, bound - 1), /longer than 1010 bytes/);
  }
  assert.match(refused(Array(2000).fill('{"never ends'), bound), /longer than/);
});

test("a message of many levels is refused before it is parsed", () => {
  assert.match(refused([`{"a":${"[".repeat(100)}`]), /levels deep/);
  assert.match(refused([`{"a":${'{"a":'.repeat(100)}`]), /levels deep/);
});
