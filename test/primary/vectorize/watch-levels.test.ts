// When a level that fell back is tried again, with a plan that is told of the faults.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LevelPlan } from "../../../primary/vectorize/level-plan.js";
import { LevelWatch } from "../../../primary/vectorize/watch-levels.js";
import type { EmbedErrorCode } from "../../../shared/embed/embed-error.js";
import { HEURISTIC_SPEC, type ModelSpec } from "../../../shared/embed/embedder.js";
import { type ResolvedLevel, spaceOfModel } from "../../../shared/embed/resolve-level.js";
import type { StoredModel } from "../../../shared/models/stored-model.js";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const MINUTE_MS = 60_000;

function degraded(code: EmbedErrorCode): ResolvedLevel {
  return { level: "medium", spec: HEURISTIC_SPEC, fault: { code, message: "it is not there", hint: "get it" } };
}

/** The level is what `resolved` says each time it is tried. */
class Machine {
  ground = "as it was";
  nowMs = 0;
  tried = 0;
  readonly #code: EmbedErrorCode;
  readonly plan: LevelPlan;
  readonly watch: LevelWatch;
  constructor(code: EmbedErrorCode, resolved: () => ResolvedLevel) {
    this.#code = code;
    this.plan = new LevelPlan([degraded(code)], log);
    this.watch = new LevelWatch({
      plan: this.plan,
      log,
      groundOf: async () => this.ground,
      resolve: async () => {
        this.tried += 1;
        return resolved();
      },
      now: () => this.nowMs,
    });
  }
  async run(body: () => Promise<void>): Promise<void> {
    await this.watch.start();
    await body().finally(() => this.watch.stop());
  }
  async look(minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute += 1) {
      this.nowMs += MINUTE_MS;
      await this.watch.look();
    }
  }
  failAgain(): void {
    this.plan.set(degraded(this.#code));
  }
}

const MODEL = {
  name: "made",
  dimensions: 8,
  modelSha256: "ab".repeat(32),
  tokenizerSha256: "cd".repeat(32),
  weights: "fp32",
  pooling: "mean",
  maxTokens: 128,
} as StoredModel;

const SPEC: ModelSpec = { kind: "model", model: MODEL, space: spaceOfModel(MODEL, "f32") };

describe("a level that fell back", () => {
  for (const code of ["model-missing", "model-damaged", "model-unfit", "runtime-missing"] as const) {
    test(`for ${code} is tried again when what it stands on has changed, and not before`, async () => {
      const machine = new Machine(code, () => ({ level: "medium", spec: SPEC }));
      await machine.run(async () => {
        await machine.look(100);
        assert.equal(machine.tried, 0);
        machine.ground = "another";
        await machine.look(1);
        assert.equal(machine.tried, 1);
        assert.equal(machine.plan.state()[0]?.in_force, "medium");
      });
    });
  }

  test("and does so again is tried again only on another ground", async () => {
    const machine = new Machine("model-damaged", () => ({ level: "medium", spec: SPEC }));
    await machine.run(async () => {
      machine.ground = "another";
      await machine.look(1);
      machine.failAgain();
      await machine.look(10);
      assert.equal(machine.tried, 1);
    });
  });

  test("for want of memory is tried again as it stands, later each time", async () => {
    const machine = new Machine("encoder-died", () => ({ level: "medium", spec: SPEC }));
    const triedAt: number[] = [];
    await machine.run(async () => {
      for (let minute = 1; minute <= 80; minute += 1) {
        const before = machine.tried;
        await machine.look(1);
        if (machine.tried === before) continue;
        triedAt.push(minute);
        machine.failAgain();
      }
    });
    assert.deepEqual(triedAt, [11, 31, 71]);
  });

  test("and is still missing what it needs changes nothing, and says nothing", async () => {
    const machine = new Machine("model-missing", () => degraded("model-missing"));
    let told = 0;
    machine.plan.onChange(() => {
      told += 1;
    });
    await machine.run(async () => {
      machine.ground = "another";
      await machine.look(1);
      assert.deepEqual([machine.tried, told], [1, 0]);
    });
  });
});
