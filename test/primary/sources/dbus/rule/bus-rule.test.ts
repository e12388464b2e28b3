import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { BusWatch } from "../../../../../primary/sources/dbus/bus-watch.js";
import { BusConnection } from "../../../../../shared/dbus/bus-connection.js";
import { variant } from "../../../../../shared/dbus/variant.js";
import { type TestBus, withBus } from "../../../../support/with-bus.js";
import { type TestLedger, withLedger } from "../../../../support/with-ledger.js";
import { actionsOf, eventOf, requireMocks, serviceState, sighted, until, withWatch } from "../with-watch.js";
import { NAME, PATH, ruleOf, SOURCE } from "./rule-of-things.js";

const PROPERTIES = "org.freedesktop.DBus.Properties";

interface Told {
  bus: TestBus;
  ledger: TestLedger;
  watch: BusWatch;
  /** Owns the name. */
  sender: BusConnection;
  tell(...values: unknown[]): void;
}

/** One rule, watched while its sender is there; `tell` sends the signal `Happened` with a text and a number. */
async function told(t: TestContext, options: object, body: (told: Told) => Promise<void>): Promise<void> {
  if (!(await requireMocks(t))) return;
  await withBus((bus) =>
    withLedger((ledger) =>
      withWatch(bus, ledger, [ruleOf(options)], async (watch) => {
        const sender = await BusConnection.connect({ address: bus.address });
        try {
          await sender.requestName(NAME);
          await sighted(watch, SOURCE);
          const tell = (...values: unknown[]) => sender.emit(PATH, NAME, "Happened", "st", values);
          await body({ bus, ledger, watch, sender, tell });
        } finally {
          sender.close();
        }
      }),
    ),
  );
}

test("a signal is an event with its arguments, place and name, and the rule's type, actor and priority", async (t) => {
  await told(t, { actor: "things", priority: "critical", action: "{member}_{path.last}" }, async ({ ledger, tell }) => {
    tell("a", 2n ** 63n);
    const event = await eventOf(ledger, "thing:a", "Happened_Things1");
    assert.deepEqual(event, {
      element: "thing:a",
      type: "Thing",
      action: "Happened_Things1",
      actor: "things",
      source: SOURCE,
      priority: "critical",
      state: { path: PATH, interface: NAME, member: "Happened", args: ["a", "9223372036854775808"] },
    });
  });
});

test("every signal is an event, also one that says the same again", async (t) => {
  await told(t, {}, async ({ ledger, tell }) => {
    for (let i = 0; i < 3; i += 1) tell("a", 1n);
    await until("three events", () => ledger.events("thing:a").length === 3);
  });
});

test("PropertiesChanged is an event with the properties that changed, and names elements by their values", async (t) => {
  const options = {
    interface: PROPERTIES,
    member: "PropertiesChanged",
    element: "battery:{path.last}",
    action: "{arg1.State}",
  };
  await told(t, options, async ({ ledger, sender, watch }) => {
    const changed = {
      State: variant("s", "discharging"),
      Energy: variant("d", 12.5),
      Rate: variant("v", variant("u", 7)),
    };
    sender.emit(`${PATH}/BAT0`, PROPERTIES, "PropertiesChanged", "sa{sv}as", [NAME, changed, ["TimeToFull"]]);
    assert.deepEqual((await eventOf(ledger, "battery:BAT0", "discharging")).state, {
      path: `${PATH}/BAT0`,
      interface: NAME,
      member: "PropertiesChanged",
      changed: { State: "discharging", Energy: 12.5, Rate: 7 },
      invalidated: ["TimeToFull"],
    });
    sender.emit(`${PATH}/BAT0`, PROPERTIES, "PropertiesChanged", "sa{sv}as", [NAME, { Energy: variant("d", 12) }, []]);
    await until("the one without a state is counted", () => {
      const { dropped } = serviceState(watch, SOURCE);
      return JSON.stringify(dropped) === '{"without_the_value_of_a_placeholder":1}';
    });
    assert.equal(ledger.events(SOURCE).length, 1);
  });
});

test("signals of the sender that do not fit are no events, though another rule has the bus bring them", async (t) => {
  if (!(await requireMocks(t))) return;
  const onePath = ruleOf({ path: PATH, interface: NAME, member: "Happened" });
  const below = ruleOf({ name: "below", path_namespace: `${PATH}/a`, action: "below" });
  const all = ruleOf({ name: "all", action: "any" });
  await withBus((bus) =>
    withLedger((ledger) =>
      withWatch(bus, ledger, [onePath, below, all], async (watch) => {
        const sender = await BusConnection.connect({ address: bus.address });
        await sender.requestName(NAME);
        for (const source of [SOURCE, "dbus:below", "dbus:all"]) await sighted(watch, source);
        sender.emit(PATH, NAME, "Happened", "s", ["1"]);
        sender.emit(PATH, NAME, "Other", "s", ["2"]);
        sender.emit(PATH, `${NAME}.Sub`, "Happened", "s", ["3"]);
        sender.emit(`${PATH}/a`, NAME, "Happened", "s", ["4"]);
        sender.emit(`${PATH}/a/b`, NAME, "Happened", "s", ["5"]);
        sender.emit(`${PATH}/ab`, NAME, "Happened", "s", ["6"]);
        await eventOf(ledger, "thing:6", "any");
        sender.close();
        const elementsOf = (source: string) =>
          ledger
            .events(source)
            .map(({ element }) => element.slice(-1))
            .join("");
        assert.deepEqual([elementsOf(SOURCE), elementsOf("dbus:below"), elementsOf("dbus:all")], ["1", "45", "123456"]);
      }),
    ),
  );
});

test("with coalesce_ms the last signal of each element is the event, also when its sender leaves before", async (t) => {
  await told(t, { coalesce_ms: 3_600_000 }, async ({ ledger, sender, tell, watch }) => {
    for (const number of [1n, 2n, 3n]) for (const name of ["a", "b"]) tell(name, number);
    await until("four are merged", () => serviceState(watch, SOURCE).coalesced === 4);
    assert.deepEqual(ledger.events(SOURCE), []);
    sender.close();
    await until("both are written", () => ledger.events(SOURCE).length === 2);
    assert.deepEqual(
      ledger.events(SOURCE).map(({ element, state }) => [element, (state.args as string[])[1]]),
      [
        ["thing:a", "3"],
        ["thing:b", "3"],
      ],
    );
  });
});

test("what waits is written after its time", async (t) => {
  await told(t, { coalesce_ms: 5 }, async ({ ledger, tell }) => {
    tell("a", 1n);
    await eventOf(ledger, "thing:a", "happened");
    tell("a", 2n);
    await until("the second is written", () => ledger.events("thing:a").length === 2);
  });
});

test("a name taken over, and signals of others in its place", async (t) => {
  await told(t, {}, async ({ bus, ledger, sender, tell, watch }) => {
    tell("a", 1n);
    await eventOf(ledger, "thing:a", "happened");
    const forged = ["--type=signal", PATH, `${NAME}.Happened`, "string:forged", "uint64:1"];
    await bus.send(...forged);
    const names = await bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames");
    for (const [quoted] of names.matchAll(/':[^']+'/g)) await bus.send(`--dest=${quoted.slice(1, -1)}`, ...forged);
    await until("the forged one is counted", () => watch.state().forged === 1);
    sender.close();
    await until("it is away", () => serviceState(watch, SOURCE).present === false);
    const next = await BusConnection.connect({ address: bus.address });
    await next.requestName(NAME);
    await sighted(watch, SOURCE);
    next.emit(PATH, NAME, "Happened", "st", ["b", 2n]);
    await eventOf(ledger, "thing:b", "happened");
    next.close();
    assert.deepEqual(actionsOf(ledger, SOURCE), ["happened", "happened"]);
  });
});

test("a time without the bus is a gap", async (t) => {
  await told(t, {}, async ({ bus, ledger, tell }) => {
    tell("a", 1n);
    await eventOf(ledger, "thing:a", "happened");
    await bus.restart();
    assert.equal((await eventOf(ledger, `source:${SOURCE}`, "gap")).state.reason, "the bus was gone");
  });
});
