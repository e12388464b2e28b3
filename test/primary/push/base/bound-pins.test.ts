import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { boundPins, type CostlyPin, type PinBounds, type PinCosts } from "../../../../primary/push/base/bound-pins.js";

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;
const NOW_MS = 100 * DAY_MS;

const pin = (link: string, generation: number, days = 1): CostlyPin => ({
  link,
  generation,
  supersededMs: NOW_MS - days * DAY_MS,
});
const BOUNDS: PinBounds = { maxAgeMs: 7 * DAY_MS, maxBytes: undefined, maxSharePercent: 20, minFreeBytes: 64 * MIB };

interface Case {
  name: string;
  pins: CostlyPin[];
  /** MiB that each generation holds alone. */
  holds?: Record<number, number>;
  freeMib?: number;
  bounds?: Partial<PinBounds>;
  let: string[];
  why?: RegExp;
}

/** On a volume of 1000 MiB. */
const CASES: Case[] = [
  { name: "nothing while all is within bounds", pins: [pin("a", 3), pin("b", 5)], holds: { 3: 90, 5: 100 }, let: [] },
  { name: "nothing where nothing is pinned, however full it is", pins: [], freeMib: 0, let: [] },
  {
    name: "what is too old, and not what is just not",
    pins: [pin("a", 3, 7.001), pin("b", 5, 6.999)],
    let: ["a"],
    why: /out of date for 7 days, more than push\.pins\.max_age/,
  },
  {
    name: "the oldest first, until the rest is within the share",
    pins: [pin("new", 9), pin("old", 3), pin("mid", 5)],
    holds: { 3: 50, 5: 100, 9: 150 },
    let: ["old", "mid"],
    why: /behind hold (300|250)MiB, more than push\.pins\.max_share/,
  },
  {
    name: "all links of the oldest generation, which is counted once",
    pins: [pin("a", 3), pin("b", 3), pin("c", 5)],
    holds: { 3: 150, 5: 100 },
    let: ["a", "b"],
  },
  {
    name: "bytes, where they allow less than the share",
    pins: [pin("a", 3), pin("b", 5)],
    holds: { 3: 10, 5: 10 },
    bounds: { maxBytes: 15 * MIB },
    let: ["a"],
    why: /hold 20MiB, more than push\.pins\.max_bytes/,
  },
  {
    name: "what age lets go makes room for the others",
    pins: [pin("a", 3, 8), pin("b", 5)],
    holds: { 3: 150, 5: 100 },
    let: ["a"],
    why: /max_age/,
  },
  {
    name: "a full disk: the oldest first, as many as it takes",
    pins: [pin("c", 9), pin("a", 3), pin("b", 5)],
    holds: { 3: 10, 5: 20, 9: 30 },
    freeMib: 40,
    let: ["a", "b"],
    why: /40MiB are free here, less than push\.pins\.min_free_bytes/,
  },
  {
    name: "a full disk and nothing known to be won: one, the oldest",
    pins: [pin("b", 5), pin("a", 3)],
    freeMib: 1,
    let: ["a"],
  },
  {
    name: "a base and what was sent on it go together",
    pins: [pin("a", 3), pin("a", 7), pin("b", 5)],
    holds: { 3: 1, 5: 90, 7: 150 },
    let: ["a"],
  },
];

describe("bases that go", () => {
  for (const { name, pins, holds = {}, freeMib = 500, bounds, let: expected, why } of CASES) {
    test(name, () => {
      const bytesOf = new Map(Object.entries(holds).map(([generation, mib]) => [Number(generation), mib * MIB]));
      const costs: PinCosts = { pins, bytesOf, volumeBytes: 1000 * MIB, freeBytes: freeMib * MIB, nowMs: NOW_MS };
      const reasons = boundPins(costs, { ...BOUNDS, ...bounds });
      assert.deepEqual([...reasons.keys()].sort(), [...expected].sort());
      if (why) for (const reason of reasons.values()) assert.match(reason, why);
    });
  }
});
