import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type HeldByReplica,
  type LocalGeneration,
  type PartialPush,
  type PushPlan,
  planPush,
} from "../../../primary/push/plan-push.js";

/** Generation `n` here; its subvolumes' UUIDs are told apart by disk. */
const local = (generation: number, disk = "a"): LocalGeneration => ({
  generation,
  timing: `${disk}t${generation}`,
  vector: `${disk}v${generation}`,
});
const held = (generation: number, size: number, disk = "a"): HeldByReplica => ({
  generation,
  size,
  timingReceivedUuid: `${disk}t${generation}`,
  vectorReceivedUuid: `${disk}v${generation}`,
});

const resume = { bytes: 5000, digest: "d", protocol: 2 };
/** Kept of a push that was cut. */
const cut = (generation: number, base: number | null): PartialPush => ({
  ...{ generation, base },
  ...resume,
});

interface Case {
  name: string;
  local: LocalGeneration[];
  held: HeldByReplica | null;
  full?: boolean;
  partial?: PartialPush;
  workingOn?: number;
  plan: Partial<PushPlan>;
}

/** The newest generation here is of 100 entries in every case. */
const SIZE = 100;
const CASES: Case[] = [
  { name: "nothing before the first seal", local: [], held: null, plan: { kind: "nothing" } },
  { name: "all to a replica that holds nothing", local: [local(3)], held: null, plan: { kind: "full", generation: 3 } },
  {
    name: "the difference from what the replica holds",
    local: [local(3), local(4)],
    held: held(3, 90),
    plan: { kind: "increment", base: 3, generation: 4 },
  },
  {
    name: "the difference over generations that the replica never had",
    local: [local(3), local(6), local(7)],
    held: held(3, 90),
    plan: { kind: "increment", base: 3, generation: 7 },
  },
  {
    name: "nothing to a replica that is up to date",
    local: [local(4)],
    held: held(4, SIZE),
    plan: { kind: "nothing" },
  },
  { name: "all when the base is gone", local: [local(4)], held: held(3, 90), plan: { kind: "full", generation: 4 } },
  {
    name: "all when a generation of the same number is another one",
    local: [local(3, "b"), local(4, "b")],
    held: held(3, 90),
    plan: { kind: "full", generation: 4 },
  },
  {
    name: "all when only one of the two subvolumes is the base",
    local: [{ ...local(3), vector: "other" }, local(4)],
    held: held(3, 90),
    plan: { kind: "full", generation: 4 },
  },
  {
    name: "all when what the replica holds was made writable, and lost its received UUID",
    local: [local(3), local(4)],
    held: { ...held(3, 90), timingReceivedUuid: null },
    plan: { kind: "full", generation: 4 },
  },
  {
    name: "all when that was asked for",
    local: [local(3), local(4)],
    held: held(3, 90),
    full: true,
    plan: { kind: "full", generation: 4 },
  },
  {
    name: "a refusal to a replica that holds more entries",
    local: [local(4)],
    held: held(4, SIZE + 1),
    plan: { kind: "refuse", code: "regressed" },
  },
  {
    name: "a refusal to a replica that holds a later generation",
    local: [local(4)],
    held: held(5, SIZE),
    plan: { kind: "refuse", code: "regressed" },
  },
  {
    name: "a refusal even when a full resync was asked for",
    local: [local(4)],
    held: held(5, SIZE + 7),
    full: true,
    plan: { kind: "refuse", code: "regressed" },
  },
];

CASES.push(
  {
    name: "what is left of a first sync that was cut, also when a newer generation has been sealed",
    local: [local(3), local(4)],
    held: null,
    partial: cut(3, null),
    plan: { kind: "full", generation: 3, resume },
  },
  {
    name: "what is left of an increment that was cut, before a newer one",
    local: [local(3), local(6), local(7)],
    held: held(3, 90),
    partial: cut(6, 3),
    plan: { kind: "increment", base: 3, generation: 6, resume },
  },
  {
    name: "anew when the generation of the cut push is gone here",
    local: [local(3), local(7)],
    held: held(3, 90),
    partial: cut(6, 3),
    plan: { kind: "increment", base: 3, generation: 7 },
  },
  {
    name: "anew when the cut push had another base",
    local: [local(3), local(6)],
    held: held(3, 90),
    partial: cut(6, 2),
    plan: { kind: "increment", base: 3, generation: 6 },
  },
  {
    name: "all anew when the cut push was an increment and all was asked for",
    local: [local(3), local(6)],
    held: held(3, 90),
    partial: cut(6, 3),
    full: true,
    plan: { kind: "full", generation: 6 },
  },
  {
    name: "anew when what the replica kept is not ahead of what it holds",
    local: [local(3), local(6)],
    held: held(3, 90),
    full: true,
    partial: cut(3, null),
    plan: { kind: "full", generation: 6 },
  },
  {
    name: "nothing while the replica verifies what has arrived whole",
    local: [local(3), local(6)],
    held: held(3, 90),
    workingOn: 6,
    partial: cut(6, 3),
    plan: { kind: "nothing" },
  },
  {
    name: "a refusal to a replica that holds more, whatever it kept",
    local: [local(4)],
    held: held(5, SIZE),
    partial: cut(6, null),
    plan: { kind: "refuse", code: "regressed" },
  },
);

describe("planPush sends", () => {
  for (const { name, local, held, full = false, partial, workingOn, plan } of CASES) {
    test(name, () => {
      const planned = planPush({ local, held, full, partial, workingOn, size: SIZE });
      assert.ok(planned.reason.length > 0);
      assert.deepEqual({ ...planned, reason: "" }, { ...plan, reason: "" });
    });
  }
});
