import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { createLogger } from "../../../shared/log.js";
import { Retries } from "../../../shared/query/retries.js";

const full = new Error("database or disk is full");
let stopping: AbortController;
let retries: Retries;
let warned: string[];
let tries: number;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  stopping = new AbortController();
  warned = [];
  tries = 0;
  const log = createLogger("warn", (line) => warned.push(line) > 0);
  retries = new Retries({ signal: stopping.signal, log });
});
afterEach(() => mock.timers.reset());

const fail = (error = full) =>
  retries.failed("a", error, () => {
    tries += 1;
    fail(error);
  });

/** How long it takes to the next try. */
function pauseMs(): number {
  const before = tries;
  let waitedMs = 0;
  for (; tries === before && waitedMs < 100_000; waitedMs += 500) mock.timers.tick(500);
  return waitedMs;
}

test("pauses grow up to a minute, and begin anew with news and after what passed", () => {
  fail();
  assert.deepEqual(Array.from({ length: 8 }, pauseMs), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  retries.begin("a");
  assert.equal(pauseMs(), 100_000);
  fail();
  assert.deepEqual([pauseMs(), pauseMs()], [1000, 2000]);
  retries.passed("a");
  assert.equal(pauseMs(), 100_000);
  fail();
  assert.equal(pauseMs(), 1000);
});

test("several failures at once have one try follow, after the same pause", () => {
  for (let i = 0; i < 5; i += 1) fail();
  assert.deepEqual([pauseMs(), tries, pauseMs()], [1000, 1, 2000]);
});

test("a reason is warned of once, until another comes or it has passed", () => {
  for (const reason of ["no space", "no space", "too many files"]) fail(new Error(reason));
  retries.begin("a");
  fail(new Error("too many files"));
  assert.equal(warned.length, 2);
  retries.passed("a");
  fail(new Error("too many files"));
  assert.equal(warned.length, 3);
  assert.match(warned[0] ?? "", /store=a pause_ms=1000 error="no space"/);
});

test("once it is stopped nothing is tried any more", () => {
  fail();
  stopping.abort();
  fail();
  assert.deepEqual([pauseMs(), warned.length], [100_000, 1]);
});
