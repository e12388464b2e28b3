// The Open vSwitch source against a real ovsdb-server and ovs-vsctl, into a real ledger that is verified at the end.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { createOvsdbSource, type OvsdbSourceTuning } from "../../../../primary/sources/ovsdb/ovsdb-source.js";
import type { Source } from "../../../../primary/sources/source.js";
import type { JsonObject } from "../../../../primary/sources/watch/element-change.js";
import { requirePart } from "../../../support/require-part.js";
import { until } from "../../../support/until.js";
import { type SeenEvent, type TestLedger, withLedger } from "../../../support/with-ledger.js";
import { OpenVswitch, OVSDB_SERVER } from "./open-vswitch.js";

const TUNING: OvsdbSourceTuning = { leastDelayMs: 20, pollMs: 10 };

interface Scene {
  ovs: OpenVswitch;
  ledger: TestLedger;
  source: Source;
  /** Events since the last call, once `condition` holds for the newest of them. */
  news(condition: (event: SeenEvent) => boolean): Promise<SeenEvent[]>;
  /** Ends the source, does what is to happen unseen, and starts anew, on a ledger that was closed and opened. */
  restart(unseen?: () => Promise<unknown>): Promise<void>;
}

/** Runs `body` with a source that has seen the database's present. */
async function watching(
  t: TestContext,
  body: (scene: Scene) => Promise<void>,
  { tuning = {}, ignoreKeys = [] as string[], prepare = async (_: OpenVswitch) => undefined as unknown } = {},
): Promise<void> {
  if (!(await requirePart(t, OVSDB_SERVER))) return;
  await withLedger(async (ledger) => {
    const ovs = new OpenVswitch(ledger.folder);
    try {
      await ovs.start();
      await prepare(ovs);
      let read = 0;
      const start = async () => {
        const options = { socket: ovs.socket, ignore_keys: ignoreKeys };
        scene.source = createOvsdbSource(ledger.parts, options, { ...TUNING, ...tuning });
        await scene.source.start(new AbortController().signal);
        await until(() => isWatching(scene.source));
      };
      const scene: Scene = {
        ovs,
        ledger,
        source: undefined as unknown as Source,
        async news(condition) {
          await until(() => ledger.events().slice(read).some(condition));
          const events = ledger.events().slice(read);
          read += events.length;
          return events;
        },
        async restart(unseen) {
          await scene.source.stop();
          await unseen?.();
          await ledger.restart();
          await start();
        },
      };
      try {
        await start();
        await body(scene);
      } finally {
        await scene.source.stop();
      }
    } finally {
      await ovs.stop();
    }
  });
}

function isWatching(source: Source): boolean {
  const { watching, queued } = source.state();
  return watching === true && queued === 0;
}

const is =
  (element: string, ...actions: string[]) =>
  (event: SeenEvent) =>
    event.element === element && (actions.length === 0 || actions.includes(event.action));

function brief(events: SeenEvent[]): string[] {
  return events.map(({ element, action }) => `${element} ${action}`);
}

function stateOf(events: SeenEvent[], element: string): JsonObject {
  const event = events.findLast((candidate) => candidate.element === element);
  assert.ok(event, `an event of ${element}`);
  return event.state;
}

test("what is there when the ledger first hears of it is observed, with names in the place of row ids", async (t) => {
  const prepare = async (ovs: OpenVswitch) => {
    await ovs.vsctl(
      "add-br",
      "br0",
      "--",
      "add-port",
      "br0",
      "vi101",
      "tag=101",
      "--",
      "set-fail-mode",
      "br0",
      "secure",
    );
    await ovs.vsctl("set-controller", "br0", "tcp:192.0.2.7:6653");
  };
  await watching(
    t,
    async ({ news, source }) => {
      const events = await news(is("ovs-interface:vi101"));
      assert.deepEqual(brief(events), [
        "ovs-switch:local observed",
        "ovs-bridge:br0 observed",
        "ovs-port:br0 observed",
        "ovs-port:vi101 observed",
        "ovs-interface:br0 observed",
        "ovs-interface:vi101 observed",
      ]);
      assert.deepEqual(
        [...new Set(events.map(({ type }) => type))],
        ["OvsSwitch", "OvsBridge", "OvsPort", "OvsInterface"],
      );
      assert.deepEqual(stateOf(events, "ovs-bridge:br0"), {
        name: "br0",
        ports: ["br0", "vi101"],
        fail_mode: "secure",
        controller: [{ target: "tcp:192.0.2.7:6653" }],
        stp_enable: false,
        rstp_enable: false,
        mcast_snooping_enable: false,
      });
      const { name, tag, interfaces } = stateOf(events, "ovs-port:vi101");
      assert.deepEqual({ name, tag, interfaces }, { name: "vi101", tag: 101, interfaces: ["vi101"] });
      const { bridges, ports, interfaces: count } = source.state();
      assert.deepEqual([bridges, ports, count], [1, 2, 2]);
    },
    { prepare },
  );
});

test("bridges and ports that are added and deleted are created and deleted, each transaction's changes together", async (t) => {
  await watching(t, async ({ ovs, news }) => {
    await news(is("ovs-switch:local"));
    await ovs.vsctl("add-br", "br0", "--", "add-port", "br0", "vi101", "--", "add-port", "br0", "vi102");
    const created = await news(is("ovs-interface:vi102"));
    assert.deepEqual(brief(created), [
      "ovs-bridge:br0 created",
      "ovs-port:br0 created",
      "ovs-port:vi101 created",
      "ovs-port:vi102 created",
      "ovs-interface:br0 created",
      "ovs-interface:vi101 created",
      "ovs-interface:vi102 created",
    ]);
    await ovs.vsctl("del-port", "br0", "vi101");
    const deleted = await news(is("ovs-interface:vi101"));
    assert.deepEqual(brief(deleted), [
      "ovs-bridge:br0 modified",
      "ovs-port:vi101 deleted",
      "ovs-interface:vi101 deleted",
    ]);
    assert.deepEqual(stateOf(deleted, "ovs-bridge:br0").ports, ["br0", "vi102"]);
    assert.deepEqual(stateOf(deleted, "ovs-port:vi101"), {});
    await ovs.vsctl("del-br", "br0");
    assert.equal((await news(is("ovs-interface:vi102"))).length, 5);
  });
});

test("a field that is set is in the state, and a counter that is counted up is no event", async (t) => {
  const prepare = (ovs: OpenVswitch) => ovs.vsctl("add-br", "br0", "--", "add-port", "br0", "vi101");
  await watching(
    t,
    async ({ ovs, news }) => {
      await news(is("ovs-interface:vi101"));
      await ovs.vsctl(
        "set",
        "interface",
        "vi101",
        "statistics:rx_packets=7",
        "link_resets=3",
        "bfd_status:flap_count=9",
      );
      await ovs.vsctl("set", "bridge", "br0", "external_ids:ovn-nb-cfg=41", "external_ids:busy=1");
      await ovs.vsctl("set", "port", "vi101", "trunks=20,9,100", "vlan_mode=trunk", "external_ids:vm=101");
      const events = await news(is("ovs-port:vi101"));
      assert.deepEqual(brief(events), ["ovs-port:vi101 modified"]);
      const { trunks, vlan_mode, external_ids } = events[0]?.state ?? {};
      assert.deepEqual(
        { trunks, vlan_mode, external_ids },
        { trunks: [9, 20, 100], vlan_mode: "trunk", external_ids: { vm: "101" } },
      );
    },
    { prepare, ignoreKeys: ["busy"] },
  );
});

test("rows that stand inside an element change it: a controller, a mirror, a queue", async (t) => {
  const prepare = (ovs: OpenVswitch) => ovs.vsctl("add-br", "br0", "--", "add-port", "br0", "vi101");
  await watching(
    t,
    async ({ ovs, news }) => {
      await news(is("ovs-interface:vi101"));
      await ovs.vsctl("set-controller", "br0", "tcp:192.0.2.7:6653");
      await ovs.vsctl("set", "controller", "br0", "connection_mode=out-of-band");
      const controlled = await news(({ state }) => JSON.stringify(state).includes("out-of-band"));
      assert.deepEqual(brief(controlled), ["ovs-bridge:br0 modified", "ovs-bridge:br0 modified"]);
      assert.deepEqual(stateOf(controlled, "ovs-bridge:br0").controller, [
        { target: "tcp:192.0.2.7:6653", connection_mode: "out-of-band" },
      ]);
      const mirror = ["--id=@m", "create", "mirror", "name=spy", "select_all=true", "output_port=@p"];
      await ovs.vsctl("--id=@p", "get", "port", "vi101", "--", ...mirror, "--", "set", "bridge", "br0", "mirrors=@m");
      assert.deepEqual(stateOf(await news(is("ovs-bridge:br0")), "ovs-bridge:br0").mirrors, [
        { name: "spy", select_all: true, output_port: "vi101" },
      ]);
      const queue = ["--id=@q", "create", "queue", "other_config:max-rate=1000"];
      const qos = ["--id=@qos", "create", "qos", "type=linux-htb", "queues:7=@q"];
      await ovs.vsctl("set", "port", "vi101", "qos=@qos", "--", ...qos, "--", ...queue);
      assert.deepEqual(stateOf(await news(is("ovs-port:vi101")), "ovs-port:vi101").qos, {
        type: "linux-htb",
        queues: { "7": { other_config: { "max-rate": "1000" } } },
      });
    },
    { prepare },
  );
});

test("a port that is deleted and made anew in one transaction is modified", async (t) => {
  const prepare = (ovs: OpenVswitch) => ovs.vsctl("add-br", "br0", "--", "add-port", "br0", "vi101", "tag=5");
  await watching(
    t,
    async ({ ovs, news }) => {
      await news(is("ovs-interface:vi101"));
      await ovs.vsctl("del-port", "vi101", "--", "add-port", "br0", "vi101", "tag=6");
      const events = await news(is("ovs-port:vi101"));
      assert.deepEqual(brief(events), ["ovs-port:vi101 modified"]);
      assert.equal(events[0]?.state.tag, 6);
    },
    { prepare },
  );
});

test("a tunnel's key does not reach the ledger", async (t) => {
  await watching(t, async ({ ovs, news }) => {
    await news(is("ovs-switch:local"));
    const options = ["type=gre", "options:remote_ip=192.0.2.9", "options:psk=hunter2"];
    await ovs.vsctl("add-br", "br0", "--", "add-port", "br0", "gre0", "--", "set", "interface", "gre0", ...options);
    const { options: kept } = stateOf(await news(is("ovs-interface:gre0")), "ovs-interface:gre0");
    assert.deepEqual(kept, { remote_ip: "192.0.2.9", psk: "[redacted]" });
  });
});

for (const [how, kill] of [
  ["killed", (ovs: OpenVswitch) => ovs.killServer()],
  ["stopped", (ovs: OpenVswitch) => ovs.stopServer()],
] as const) {
  test(`a server that is ${how} and comes back with other content: a gap, then exactly the differences`, async (t) => {
    const prepare = (ovs: OpenVswitch) =>
      ovs.vsctl("add-br", "br0", "--", "add-port", "br0", "vi101", "--", "add-br", "br1", "--", "add-br", "br2");
    await watching(
      t,
      async ({ ovs, news, source }) => {
        await news(is("ovs-interface:vi101"));
        await kill(ovs);
        await until(() => source.state().watching === false);
        await ovs.transact({ op: "update", table: "Port", where: [["name", "==", "vi101"]], row: { tag: 12 } });
        await ovs.startServer();
        const events = await news(is("ovs-port:vi101"));
        assert.deepEqual(brief(events), ["source:ovsdb gap", "ovs-port:vi101 modified"]);
        const [gap, change] = events;
        assert.deepEqual(Object.keys(gap?.state ?? {}).sort(), ["from", "reason", "to"]);
        assert.equal(change?.state.tag, 12);
        assert.deepEqual(change?.state.change, { unseen: { from: gap?.state.from, to: gap?.state.to } });
        await ovs.vsctl("del-br", "br2");
        assert.deepEqual(brief(await news(is("ovs-interface:br2"))), [
          "ovs-bridge:br2 deleted",
          "ovs-port:br2 deleted",
          "ovs-interface:br2 deleted",
        ]);
      },
      { prepare },
    );
  });
}

test("a daemon that restarts writes nothing twice, and what changed meanwhile once", async (t) => {
  const prepare = (ovs: OpenVswitch) => ovs.vsctl("add-br", "br0", "--", "add-br", "br1");
  await watching(
    t,
    async ({ ovs, news, restart }) => {
      await news(is("ovs-interface:br1"));
      await restart();
      assert.deepEqual(brief(await news(is("source:ovsdb"))), ["source:ovsdb gap"]);
      await restart(() =>
        ovs.vsctl("del-br", "br1", "--", "add-br", "br2", "--", "set", "bridge", "br0", "stp_enable=true"),
      );
      assert.deepEqual(brief(await news(is("ovs-port:br1"))), [
        "source:ovsdb gap",
        "ovs-bridge:br0 modified",
        "ovs-bridge:br2 observed",
        "ovs-port:br2 observed",
        "ovs-interface:br2 observed",
        "ovs-bridge:br1 deleted",
        "ovs-interface:br1 deleted",
        "ovs-port:br1 deleted",
      ]);
      await restart();
      assert.deepEqual(brief(await news(is("source:ovsdb"))), ["source:ovsdb gap"]);
    },
    { prepare },
  );
});

test("a storm of changes beyond the queue is told as a loss, and the last state is in the ledger all the same", async (t) => {
  const prepare = (ovs: OpenVswitch) => ovs.vsctl("add-br", "br0");
  await watching(
    t,
    async ({ ovs, news, source, ledger }) => {
      await news(is("ovs-interface:br0"));
      const add = Array.from({ length: 200 }, (_, i) => ["--", "add-port", "br0", `vi${i}`]).flat();
      await ovs.vsctl(...add.slice(1));
      const last = Array.from({ length: 200 }, (_, i) => `ovs-interface:vi${i}`);
      await until(() => {
        const seen = new Set(ledger.events().map(({ element }) => element));
        return last.every((element) => seen.has(element)) && isWatching(source);
      });
      await source.stop();
      const lost = ledger.events("source:ovsdb").filter(({ action }) => action === "loss");
      assert.ok(lost.length > 0, "a loss event");
      assert.ok(Number((source.state().dropped as JsonObject).queue_full) > 0);
    },
    { prepare, tuning: { maxQueuedEvents: 20 } },
  );
});

/** Runs `body` while the source is in the midst of its first comparison, for which the ledger has no room. */
async function comparing(
  t: TestContext,
  body: (ovs: OpenVswitch, source: Source) => Promise<void>,
): Promise<SeenEvent[] | undefined> {
  if (!(await requirePart(t, OVSDB_SERVER))) return undefined;
  return withLedger(async (ledger) => {
    const ovs = new OpenVswitch(ledger.folder);
    const { sink } = ledger.parts;
    let makeRoom: () => void = () => undefined;
    let full: Promise<void> | undefined = new Promise((resolve) => {
      makeRoom = resolve;
    });
    const parts = { ...ledger.parts, sink: { append: sink.append.bind(sink), room: () => full ?? sink.room() } };
    const source = createOvsdbSource(
      parts,
      { socket: ovs.socket, ignore_keys: [] },
      { ...TUNING, maxQueuedEvents: 12 },
    );
    try {
      await ovs.start();
      await ovs.vsctl("add-br", "br0", ...["vi1", "vi2", "vi3"].flatMap((name) => ["--", "add-port", "br0", name]));
      await source.start(new AbortController().signal);
      await until(() => source.state().queued === 7);
      await body(ovs, source);
      full = undefined;
      makeRoom();
      await until(() => isWatching(source) && ledger.events("ovs-interface:last").length > 0);
      return ledger.events();
    } finally {
      await source.stop();
      await ovs.stop();
    }
  });
}

test("changes that come while the present is still being compared are written after it, in order", async (t) => {
  const events = await comparing(t, async (ovs, source) => {
    // The last of all elements: it is not in the queue yet.
    await ovs.vsctl("set", "interface", "vi3", "mtu_request=1400");
    await ovs.vsctl("set", "interface", "vi3", "mtu_request=1300");
    await ovs.vsctl("add-port", "br0", "last");
    await until(() => source.state().ports === 5);
  });
  if (!events) return;
  const told = events.filter(is("ovs-interface:vi3")).map(({ action, state }) => [action, state.mtu_request]);
  assert.deepEqual(told, [
    ["observed", undefined],
    ["modified", 1400],
    ["modified", 1300],
  ]);
});

test("more changes than can wait for the comparison lead to another one, which misses nothing", async (t) => {
  const names = [...Array.from({ length: 1000 }, (_, i) => `many${i}`), "last"];
  const events = await comparing(t, async (ovs, source) => {
    await ovs.vsctl(...names.flatMap((name) => ["--", "add-port", "br0", name]));
    await until(() => source.state().ports === names.length + 4);
  });
  if (!events) return;
  const seen = new Set(events.map(({ element }) => element));
  assert.deepEqual(
    names.filter((name) => !seen.has(`ovs-interface:${name}`)),
    [],
  );
});

test("a socket that is not there is waited for, and that is no failure", async (t) => {
  if (!(await requirePart(t, OVSDB_SERVER))) return;
  await withLedger(async (ledger) => {
    const ovs = new OpenVswitch(ledger.folder);
    const source = createOvsdbSource(ledger.parts, { socket: ovs.socket, ignore_keys: [] }, TUNING);
    try {
      await source.start(new AbortController().signal);
      await until(() => source.state().waiting_for_socket === true);
      const { watching, failures, problem } = source.state();
      assert.deepEqual({ watching, failures, problem }, { watching: false, failures: 0, problem: null });
      await ovs.start();
      await until(() => isWatching(source) && ledger.events("ovs-switch:local").length > 0);
      assert.equal(source.state().waiting_for_socket, false);
    } finally {
      await source.stop();
      await ovs.stop();
    }
  });
});

for (const [what, bytes, reason] of [
  ["half a message", '{"id":1,"result":{"tables"', /closed the connection/],
  ["rubbish", "HTTP/1.1 400 Bad Request\r\n\r\n", /begins with byte 0x48/],
  ["a message without end", `{"id":1,"result":"${"x".repeat(70_000)}`, /longer than 65536 bytes/],
  ["another database's schema", '{"id":1,"result":{"tables":{}},"error":null}', /no usable table/],
] as const) {
  test(`${what} is a problem that status shows, and the source watches again once a sound server is there`, async (t) => {
    if (!(await requirePart(t, OVSDB_SERVER))) return;
    await withLedger(async (ledger) => {
      const ovs = new OpenVswitch(ledger.folder);
      const hostile = createServer((socket) => socket.on("error", () => undefined).end(bytes));
      hostile.listen(ovs.socket);
      const options = { socket: `unix:${ovs.socket}`, ignore_keys: [] };
      // The real server's schema is about 25 kB long.
      const source = createOvsdbSource(ledger.parts, options, { ...TUNING, maxMessageBytes: 65_536 });
      try {
        await source.start(new AbortController().signal);
        await until(() => reason.test(String(source.state().problem)));
        assert.equal(source.state().watching, false);
        hostile.close();
        await ovs.start();
        await until(() => isWatching(source) && ledger.events("ovs-switch:local").length > 0);
        assert.equal(source.state().problem, null);
        assert.deepEqual(ledger.events("source:ovsdb"), [], "a source that has never seen anything has no gap");
      } finally {
        hostile.close();
        await source.stop();
        await ovs.stop();
      }
    });
  });
}

test("a server that hangs is found out by a probe, and the gap begins when it was last heard", async (t) => {
  await watching(
    t,
    async ({ ovs, news, source }) => {
      await news(is("ovs-switch:local"));
      const before = Date.now();
      ovs.pauseServer();
      await until(() => source.state().watching === false);
      const noticed = Date.now();
      assert.match(String(source.state().problem), /probe|connect/);
      ovs.resumeServer();
      const [gap] = await news(is("source:ovsdb", "gap"));
      const from = Date.parse(String(gap?.state.from));
      assert.ok(noticed - from >= 100, `the gap begins ${noticed - from} ms before it was noticed`);
      assert.ok(from >= before - 10_000);
    },
    { tuning: { probeMs: 100, timeoutMs: 2000 } },
  );
});

test("links that go down and up, and interfaces that fail, are named so", async (t) => {
  await watching(t, async ({ ovs, news }) => {
    // What else the switch has still to say of a new bridge comes when it likes.
    const newsOf = async (element: string, action: string, elements = [element]) =>
      (await news(is(element, action))).filter(
        (event) => elements.includes(event.element) && event.action !== "modified",
      );
    await ovs.startSwitch();
    await ovs.vsctl("add-br", "br0", "--", "add-port", "br0", "vi101");
    const added = await newsOf("ovs-interface:vi101", "link_up");
    assert.deepEqual(brief(added), ["ovs-interface:vi101 created", "ovs-interface:vi101 link_up"]);
    assert.equal(added[1]?.state.link_state, "up");
    await ovs.setAdminState("vi101", "down");
    const [down, ...more] = await newsOf("ovs-interface:vi101", "link_down");
    assert.deepEqual([down?.state.link_state, down?.state.admin_state, more], ["down", "down", []]);
    await ovs.setAdminState("vi101", "up");
    assert.deepEqual(brief(await newsOf("ovs-interface:vi101", "link_up")), ["ovs-interface:vi101 link_up"]);
    const ofBridge = ["ovs-bridge:br0", "ovs-interface:br0"];
    await ovs.setAdminState("br0", "down");
    const fallen = (await newsOf("ovs-interface:br0", "link_down", ofBridge)).slice(-2);
    assert.deepEqual(brief(fallen), ["ovs-bridge:br0 bridge_down", "ovs-interface:br0 link_down"]);
    assert.deepEqual([fallen[0]?.priority, fallen[0]?.state.link_state], ["high", "down"]);
    await ovs.setAdminState("br0", "up");
    const back = await newsOf("ovs-interface:br0", "link_up", ofBridge);
    assert.deepEqual(brief(back), ["ovs-bridge:br0 bridge_up", "ovs-interface:br0 link_up"]);
    await ovs.vsctl("add-port", "br0", "bad0", "--", "set", "interface", "bad0", "type=nonsense");
    const [created, failed] = await newsOf("ovs-interface:bad0", "interface_error");
    assert.deepEqual([created?.action, failed?.action, failed?.priority], ["created", "interface_error", "high"]);
    assert.match(String(failed?.state.error), /could not open network device bad0/);
  });
});

test("a server that restarts under a running switch: what it forgot and is told again makes no events", async (t) => {
  await watching(t, async ({ ovs, news, ledger, source }) => {
    await ovs.startSwitch();
    await ovs.vsctl("add-br", "br0", "--", "add-port", "br0", "vi101");
    await news(is("ovs-interface:vi101", "link_up"));
    // The last that the switch says of a new bridge: its own interface gets the address that the bridge chose.
    await until(() => {
      const id = ledger.events("ovs-bridge:br0").at(-1)?.state.datapath_id;
      const mac = ledger.events("ovs-interface:br0").at(-1)?.state.mac_in_use;
      return typeof id === "string" && id.slice(4) === String(mac).replaceAll(":", "");
    });
    await until(() => isWatching(source));
    await ovs.stopServer();
    await until(() => source.state().watching === false);
    await ovs.startServer();
    // The switch waits a second before it comes back: by then our first comparison has found its columns empty.
    await until(() => isWatching(source));
    await ovs.vsctl("--", "wait-until", "interface", "vi101", "link_state=up");
    await ovs.vsctl("set", "port", "vi101", "tag=7");
    const events = await news(is("ovs-port:vi101"));
    const since = events.slice(events.findIndex(is("source:ovsdb", "gap")));
    assert.deepEqual(brief(since), ["source:ovsdb gap", "ovs-port:vi101 modified"]);
    const state = ledger.events("ovs-interface:vi101").at(-1)?.state;
    assert.equal(state?.link_state, "up");
  });
});
