import assert from "node:assert/strict";
import { test } from "node:test";
import { createFirewalld } from "../../../../../primary/sources/dbus/firewalld/firewalld.js";
import { policyState, zoneState } from "../../../../../primary/sources/dbus/firewalld/rules.js";
import { requirePart } from "../../../../support/require-part.js";
import { withBus } from "../../../../support/with-bus.js";
import { FIREWALLD, startFirewalld } from "../../../../support/with-firewalld.js";
import { withLedger } from "../../../../support/with-ledger.js";
import { actionsOf, away, eventOf, requireMocks, serviceState, sighted, until, withWatch } from "../with-watch.js";

const SOURCE = "dbus:FirewallD1";
const STATE = "firewall:state";
const PUBLIC = "firewall:zone:public";

const PUBLIC_AT_FIRST = {
  target: "default",
  services: ["ssh"],
  ports: [],
  protocols: [],
  source_ports: [],
  forward_ports: [],
  icmp_blocks: [],
  icmp_block_inversion: false,
  masquerade: false,
  forward: false,
  interfaces: [],
  sources: [],
  rich_rules: [],
};

test("firewalld's zones and state are observed, and what changes in a zone is one event with all its settings", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, FIREWALLD))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const firewalld = await startFirewalld(bus);
      await withWatch(bus, ledger, [createFirewalld()], async (watch) => {
        await sighted(watch, SOURCE);
        assert.deepEqual(ledger.events(PUBLIC)[0]?.state, PUBLIC_AT_FIRST);
        const running = { state: "running", default_zone: "public", panic: false, log_denied: "off" };
        assert.deepEqual(ledger.events(STATE)[0]?.state, running);
        const rule = 'rule family="ipv4" source address="10.0.0.0/8" accept';
        await firewalld.call("zone.addRichRule", "public", rule, "0");
        const ruled = await eventOf(ledger, PUBLIC, "modified");
        assert.deepEqual(ruled.state, { ...PUBLIC_AT_FIRST, rich_rules: [rule] });
        await firewalld.call("zone.setZoneSettings2", "public", '{"ports": <[("8080", "tcp"), ("443", "tcp")]>}');
        await until("the ports are told", () => ledger.events(PUBLIC).length === 3);
        assert.deepEqual(ledger.events(PUBLIC)[2]?.state.ports, ["443/tcp", "8080/tcp"]);
        await firewalld.call("zone.addInterface", "public", "eth7");
        await until("the interface is told", () => ledger.events(PUBLIC).length === 4);
        await firewalld.call("zone.changeZoneOfInterface", "trusted", "eth7");
        const gained = await eventOf(ledger, "firewall:zone:trusted", "modified");
        assert.deepEqual(gained.state.interfaces, ["eth7"]);
        await until("the zone that lost it is told", () => ledger.events(PUBLIC).length === 5);
        assert.deepEqual(ledger.events(PUBLIC)[4]?.state.interfaces, []);
      });
      await firewalld.stop();
      const observed = ledger.events(SOURCE).filter(({ action }) => action === "observed");
      assert.deepEqual(observed.map(({ element, type }) => `${type} ${element}`).sort(), [
        "Firewall firewall:state",
        "FirewallPolicy firewall:policy:inwards",
        "FirewallZone firewall:zone:block",
        "FirewallZone firewall:zone:drop",
        "FirewallZone firewall:zone:public",
        "FirewallZone firewall:zone:trusted",
      ]);
    }),
  );
});

test("a policy that changes is told with all its settings", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, FIREWALLD))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const firewalld = await startFirewalld(bus);
      await withWatch(bus, ledger, [createFirewalld()], async (watch) => {
        await sighted(watch, SOURCE);
        const [observed] = ledger.events("firewall:policy:inwards");
        await firewalld.call("policy.setPolicySettings", "inwards", '{"services": <["http"]>}');
        const modified = await eventOf(ledger, "firewall:policy:inwards", "modified");
        assert.deepEqual(observed?.state.ingress_zones, ["public"]);
        assert.deepEqual(modified.state, { ...observed?.state, services: ["http"] });
      });
      await firewalld.stop();
    }),
  );
});

test("panic mode, the default zone and a reload are told, and what the reload has undone", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, FIREWALLD))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const firewalld = await startFirewalld(bus);
      await withWatch(bus, ledger, [createFirewalld()], async (watch) => {
        await sighted(watch, SOURCE);
        await firewalld.call("enablePanicMode");
        await firewalld.call("disablePanicMode");
        assert.equal((await eventOf(ledger, STATE, "panic_enabled")).priority, "high");
        await eventOf(ledger, STATE, "panic_disabled");
        await firewalld.call("setDefaultZone", "drop");
        assert.equal((await eventOf(ledger, STATE, "default_zone_changed")).state.default_zone, "drop");
        await firewalld.call("setLogDenied", "all");
        assert.equal((await eventOf(ledger, STATE, "modified")).state.log_denied, "all");
        await eventOf(ledger, STATE, "reloaded");
        await sighted(watch, SOURCE);
        await firewalld.call("zone.addService", "public", "http", "0");
        await eventOf(ledger, PUBLIC, "modified");
        await firewalld.call("reload");
        await until("the service is gone", () => ledger.events(PUBLIC).length === 3);
        assert.deepEqual(ledger.events(PUBLIC)[2]?.state.services, ["ssh"]);
      });
      await firewalld.stop();
      const panicked = ["observed", "panic_enabled", "panic_disabled"];
      const reloaded = ["default_zone_changed", "modified", "reloaded", "reloaded"];
      assert.deepEqual(actionsOf(ledger, STATE), [...panicked, ...reloaded]);
    }),
  );
});

test("a rule for some seconds is told when it comes and when firewalld takes it back", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, FIREWALLD))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const firewalld = await startFirewalld(bus);
      await withWatch(bus, ledger, [createFirewalld()], async (watch) => {
        await sighted(watch, SOURCE);
        // So long that it is there when it is asked for.
        await firewalld.call("zone.addService", "public", "http", "8");
        await until("both are told", () => ledger.events(PUBLIC).length === 3);
      });
      await firewalld.stop();
      const services = ledger.events(PUBLIC).map(({ state }) => state.services);
      assert.deepEqual(services, [["ssh"], ["http", "ssh"], ["ssh"]]);
    }),
  );
});

test("firewalld that stops is told at once; what it is like when it comes back follows the gap", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, FIREWALLD))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await withWatch(bus, ledger, [createFirewalld()], async (watch) => {
        await until("the bus is watched", () => watch.state().connected === true);
        assert.equal(serviceState(watch, SOURCE).present, false);
        const firewalld = await startFirewalld(bus);
        await sighted(watch, SOURCE);
        await firewalld.call("zone.addService", "public", "http", "0");
        await eventOf(ledger, PUBLIC, "modified");
        await firewalld.stop();
        await away(watch, SOURCE);
        const stopped = await eventOf(ledger, STATE, "stopped");
        assert.equal(stopped.state.state, "stopped");
        const again = await startFirewalld(bus);
        await eventOf(ledger, STATE, "started");
        await until("what was for the time being is gone", () => ledger.events(PUBLIC).length === 3);
        await again.stop();
        await until("it has stopped again", () => actionsOf(ledger, STATE).length === 4);
      });
      assert.deepEqual(
        ledger
          .events(SOURCE)
          .slice(6)
          .map(({ element, action }) => `${element} ${action}`),
        [
          `${PUBLIC} modified`,
          `${STATE} stopped`,
          `source:${SOURCE} gap`,
          `${STATE} started`,
          `${PUBLIC} modified`,
          `${STATE} stopped`,
        ],
      );
    }),
  );
});

test("what the last stop of the host left as running is stopped when firewalld is not there any more", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, FIREWALLD))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const firewalld = await startFirewalld(bus);
      await withWatch(bus, ledger, [createFirewalld()], (watch) => sighted(watch, SOURCE));
      await firewalld.stop();
      await ledger.restart();
      for (const _ of [1, 2]) {
        await withWatch(bus, ledger, [createFirewalld()], (watch) =>
          until("the bus is watched", () => watch.state().connected === true),
        );
      }
      assert.deepEqual(actionsOf(ledger, STATE), ["observed", "stopped"]);
    }),
  );
});

test("settings have one notation and one order, and later ones are kept as they come", () => {
  const state = zoneState({
    version: "",
    short: "Public",
    description: "words",
    target: "default",
    services: ["ssh", "http"],
    source_ports: [["1024-2048", "udp"]],
    forward_ports: [
      ["80", "tcp", "8080", "10.0.0.1"],
      ["22", "tcp", "2222", ""],
    ],
    rules_str: ["b", "a"],
    ingress_priority: -10,
  });
  assert.deepEqual(state, {
    ...PUBLIC_AT_FIRST,
    services: ["http", "ssh"],
    source_ports: ["1024-2048/udp"],
    forward_ports: ["port=22:proto=tcp:toport=2222", "port=80:proto=tcp:toport=8080:toaddr=10.0.0.1"],
    rich_rules: ["a", "b"],
    ingress_priority: -10,
  });
  const policy = policyState({ target: "CONTINUE", ingress_zones: ["ANY"], egress_zones: ["HOST"], rich_rules: ["r"] });
  assert.deepEqual([policy.ingress_zones, policy.rich_rules, policy.priority], [["ANY"], ["r"], null]);
});
