import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import type { BusPeer, BusService } from "../../../../primary/sources/dbus/bus-service.js";
import { ServiceWatch } from "../../../../primary/sources/dbus/service-watch.js";
import { ElementWriter } from "../../../../primary/sources/watch/element-writer.js";
import { BusConnection, type BusMessage } from "../../../../shared/dbus/bus-connection.js";
import { withBus } from "../../../support/with-bus.js";
import { type TestLedger, withLedger } from "../../../support/with-ledger.js";
import { requireMocks, serviceState, sighted, until, withWatch } from "./with-watch.js";

const SOURCE = "dbus:test1";
const NAME = "org.example.Test1";
const PATH = "/org/example/Test1";

/** Each signal `Happened` is an event; `ready` lets the snapshot end. */
function teller(tellsOnly: boolean, ready: Promise<void> = Promise.resolve()): BusService {
  return {
    source: SOURCE,
    busName: NAME,
    rules: [`path='${PATH}'`],
    tellsOnly,
    nameChange: () => "modified",
    async snapshot() {
      await ready;
      return tellsOnly ? undefined : [];
    },
    signal({ body }: BusMessage, { writer }: BusPeer) {
      writer.write({ elementId: `thing:${body[0]}`, elementType: "Thing", action: "happened", state: {} });
    },
  };
}

/** A watch of a service that is still reading its snapshot, without a bus: signals are put in by hand. */
async function whileReading(
  ledger: TestLedger,
  tellsOnly: boolean,
  body: (watch: ServiceWatch, writer: ElementWriter, ready: () => void) => Promise<void>,
): Promise<void> {
  let ready = () => {};
  const service = teller(tellsOnly, new Promise((resolve) => (ready = resolve)));
  const writer = new ElementWriter({ ...ledger.parts, source: SOURCE, maxQueuedEvents: 50_000 });
  const connection = {} as BusConnection;
  const { log } = ledger.parts;
  const watch = new ServiceWatch({ connection, service, owner: ":1.1", writer, log, coalesceMs: 10 });
  watch.start();
  await body(watch, writer, ready);
  ready();
  await watch.stop("the test is over");
  await writer.stop();
}

async function endProcess(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill();
  await ended;
}

function happened(thing: number): BusMessage {
  return { sender: ":1.1", path: PATH, interface: NAME, member: "Happened", signature: "u", body: [thing] };
}

test("a new connection counts nothing as unreadable or forged", async (t) => {
  if (!(await requireMocks(t))) return;
  await withBus((bus) =>
    withLedger((ledger) =>
      withWatch(bus, ledger, [teller(false)], async (watch) => {
        await until("the bus is watched", () => watch.state().connected === true);
        const { unreadable, forged } = watch.state();
        assert.deepEqual({ unreadable, forged }, { unreadable: 0, forged: 0 });
      }),
    ),
  );
});

test("owners are asked for only once the bus brings all signals, so that none is missed behind a snapshot", async (t) => {
  if (!(await requireMocks(t))) return;
  await withBus((bus) =>
    withLedger(async (ledger) => {
      const args = ["--address", bus.address, "type='method_call',destination='org.freedesktop.DBus'"];
      const monitor = spawn("dbus-monitor", args, { stdio: ["ignore", "pipe", "inherit"] });
      let calls = "";
      monitor.stdout.on("data", (chunk: Buffer) => {
        calls += chunk.toString();
      });
      try {
        await until("calls are seen", async () => {
          await bus.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetId");
          return calls.includes("GetId");
        });
        await withWatch(bus, ledger, [teller(false)], async (watch) => {
          await until("the bus is watched", () => watch.state().connected === true);
          await until("the owner is asked for", () => calls.includes("GetNameOwner"));
        });
        const order = [`path='${PATH}'`, "NameOwnerChanged", "GetNameOwner"].map((text) => calls.indexOf(text));
        assert.deepEqual(
          order.toSorted((a, b) => a - b),
          order,
        );
        assert.ok(!order.includes(-1));
      } finally {
        await endProcess(monitor);
      }
    }),
  );
});

test("the absence of a service that only tells is no gap, the absence of the bus is", async (t) => {
  if (!(await requireMocks(t))) return;
  await withBus((bus) =>
    withLedger((ledger) =>
      withWatch(bus, ledger, [teller(true)], async (watch) => {
        for (const thing of [1, 2]) {
          const connection = await BusConnection.connect({ address: bus.address });
          await connection.requestName(NAME);
          await sighted(watch, SOURCE);
          connection.emit(PATH, NAME, "Happened", "u", [thing]);
          await until(`${thing} is written`, () => ledger.events(`thing:${thing}`).length === 1);
          connection.close();
          await until("it is away", () => serviceState(watch, SOURCE).present === false);
        }
        assert.deepEqual(
          ledger.events(SOURCE).map(({ element }) => element),
          ["thing:1", "thing:2"],
        );
        await bus.restart();
        await until("the gap is written", () => ledger.events(`source:${SOURCE}`).length === 1);
        assert.equal(ledger.events(`source:${SOURCE}`)[0]?.action, "gap");
      }),
    ),
  );
});

test("signals beyond what is held during a snapshot are counted: lost where nothing else tells, else merged", async () => {
  await withLedger(async (ledger) => {
    await whileReading(ledger, true, async (watch, writer, ready) => {
      for (let thing = 0; thing < 20_005; thing += 1) watch.take(happened(thing));
      ready();
      await until("the held ones are written", () => writer.state().queued === 0 && writer.lostSoFar > 0);
      assert.deepEqual(writer.state().dropped, { more_signals_than_could_be_held: 5 });
    });
    assert.equal(ledger.events(SOURCE).filter(({ action }) => action === "happened").length, 20_000);
  });
  await withLedger((ledger) =>
    whileReading(ledger, false, async (watch, writer, ready) => {
      for (let thing = 0; thing < 20_005; thing += 1) watch.take(happened(thing));
      ready();
      await until("the held ones are written", () => writer.state().coalesced === 5);
      assert.equal(writer.lostSoFar, 0);
    }),
  );
});

test("signals that a snapshot makes needless are merged into it", async () => {
  await withLedger((ledger) =>
    whileReading(ledger, false, async (watch, writer, ready) => {
      for (const thing of [1, 2]) watch.take(happened(thing));
      watch.forgetHeld();
      watch.take(happened(3));
      ready();
      await until("the third is written", () => ledger.events("thing:3").length === 1);
      assert.equal(writer.state().coalesced, 2);
      assert.equal(ledger.events(SOURCE).length, 1);
    }),
  );
});

test("what a service that only tells has told is written, though it is gone before it was listened to", async () => {
  await withLedger(async (ledger) => {
    await whileReading(ledger, true, async (watch) => {
      watch.take(happened(7));
      void watch.stop("gone");
    });
    assert.equal(ledger.events("thing:7").length, 1);
  });
});
