import assert from "node:assert/strict";
import { test } from "node:test";
import { createMachine1 } from "../../../../../primary/sources/dbus/machine1/machine1.js";
import { withBus } from "../../../../support/with-bus.js";
import { withLedger } from "../../../../support/with-ledger.js";
import { actionsOf, away, eventOf, requireMocks, serviceState, sighted, until, withWatch } from "../with-watch.js";
import { MOCK, mockMachined, NAME, ROOT, startMachine, stopMachine } from "./mock-machined.js";

const SOURCE = "dbus:machine1";
const WEB = {
  name: "web-1",
  class: "container",
  service: "systemd-nspawn",
  state: "running",
  unit: "systemd-nspawn@web-1.service",
  leader: 4711,
  root_directory: "/var/lib/machines/web-1",
  since: "2023-11-14T22:13:20.000000Z",
};

test("a machine that is there is observed; one that starts and stops has both events with its whole state", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await mockMachined(bus, { name: "db" });
      await withWatch(bus, ledger, [createMachine1()], async (watch) => {
        await sighted(watch, SOURCE);
        await startMachine(bus, { name: "web-1" });
        const started = await eventOf(ledger, "machine:web-1", "started");
        assert.deepEqual([started.type, started.state], ["Machine", WEB]);
        await stopMachine(bus, "web-1");
        assert.deepEqual((await eventOf(ledger, "machine:web-1", "stopped")).state, {});
      });
      assert.deepEqual(actionsOf(ledger, SOURCE), ["observed", "started", "stopped"]);
      assert.equal(ledger.events(SOURCE)[0]?.element, "machine:db");
    }),
  );
});

test("a machine that was gone before it could be asked leaves both its events", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await mockMachined(bus);
      // Nothing is asked as long as the test takes.
      const options = { coalesceMs: 3_600_000 };
      await withWatch(
        bus,
        ledger,
        [createMachine1()],
        async (watch) => {
          await sighted(watch, SOURCE);
          await startMachine(bus, { name: "brief" });
          await stopMachine(bus, "brief");
          await eventOf(ledger, "machine:brief", "stopped");
        },
        options,
      );
      assert.deepEqual(
        ledger.events(SOURCE).map(({ action, state }) => [action, state]),
        [
          ["started", { name: "brief" }],
          ["stopped", {}],
        ],
      );
    }),
  );
});

test("a machine whose properties are announced is asked again; what is announced of no machine changes nothing", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await mockMachined(bus, { name: "web-1" });
      await withWatch(bus, ledger, [createMachine1()], async (watch) => {
        await sighted(watch, SOURCE);
        const closing = '{"State": <"closing">}';
        await bus.call(NAME, `${ROOT}/machine/web_2d1`, `${MOCK}.UpdateProperties`, `${NAME}.Machine`, closing);
        const stopping = await eventOf(ledger, "machine:web-1", "stopping");
        assert.deepEqual(stopping.state, { ...WEB, state: "closing" });
        const unknown = `[<"${NAME}.Machine">, <@a{sv} {}>, <@as []>]`;
        const properties = "org.freedesktop.DBus.Properties";
        await bus.call(NAME, ROOT, `${MOCK}.EmitSignal`, properties, "PropertiesChanged", "sa{sv}as", unknown);
        await stopMachine(bus, "web-1");
        await eventOf(ledger, "machine:web-1", "stopped");
      });
      assert.deepEqual(actionsOf(ledger, SOURCE), ["observed", "stopping", "stopped"]);
    }),
  );
});

test("machined that dies with machines is a gap, then what differs: a machine replaced unseen has restarted", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const machined = await mockMachined(bus, { name: "same" }, { name: "replaced" }, { name: "ended" });
      await withWatch(bus, ledger, [createMachine1()], async (watch) => {
        await sighted(watch, SOURCE);
        await machined.stop();
        await away(watch, SOURCE);
        assert.equal(serviceState(watch, SOURCE).watching, false);
        await mockMachined(bus, { name: "same" }, { name: "replaced", leader: 4800, since: 1_700_000_500_000_000 });
        await sighted(watch, SOURCE);
      });
      const [gap, ...changes] = ledger.events(SOURCE).slice(3);
      assert.deepEqual([gap?.action, gap?.state.reason], ["gap", `${NAME} was gone`]);
      assert.deepEqual(
        changes.map(({ element, action }) => [element, action]),
        [
          ["machine:replaced", "restarted"],
          ["machine:ended", "stopped"],
        ],
      );
    }),
  );
});

test("machined that leaves because it has no machines makes no gap, and none when it is not there at the start", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await withWatch(bus, ledger, [createMachine1()], async (watch) => {
        await until("the bus is watched", () => watch.state().connected === true);
        assert.deepEqual([serviceState(watch, SOURCE).present, serviceState(watch, SOURCE).watching], [false, true]);
        const machined = await mockMachined(bus);
        await sighted(watch, SOURCE);
        await startMachine(bus, { name: "job" });
        await eventOf(ledger, "machine:job", "started");
        await stopMachine(bus, "job");
        await eventOf(ledger, "machine:job", "stopped");
        await machined.stop();
        await away(watch, SOURCE);
        await mockMachined(bus);
        await sighted(watch, SOURCE);
        await startMachine(bus, { name: "job", since: 1_700_000_900_000_000 });
        await until("it has started again", () => actionsOf(ledger, "machine:job").length === 3);
      });
      assert.deepEqual(actionsOf(ledger, SOURCE), ["started", "stopped", "started"]);
    }),
  );
});

test("a bus that dies while machined is away is a gap all the same", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await withWatch(bus, ledger, [createMachine1()], async (watch) => {
        await until("the bus is watched", () => watch.state().connected === true);
        await bus.kill();
        await until("the end of the bus is known", () => watch.state().connected === false);
        assert.equal(serviceState(watch, SOURCE).watching, false);
        await bus.restart();
        const gap = await eventOf(ledger, `source:${SOURCE}`, "gap");
        assert.equal(gap.state.reason, "the bus was gone");
      });
      assert.deepEqual(actionsOf(ledger, SOURCE), ["gap"]);
    }),
  );
});

test("a signal of someone who does not own the name is dropped and counted", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await mockMachined(bus);
      await withWatch(bus, ledger, [createMachine1()], async (watch) => {
        await sighted(watch, SOURCE);
        const forged = [ROOT, `${NAME}.Manager.MachineNew`, "string:evil", `objpath:${ROOT}/machine/evil`];
        // The match rules keep the broadcast away; one that is sent to us comes through.
        const listed = await bus.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames");
        const strangers = [...listed.matchAll(/':1\.\d+'/g)].map(([quoted]) => quoted.slice(1, -1));
        for (const name of strangers) await bus.send("--type=signal", `--dest=${name}`, ...forged).catch(() => "");
        await until("it is counted", () => watch.state().forged === 1);
        assert.deepEqual(serviceState(watch, SOURCE).dropped, { forged: 1 });
      });
      assert.deepEqual(ledger.events(SOURCE), []);
    }),
  );
});
