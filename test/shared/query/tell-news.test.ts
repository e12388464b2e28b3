import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createLogger } from "../../../shared/log.js";
import type { Promoted, QueryNews } from "../../../shared/query/query-message.js";
import { NewsTeller } from "../../../shared/query/tell-news.js";

const A = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d03";
const B = "1c0d7d6f-63a1-4c73-8b66-2a7a7a4d0e14";
let logged: string[];
let answered: [string, Promoted][];
let teller: NewsTeller;
let told: QueryNews[];

beforeEach(() => {
  logged = [];
  answered = [];
  told = [];
  teller = new NewsTeller({
    log: createLogger("error", (line) => logged.push(line) > 0),
    onAnswered: (store, promoted) => answered.push([store, promoted]),
  });
});

const listen = () => teller.attach((news) => told.push(news));
const answer = (store: string, generation: number) =>
  teller.heard({ op: "answered", store, generation, size: generation * 10 });

test("of all that was promoted while nobody listened one is told for each store, and the last head", () => {
  for (let generation = 1; generation <= 10_000; generation += 1) {
    teller.promoted(A, generation);
    teller.setPrimaryHead(A, { size: generation, atMs: generation, generation });
  }
  teller.promoted(B, 3);
  listen();
  assert.deepEqual(told, [
    { op: "primary-head", store: A, head: { size: 10_000, atMs: 10_000, generation: 10_000 } },
    { op: "promoted", store: A, generation: 10_000 },
    { op: "promoted", store: B, generation: 3 },
  ]);
});

test("one promotion of a store is under way at a time, and those that come meanwhile join", () => {
  listen();
  for (const generation of [1, 2, 3]) teller.promoted(A, generation);
  assert.deepEqual(told, [{ op: "promoted", store: A, generation: 1 }]);
  answer(A, 1);
  assert.deepEqual(told.at(-1), { op: "promoted", store: A, generation: 3 });
  answer(A, 3);
  assert.equal(told.length, 2);
  assert.deepEqual(answered, [
    [A, { generation: 1, size: 10 }],
    [A, { generation: 3, size: 30 }],
  ]);
});

test("an answer from a later generation than was asked for answers all before it", () => {
  listen();
  teller.promoted(A, 1);
  teller.promoted(A, 2);
  answer(A, 5);
  assert.equal(told.length, 1);
  teller.promoted(A, 6);
  assert.deepEqual(told.at(-1), { op: "promoted", store: A, generation: 6 });
});

test("what a listener that went had not answered is told to the next", () => {
  listen();
  teller.promoted(A, 1);
  teller.detach();
  teller.promoted(A, 2);
  told = [];
  listen();
  assert.deepEqual(told, [{ op: "promoted", store: A, generation: 2 }]);
  answer(A, 2);
  teller.detach();
  told = [];
  listen();
  assert.deepEqual(told, []);
});

test("what was found on disk is heard of without having been told, each generation once", () => {
  listen();
  answer(A, 4);
  answer(A, 4);
  answer(A, 3);
  assert.deepEqual(answered, [[A, { generation: 4, size: 40 }]]);
});

test("an older answer does not stand for the promotion that is under way", () => {
  listen();
  teller.promoted(A, 5);
  answer(A, 4);
  teller.promoted(A, 6);
  assert.equal(told.length, 1);
  answer(A, 5);
  assert.deepEqual(told.at(-1), { op: "promoted", store: A, generation: 6 });
});

test("a promotion that cannot be answered is logged, and the next one is told", () => {
  listen();
  teller.promoted(A, 1);
  teller.heard({ op: "not-answered", store: A, generation: 1, error: "no such file" });
  assert.match(logged.join(""), /not answered yet .*generation=1 error="no such file"/);
  teller.promoted(A, 2);
  assert.deepEqual(told.at(-1), { op: "promoted", store: A, generation: 2 });
});

test("a listener that says again and again that it cannot answer is told nothing for it, and fills no log", () => {
  listen();
  teller.promoted(A, 2);
  for (let i = 0; i < 100; i += 1) teller.heard({ op: "not-answered", store: A, generation: 1, error: "no" });
  for (let i = 0; i < 100; i += 1) teller.heard({ op: "not-answered", store: A, generation: 2, error: "no" });
  assert.deepEqual([told.length, logged.length], [1, 1]);
});
