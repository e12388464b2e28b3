// What the ledger is told of vector levels, with a real ledger.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LevelsSource, type WatchedLevel } from "../../../../primary/sources/levels/levels-source.js";
import { until } from "../../../support/until.js";
import { type TestLedger, withLedger } from "../../../support/with-ledger.js";

const FAULT = { code: "model-missing", message: "there is no model", hint: "model add it" };

class Levels {
  #levels: WatchedLevel[] = [];
  readonly #listeners = new Set<() => void>();
  constructor(...levels: WatchedLevel[]) {
    this.#levels = levels;
  }
  become(...levels: WatchedLevel[]): void {
    this.#levels = levels;
    for (const listener of this.#listeners) listener();
  }
  readonly parts = {
    levels: () => this.#levels,
    onChange: (listener: () => void) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    },
  };
}

const inForce = (proven: boolean): WatchedLevel => {
  return { level: "medium", in_force: "medium", space: "made-1", fault: null, proven };
};
const degraded = (code = FAULT.code): WatchedLevel => {
  return { level: "medium", in_force: "heuristic", space: "heuristic-1", fault: { ...FAULT, code }, proven: false };
};

async function watching(ledger: TestLedger, levels: Levels, body: () => Promise<void>): Promise<void> {
  const source = new LevelsSource({ ...levels.parts, ...ledger.parts });
  await source.start(new AbortController().signal);
  await body().finally(() => source.stop());
}

const nothing = async () => undefined;
const actions = (ledger: TestLedger) => ledger.events("isochron").map(({ action }) => action);

test("a level that falls back is an event that says why and what cures it, and so is its return once it is proven", async () => {
  await withLedger(async (ledger) => {
    const levels = new Levels(degraded());
    await watching(ledger, levels, async () => {
      await until(() => actions(ledger).length === 1);
      levels.become(inForce(false));
      levels.become(degraded());
      levels.become(inForce(true));
      await until(() => actions(ledger).length === 2);
    });
    const [fell, back] = ledger.events("vectors:medium");
    assert.deepEqual([fell?.action, fell?.priority, fell?.type], ["level_degraded", "high", "VectorSpace"]);
    assert.deepEqual(fell?.state, {
      wanted: "medium",
      in_force: "heuristic",
      code: "model-missing",
      change: { space: "heuristic-1", hint: "model add it" },
    });
    assert.deepEqual([back?.action, back?.priority], ["level_restored", "medium"]);
    assert.deepEqual(back?.state, { wanted: "medium", in_force: "medium", change: { space: "made-1" } });
  });
});

test("a level that is in force from the start is no event, and neither is a restart in which nothing changed", async () => {
  await withLedger(async (ledger) => {
    await watching(ledger, new Levels(inForce(true)), nothing);
    assert.deepEqual(actions(ledger), []);
    await watching(ledger, new Levels(degraded()), nothing);
    await ledger.restart();
    // Until a worker has opened its model it seems in force, and says nothing.
    const levels = new Levels(inForce(false));
    await watching(ledger, levels, async () => levels.become(degraded()));
    assert.deepEqual(actions(ledger), ["level_degraded"]);
    await ledger.restart();
    await watching(ledger, new Levels(degraded("model-damaged")), nothing);
    assert.deepEqual(actions(ledger), ["level_degraded", "level_degraded"]);
  });
});

test("a level that fell back and is no longer asked for is an event, once", async () => {
  await withLedger(async (ledger) => {
    await watching(ledger, new Levels(degraded()), nothing);
    await ledger.restart();
    await watching(ledger, new Levels(), nothing);
    await ledger.restart();
    await watching(ledger, new Levels(), nothing);
    assert.deepEqual(actions(ledger), ["level_degraded", "level_dropped"]);
    assert.deepEqual(ledger.events("vectors:medium")[1]?.state, {});
  });
});
