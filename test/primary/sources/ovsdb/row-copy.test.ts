import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Column } from "../../../../primary/sources/ovsdb/read-schema.js";
import { RowCopy, type RowCopyOptions } from "../../../../primary/sources/ovsdb/row-copy.js";
import type { JsonObject } from "../../../../primary/sources/watch/element-change.js";

const NONE = ["set", []];
const column = (name: string, kind: Column["kind"] = "one", isEphemeral = false): Column => ({
  name,
  kind,
  isEphemeral,
});

const TABLES = new Map<string, Column[]>([
  ["Open_vSwitch", [column("external_ids", "map")]],
  ["Bridge", [column("name"), column("ports", "set"), column("mirrors", "set")]],
  ["Port", [column("name"), column("interfaces", "set"), column("tag"), column("trunks", "set"), column("qos")]],
  ["Interface", [column("name"), column("error"), column("link_state", "one", true), column("mtu", "one", true)]],
  ["Mirror", [column("name"), column("output_port")]],
  ["QoS", [column("type"), column("queues", "map")]],
  ["Queue", [column("dscp")]],
]);

const uuid = (id: string) => ["uuid", id];
const bridge = (name: string, ports: unknown, more: object = {}) => ({ name, ports, mirrors: NONE, ...more });
const port = (name: string, more: object = {}) => ({
  name,
  interfaces: uuid(`i-${name}`),
  tag: NONE,
  trunks: NONE,
  qos: NONE,
  ...more,
});
const iface = (name: string, more: object = {}) => ({ name, error: NONE, link_state: NONE, mtu: NONE, ...more });

function rowCopy(options: Partial<RowCopyOptions> = {}): RowCopy {
  return new RowCopy({ tables: TABLES, ignoredKeys: new Set(["busy"]), last: () => undefined, ...options });
}

function asMap(elements: { elementId: string; state: JsonObject }[]): Record<string, JsonObject> {
  return Object.fromEntries(elements.map(({ elementId, state }) => [elementId, state]));
}

describe("values", () => {
  test("sets are sorted lists even of one, maps are objects, and what is empty is left out", () => {
    const copy = rowCopy();
    copy.load({
      Open_vSwitch: {
        s: {
          new: {
            external_ids: [
              "map",
              [
                ["b", "2"],
                ["a", "1"],
                ["busy", "9"],
              ],
            ],
          },
        },
      },
      Bridge: { b: { new: bridge("br0", ["set", [uuid("p2"), uuid("p1"), uuid("lost")]]) } },
      Port: {
        p1: { new: port("x", { trunks: ["set", [100, 20, 3]] }) },
        p2: { new: port("a", { tag: 0, trunks: 7 }) },
      },
      Interface: { "i-x": { new: iface("x") }, "i-a": { new: iface("a", { error: "" }) } },
    });
    assert.deepEqual(asMap(copy.elements()), {
      "ovs-switch:local": { external_ids: { a: "1", b: "2" } },
      "ovs-bridge:br0": { name: "br0", ports: ["a", "lost", "x"] },
      "ovs-port:a": { name: "a", interfaces: ["a"], tag: 0, trunks: [7] },
      "ovs-port:x": { name: "x", interfaces: ["x"], trunks: [3, 20, 100] },
      "ovs-interface:a": { name: "a" },
      "ovs-interface:x": { name: "x" },
    });
    assert.deepEqual(copy.counts(), { Open_vSwitch: 1, Bridge: 1, Port: 2, Interface: 2 });
  });

  test("values that are not of their column's type are refused", () => {
    const bad = [
      { tag: ["set", [1, 2]] },
      { trunks: ["map", []] },
      { tag: null },
      { tag: { a: 1 } },
      { qos: ["uuid", 7] },
      { trunks: ["set", [[]]] },
    ];
    for (const more of bad) {
      const copy = rowCopy();
      copy.load({ Port: { p: { new: port("x", more) } } });
      assert.throws(() => copy.elements(), { code: "bad-message" }, JSON.stringify(more));
    }
  });

  test("updates that are not of their form are refused", () => {
    for (const bad of [null, [], { Port: [] }, { Port: { p: null } }, { Port: { p: { new: { name: 7 } } } }]) {
      assert.throws(() => rowCopy().apply(bad), { code: "bad-message" }, JSON.stringify(bad));
    }
  });
});

describe("updates", () => {
  for (const order of [
    ["old", "new"],
    ["new", "old"],
  ]) {
    test(`a row that takes another one's name in one transaction is that element, ${order[0]} row first`, () => {
      const copy = rowCopy();
      copy.load({ Port: { old: { new: port("x", { tag: 5 }) } } });
      const rows = { old: { old: port("x") }, new: { new: port("x", { tag: 6 }) } } as Record<string, object>;
      const update = { Port: Object.fromEntries(order.map((key) => [key, rows[key]])) };
      assert.deepEqual(asMap(copy.apply(update)), { "ovs-port:x": { name: "x", interfaces: ["i-x"], tag: 6 } });
      assert.equal(copy.elements().length, 1);
      assert.deepEqual(asMap(copy.apply({ Port: { new: { old: port("x") } } })), { "ovs-port:x": {} });
      assert.equal(copy.elements().length, 0);
    });
  }

  test("a row under a new name is one element gone and one come", () => {
    const copy = rowCopy();
    copy.load({ Interface: { a: { new: iface("a") } } });
    const changed = copy.apply({ Interface: { a: { old: iface("a") }, b: { new: iface("b") } } });
    assert.deepEqual(asMap(changed), { "ovs-interface:a": {}, "ovs-interface:b": { name: "b" } });
  });

  test("what stands inside elements changes them, two levels deep and no deeper", () => {
    const copy = rowCopy();
    copy.load({
      Bridge: { b: { new: bridge("br0", uuid("p"), { mirrors: uuid("m") }) } },
      Port: { p: { new: port("x", { qos: uuid("q") }) } },
      Mirror: { m: { new: { name: "spy", output_port: uuid("p") } } },
      QoS: { q: { new: { type: "linux-htb", queues: ["map", [[0, uuid("queue")]]] } } },
      Queue: { queue: { new: { dscp: 8 } } },
    });
    const changed = asMap(copy.apply({ Queue: { queue: { old: { dscp: 8 }, new: { dscp: 9 } } } }));
    assert.deepEqual(changed["ovs-port:x"]?.qos, { type: "linux-htb", queues: { "0": { dscp: 9 } } });
    assert.deepEqual(changed["ovs-bridge:br0"]?.mirrors, [{ name: "spy", output_port: "x" }]);
    const circle = asMap(copy.apply({ QoS: { q: { new: { type: "t", queues: ["map", [[0, uuid("q")]]] } } } }));
    assert.deepEqual(circle["ovs-port:x"]?.qos, { type: "t", queues: { "0": { type: "t", queues: { "0": "q" } } } });
  });

  test("rows that refer to each other cannot make a state of any size", () => {
    const copy = rowCopy();
    const many = Array.from({ length: 2000 }, (_, i) => [i, uuid("q")]);
    copy.load({
      Port: { p: { new: port("x", { qos: uuid("q") }) } },
      QoS: { q: { new: { type: "t", queues: ["map", many] } } },
    });
    assert.throws(() => copy.elements(), /more values than a state can hold/);
  });

  test("more rows than the bound are refused, and deleted ones do not count", () => {
    const copy = rowCopy({ maxRows: 2 });
    copy.apply({ Interface: { a: { new: iface("a") }, b: { new: iface("b") } } });
    copy.apply({ Interface: { b: { old: iface("b") } } });
    copy.apply({ Interface: { c: { new: iface("c") } } });
    assert.throws(() => copy.apply({ Interface: { d: { new: iface("d") } } }), /more than 2 rows/);
  });

  test("a bridge has the link of the interface of its name, and changes with it", () => {
    const copy = rowCopy();
    copy.load({
      Bridge: { b: { new: bridge("br0", uuid("p")) } },
      Interface: { i: { new: iface("br0", { link_state: "up" }) }, o: { new: iface("other", { link_state: "up" }) } },
    });
    assert.equal(asMap(copy.elements())["ovs-bridge:br0"]?.link_state, "up");
    const changed = copy.apply({ Interface: { i: { new: iface("br0", { link_state: "down" }) } } });
    assert.deepEqual(
      changed.map(({ elementId }) => elementId),
      ["ovs-bridge:br0", "ovs-interface:br0"],
    );
    assert.equal(changed[0]?.state.link_state, "down");
    assert.equal(copy.apply({ Interface: { o: { new: iface("other", { link_state: "down" }) } } }).length, 1);
  });
});

describe("what a restarted server has forgotten", () => {
  const last = (elementId: string) =>
    elementId === "ovs-interface:x" ? { name: "x", link_state: "up", mtu: 1500, error: "of old" } : undefined;

  test("stays as it was last told, until the switch tells anything of that row", () => {
    const copy = rowCopy({ last });
    copy.load({
      Interface: { x: { new: iface("x") }, y: { new: iface("y") } },
      Bridge: { b: { new: bridge("x", NONE) } },
    });
    assert.deepEqual(asMap(copy.elements()), {
      "ovs-bridge:x": { name: "x", link_state: "up" },
      "ovs-interface:x": { name: "x", link_state: "up", mtu: 1500 },
      "ovs-interface:y": { name: "y" },
    });
    const told = copy.apply({ Interface: { x: { new: iface("x", { link_state: "down" }) } } });
    assert.deepEqual(asMap(told)["ovs-interface:x"], { name: "x", link_state: "down" });
    const emptied = copy.apply({ Interface: { x: { new: iface("x") } } });
    assert.deepEqual(asMap(emptied)["ovs-interface:x"], { name: "x" });
  });

  test("is not taken over by a row that came later, nor by an interface that failed", () => {
    const copy = rowCopy({ last });
    copy.load({ Interface: { x: { new: iface("x", { error: "no device" }) } } });
    assert.deepEqual(asMap(copy.elements()), { "ovs-interface:x": { name: "x", error: "no device" } });
    copy.apply({ Interface: { x: { old: iface("x") } } });
    assert.deepEqual(asMap(copy.apply({ Interface: { n: { new: iface("x") } } })), {
      "ovs-interface:x": { name: "x" },
    });
  });
});
