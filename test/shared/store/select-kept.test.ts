import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type DatedGeneration, KEEP_CURRENT, type KeepRule, selectKept } from "../../../shared/store/select-kept.js";

/** Generations in order, sealed at these times. */
const sealedAt = (...times: (string | undefined)[]): DatedGeneration[] =>
  times.map((time, i) => ({ generation: i + 1, sealedMs: time === undefined ? undefined : Date.parse(time) }));

interface Case {
  name: string;
  times: (string | undefined)[];
  keep: Partial<KeepRule>;
  kept: number[];
}

const CASES: Case[] = [
  { name: "nothing where there is nothing", times: [], keep: { hourly: 5 }, kept: [] },
  { name: "the newest alone in the steady state", times: [undefined, undefined, undefined], keep: {}, kept: [3] },
  {
    name: "as many of the newest as `last` says",
    times: [undefined, undefined, undefined],
    keep: { last: 2 },
    kept: [2, 3],
  },
  {
    name: "the newest of each hour, the one that is not over yet counted in",
    times: ["2026-11-20T08:59:59Z", "2026-11-20T09:00:00Z", "2026-11-20T09:59:59.999Z", "2026-11-20T10:00:00Z"],
    keep: { hourly: 2 },
    kept: [3, 4],
  },
  {
    name: "hours that hold nothing are not counted",
    times: ["2026-11-01T08:10:00Z", "2026-11-10T08:10:00Z", "2026-11-20T08:10:00Z"],
    keep: { hourly: 3 },
    kept: [1, 2, 3],
  },
  {
    name: "days end at midnight UTC",
    times: ["2026-11-18T23:59:59Z", "2026-11-19T00:00:00Z", "2026-11-19T23:59:59Z", "2026-11-20T00:00:00Z"],
    keep: { daily: 3 },
    kept: [1, 3, 4],
  },
  {
    // 2026-11-15 is a Sunday.
    name: "weeks end on Sunday night",
    times: ["2026-11-09T00:00:00Z", "2026-11-15T23:59:59Z", "2026-11-16T00:00:00Z", "2026-11-22T12:00:00Z"],
    keep: { weekly: 2 },
    kept: [2, 4],
  },
  {
    name: "what several rules choose is kept once, and each chooses for itself",
    times: ["2026-11-18T10:00:00Z", "2026-11-19T10:00:00Z", "2026-11-20T08:00:00Z", "2026-11-20T10:30:00Z"],
    keep: { hourly: 2, daily: 3 },
    kept: [1, 2, 3, 4],
  },
  {
    name: "a clock that was set back: the number says which is newer",
    times: ["2026-11-20T12:10:00Z", "2026-11-20T12:50:00Z", "2026-11-20T12:20:00Z"],
    keep: { hourly: 1 },
    kept: [3],
  },
  {
    name: "one whose seal cannot be read stands for no hour",
    times: ["2026-11-20T10:00:00Z", undefined, "2026-11-20T11:00:00Z"],
    keep: { hourly: 5 },
    kept: [1, 3],
  },
];

describe("what stays", () => {
  for (const { name, times, keep, kept } of CASES) {
    test(name, () => {
      const chosen = selectKept(sealedAt(...times), { ...KEEP_CURRENT, ...keep });
      assert.deepEqual(
        [...chosen].sort((a, b) => a - b),
        kept,
      );
    });
  }

  test("a year of seals each ten minutes leaves what the rule counts", () => {
    const keep = { last: 1, hourly: 24, daily: 7, weekly: 4 };
    const stepMs = 600_000;
    let left: DatedGeneration[] = [];
    for (let i = 0; i < 52_560; i += 1) {
      const all = [...left, { generation: i + 1, sealedMs: Date.parse("2026-01-01T00:00:00Z") + i * stepMs }];
      const kept = selectKept(all, keep);
      left = all.filter(({ generation }) => kept.has(generation));
    }
    const times = left.map(({ sealedMs }) => new Date(sealedMs as number).toISOString().slice(5, 16));
    // The year ends on a Thursday: two Sundays, six days (one of them is a Sunday too), the hours of the last day.
    const days = ["12-13", "12-20", "12-25", "12-26", "12-27", "12-28", "12-29", "12-30"].map((day) => `${day}T23:50`);
    const hours = Array.from({ length: 24 }, (_, hour) => `12-31T${String(hour).padStart(2, "0")}:50`);
    assert.deepEqual(times, [...days, ...hours]);
  });
});
