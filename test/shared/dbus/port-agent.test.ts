import assert from "node:assert/strict";
import { test } from "node:test";
import { portAgent } from "../../../shared/dbus/port-agent.js";
import type { Caller } from "../../../shared/dbus/served-object.js";
import { assertDescribed } from "../../support/read-introspection.js";

type Asked = [endpoint: string, parameters: Record<string, string | undefined>];

const CALLER: Caller = { sender: ":1.1", uid: () => 0, signal: new AbortController().signal };

/** A port agent over stores that answer what `answer` says, and what they were asked. */
function agentOver(stores: string[], answer: (endpoint: string, store: string | undefined) => object) {
  const asked: Asked[] = [];
  const object = portAgent(async (endpoint, { store, ...parameters }) => {
    if (endpoint === "status") return JSON.stringify({ stores: stores.map((uuid) => ({ store: uuid })) });
    asked.push([endpoint, parameters]);
    return JSON.stringify(answer(endpoint, store));
  });
  const [served] = object.interfaces;
  assert.ok(served);
  const call = async (name: string, ...args: unknown[]) => {
    const [json] = (await served.methods[name]?.answer(args, CALLER)) ?? [];
    return JSON.parse(json as string);
  };
  return { served, call, asked };
}

test("the introspection of the port agent says what is served", () => {
  assertDescribed(agentOver([], () => ({})).served);
});

test("every method has its name in snake_case and in CamelCase", () => {
  const names = Object.keys(agentOver([], () => ({})).served.methods);
  const snake = names.filter((name) => name.includes("_"));
  assert.equal(snake.length, 7);
  for (const name of snake) {
    const camel = name.replaceAll(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());
    assert.ok(names.includes(camel), camel);
  }
  assert.equal(names.length, 14);
});

test("a window is hours where it is a bare number, of whatever type, and the query's default where it is empty", async () => {
  const { call, asked } = agentOver(["a"], () => ({ results: [] }));
  for (const window of ["24", 24, 24n, "24h", "90m", "", undefined]) await call("detect_anomalies", window);
  assert.deepEqual(
    asked.map(([, { window }]) => window),
    ["24h", "24h", "24h", "24h", "90m", undefined, undefined],
  );
});

test("the answer of one store is passed on as it is", async () => {
  const answer = { store: "a", origin: "one", results: [{ seq: 4, score: 1 }] };
  const { call, asked } = agentOver(["a"], () => answer);
  assert.deepEqual(await call("semantic_search", "wifi lost", 10), answer);
  assert.deepEqual(asked, [["search", { q: "wifi lost", limit: "10" }]]);
});

test("the answers of several stores are one, the best first, and each result says its origin", async () => {
  const { call } = agentOver(["a", "b"], (_, store) => ({
    store,
    origin: `host-${store}`,
    results:
      store === "a"
        ? [
            { seq: 1, score: 0.9 },
            { seq: 2, score: 0.1 },
          ]
        : [{ seq: 1, score: 0.5 }],
  }));
  const { results, stores } = await call("semantic_query", "wifi", 2);
  assert.deepEqual(results, [
    { seq: 1, score: 0.9, origin: "host-a" },
    { seq: 1, score: 0.5, origin: "host-b" },
  ]);
  assert.deepEqual(
    stores.map(({ store }: { store: string }) => store),
    ["a", "b"],
  );
});

test("an element that only one of the stores knows is found there; one that none knows is an error", async () => {
  let known = true;
  const { call } = agentOver(["a", "b"], (_, store) => {
    if (store === "b" && known) return { store, origin: "host-b", results: [{ seq: 3, cosine: 0.7 }] };
    throw Object.assign(new Error("there is no such element"), { code: "unknown-element" });
  });
  assert.deepEqual((await call("find_similar_config", "bridge:br0", 5)).results, [
    { seq: 3, cosine: 0.7, origin: "host-b" },
  ]);
  known = false;
  await assert.rejects(call("find_similar_config", "bridge:br0", 5), { code: "unknown-element" });
});

test("the network's state is gathered over all pages, by type, without what is gone", async () => {
  const row = (element_id: string, element_type: string, state_snapshot: object) => {
    return {
      element_id,
      element_type,
      seq: 1,
      timestamp: "2026-11-20T10:05:00.000000Z",
      action: "modified",
      state_snapshot,
    };
  };
  const pages = [
    { origin: "host-a", cursor: "next", results: [row("ovs-bridge:br0", "OvsBridge", { ports: ["a"] })] },
    {
      origin: "host-a",
      results: [row("ovs-bridge:br1", "OvsBridge", {}), row("interface:eth0", "NetworkInterface", { mtu: 9 })],
    },
  ];
  const { call, asked } = agentOver(["a"], () => pages[asked.length - 1] as object);
  const { stores } = await call("get_system_network_state");
  assert.equal(stores.length, 1);
  const { origin, network } = stores[0];
  assert.equal(origin, "host-a");
  const shown = Object.entries(network as Record<string, { element_id: string; state: object }[]>);
  assert.deepEqual(
    shown.flatMap(([type, elements]) => elements.map(({ element_id, state }) => [type, element_id, state])),
    [
      ["NetworkInterface", "interface:eth0", { mtu: 9 }],
      ["OvsBridge", "ovs-bridge:br0", { ports: ["a"] }],
    ],
  );
  assert.deepEqual(
    asked.map(([endpoint, { cursor, states }]) => [endpoint, cursor, states]),
    [
      ["elements", undefined, "true"],
      ["elements", "next", "true"],
    ],
  );
});
