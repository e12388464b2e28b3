import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfigLayer, findGiven, formatPath, mergeLayers } from "../../../shared/config/config-layers.js";

const LAYERS: ConfigLayer[] = [
  { origin: "command line", values: { root: "/line", nothing: undefined } },
  {
    origin: "file /etc/x.yaml",
    values: { root: "/file", nothing: 1, seal: { high_ms: 5, batch: { max_events: 7 } }, replicas: [{ name: "a" }] },
  },
  {
    origin: "environment A",
    values: { seal: { high_ms: 9, strategy: "batch", batch: { max_delay: "1s" } }, replicas: [{ port: 2 }, {}] },
  },
];

test("an option has the value of the strongest place that gives it, and groups are merged", () => {
  assert.deepEqual(mergeLayers(LAYERS), {
    root: "/line",
    nothing: 1,
    seal: { high_ms: 5, strategy: "batch", batch: { max_events: 7, max_delay: "1s" } },
    replicas: [{ name: "a" }],
  });
});

test("each value that was merged is found again in the place that gave it", () => {
  const origin = (...path: PropertyKey[]) => findGiven(LAYERS, path)?.layer.origin;
  assert.equal(origin("root"), "command line");
  assert.equal(origin("nothing"), "file /etc/x.yaml");
  assert.equal(origin("seal", "high_ms"), "file /etc/x.yaml");
  assert.equal(origin("seal", "strategy"), "environment A");
  assert.equal(origin("seal", "batch", "max_delay"), "environment A");
  assert.equal(origin("seal", "low_ms"), undefined);
  assert.equal(origin("replicas", 0, "name"), "file /etc/x.yaml");
});

test("a list hides the lists of weaker places, item for item", () => {
  assert.equal(findGiven(LAYERS, ["replicas", 0, "port"]), undefined);
  assert.equal(findGiven(LAYERS, ["replicas", 1]), undefined);
});

test("a value that stands for a whole group gives all that is in it, and hides what weaker places have", () => {
  for (const seal of [null, "hourly 24"]) {
    const layers = [{ origin: "file x", values: { seal } }, ...LAYERS];
    assert.equal(mergeLayers(layers).seal, seal);
    assert.deepEqual(findGiven(layers, ["seal", "high_ms"]), { layer: layers[0], value: undefined });
  }
});

test("names that objects have by themselves are options like any other", () => {
  const values = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"a":1}}');
  const merged = mergeLayers([{ origin: "file x", values }, ...LAYERS]);
  assert.deepEqual(Object.keys(merged).sort(), ["__proto__", "constructor", "nothing", "replicas", "root", "seal"]);
  assert.equal(Reflect.get(merged, "polluted"), undefined);
  assert.equal(findGiven(LAYERS, ["constructor"]), undefined);
  assert.equal(findGiven(LAYERS, ["seal", "toString"]), undefined);
});

test("paths are written as the table of options has them", () => {
  assert.equal(formatPath(["replicas", 0, "host"]), "replicas[0].host");
  assert.equal(formatPath([]), "");
});
