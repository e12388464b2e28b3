import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTimestamp, parseTimestamp } from "../../../shared/format/timestamp.js";
import { StoredTimes } from "../../../shared/query/stored-times.js";
import { seededRandom } from "../../support/build-store.js";

/** What reading comes to, an error by its message. */
function outcome(read: () => number): number | string {
  try {
    return read();
  } catch (error) {
    return (error as Error).message;
  }
}

test("a stored time is what parseTimestamp makes of it, on the same day and on another", () => {
  const random = seededRandom(5);
  const times = new StoredTimes();
  for (let i = 0; i < 2000; i += 1) {
    const day = Math.floor(random() * 4) * 11_000 - 20_000;
    const text = formatTimestamp(day * 86_400e6 + Math.floor(random() * 86_400e6));
    assert.equal(times.micros(text), parseTimestamp(text), text);
  }
});

test("what is in no stored form, or is no time, is answered as parseTimestamp answers it, and spoils nothing after it", () => {
  const good = "2026-11-20T10:05:00.123456Z";
  const others = ["2026-11-20T10:05:60.000000Z", "2026-02-30T10:05:00.000000Z", "2026-11-20T24:00:00.000000Z"];
  const variants = [...good].flatMap((_, at) => {
    return ["x", "9", "-", " ", "/", ":"].map((one) => good.slice(0, at) + one + good.slice(at + 1));
  });
  const times = new StoredTimes();
  for (const text of [...others, ...variants, "", "2026-11-20", `${good}Z`, good.slice(0, -1)]) {
    assert.equal(
      outcome(() => times.micros(text)),
      outcome(() => parseTimestamp(text)),
      text,
    );
    assert.equal(times.micros(good), parseTimestamp(good));
  }
});
