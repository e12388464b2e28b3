import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { declareStateMetrics, type Sample, type StateMetric, single } from "../../../shared/metrics/state-metrics.js";

interface State {
  links: Record<string, number | null>;
  size: number | undefined;
  sent: number;
}

const METRICS: StateMetric<State>[] = [
  single("x_size_bytes", "Size.", ({ size }) => size),
  single("x_sent_bytes_total", "Sent.", ({ sent }) => sent, "counter"),
  {
    name: "x_links",
    type: "gauge",
    help: "Links.",
    labels: ["link"],
    read: ({ links }) => Object.entries(links).map(([link, value]): Sample => [{ link }, value]),
  },
];

async function samplesOf(registry: Registry): Promise<string[]> {
  return (await registry.metrics()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

test("values are those of the state that was shown last, and what is gone from it is gone", async () => {
  const registry = new Registry();
  const show = declareStateMetrics(registry, METRICS);
  show({ links: { a: 1, b: 2 }, size: 7, sent: 100 });
  assert.deepEqual(await samplesOf(registry), [
    "x_size_bytes 7",
    "x_sent_bytes_total 100",
    'x_links{link="a"} 1',
    'x_links{link="b"} 2',
  ]);
  show({ links: { b: 3 }, size: 8, sent: 130 });
  assert.deepEqual(await samplesOf(registry), ["x_size_bytes 8", "x_sent_bytes_total 130", 'x_links{link="b"} 3']);
});

test("what is not known is left out, which is not the same as 0", async () => {
  const registry = new Registry();
  const show = declareStateMetrics(registry, METRICS);
  show({ links: { a: 1 }, size: 7, sent: 1 });
  show({ links: { a: null, b: 0 }, size: undefined, sent: 0 });
  assert.deepEqual(await samplesOf(registry), ["x_sent_bytes_total 0", 'x_links{link="b"} 0']);
});

test("a label's value that holds quotes, backslashes and newlines stays one line", async () => {
  const registry = new Registry();
  const show = declareStateMetrics(registry, METRICS);
  show({ links: { 'a"\\\n} 1': 1 }, size: undefined, sent: 0 });
  assert.equal((await samplesOf(registry))[1], 'x_links{link="a\\"\\\\\\n} 1"} 1');
});
