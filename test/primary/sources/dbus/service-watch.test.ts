import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { type TestBus, withBus } from "../../../support/with-bus.js";
import { type TestLedger, withLedger } from "../../../support/with-ledger.js";
import { SOURCE, ThingService, watchedThings } from "./thing-service.js";
import { actionsOf, eventOf, requireMocks, serviceState, sighted, until, withWatch } from "./with-watch.js";

/** Elements and actions in the ledger's order. */
function told(ledger: TestLedger): string[] {
  return ledger.events(SOURCE).map(({ element, action }) => `${element} ${action}`);
}

test("a service that another owner takes over is a gap, and its old owner's late signals are a stranger's", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const old = await ThingService.own(bus.address, ["a"]);
      await withWatch(bus, ledger, [watchedThings()], async (watch) => {
        await sighted(watch, SOURCE);
        const [us] = old.askedBy;
        const next = await ThingService.own(bus.address, ["a", "b"]);
        await eventOf(ledger, "thing:b", "observed");
        old.emit("Happened", "a");
        old.emit("Happened", "a", us);
        await until("the late signal is counted", () => watch.state().forged === 1);
        next.emit("Happened", "b");
        await eventOf(ledger, "thing:b", "happened");
        assert.deepEqual(serviceState(watch, SOURCE).dropped, { forged: 1 });
        old.close();
        next.close();
      });
      const expected = ["thing:a observed", `source:${SOURCE} gap`, "thing:b observed", "thing:b happened"];
      assert.deepEqual(told(ledger), expected);
    }),
  );
});

test("signals that come while the snapshot is read are told after it, in their order", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await withWatch(bus, ledger, [watchedThings()], async (watch) => {
        const service = await ThingService.own(bus.address, ["z"], { held: true });
        await until("the list is asked for", () => service.askedBy.length === 1);
        const things = Array.from({ length: 500 }, (_, i) => `t${i}`);
        for (const thing of things) service.emit("Happened", thing);
        service.release();
        await sighted(watch, SOURCE);
        await eventOf(ledger, "thing:t499", "happened");
        assert.deepEqual(told(ledger), ["thing:z observed", ...things.map((thing) => `thing:${thing} happened`)]);
        service.close();
      });
    }),
  );
});

test("a signal that is not understood is counted, and what it would have told is found by a snapshot", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const service = await ThingService.own(bus.address, ["a"]);
      await withWatch(bus, ledger, [watchedThings()], async (watch) => {
        await sighted(watch, SOURCE);
        service.things = ["b"];
        service.emit("Broken", "b");
        service.emit("Happened", "c");
        await eventOf(ledger, "thing:b", "observed");
        await eventOf(ledger, "thing:a", "gone");
        await eventOf(ledger, "thing:c", "happened");
        assert.deepEqual(serviceState(watch, SOURCE).dropped, { not_understood: 1 });
      });
      service.close();
      assert.deepEqual(actionsOf(ledger, `source:${SOURCE}`), []);
    }),
  );
});

test("what could not be written a while after its signal is told as lost, and its outcome is found by a snapshot", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const service = await ThingService.own(bus.address, ["a"]);
      await withWatch(bus, ledger, [watchedThings()], async (watch) => {
        await sighted(watch, SOURCE);
        service.things = ["a", "b"];
        service.emit("Later", "a");
        service.emit("Dropped", "b");
        await eventOf(ledger, "thing:b", "observed");
      });
      service.close();
      assert.deepEqual(actionsOf(ledger, "thing:a"), ["observed", "happened"]);
      assert.deepEqual(ledger.events(`source:${SOURCE}`)[0]?.state.lost, { dropped_by_the_test: 1 });
    }),
  );
});

test("a bus that dies while a snapshot is read is a gap, and the next bus has the truth", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const first = await ThingService.own(bus.address, ["a"]);
      await withWatch(bus, ledger, [watchedThings()], async (watch) => {
        await sighted(watch, SOURCE);
        first.hold();
        first.emit("Broken", "a");
        await until("it is asked again", () => first.askedBy.length === 2);
        await bus.kill();
        await until("the end of the bus is known", () => watch.state().connected === false);
        assert.equal(serviceState(watch, SOURCE).watching, false);
        await bus.restart();
        const second = await ThingService.own(bus.address, ["b"]);
        await eventOf(ledger, "thing:a", "gone");
        second.close();
      });
      const expected = ["thing:a observed", `source:${SOURCE} gap`, "thing:b observed", "thing:a gone"];
      assert.deepEqual(told(ledger), expected);
      assert.equal(ledger.events(`source:${SOURCE}`)[0]?.state.reason, "the bus was gone");
    }),
  );
});

const STOP_MIDWAY = join(fileURLToPath(new URL(".", import.meta.url)), "stop-midway.js");

/** Ends by itself within the time, or is killed and fails the test. */
async function stopMidway(address: string, moment: string, meanwhile?: () => Promise<void>): Promise<void> {
  const run = execa(process.execPath, [STOP_MIDWAY, address, moment], { stdin: "ignore", timeout: 60_000 });
  await Promise.all([run, meanwhile?.()]);
  assert.equal((await run).stdout, "started\nstopped");
}

const MOMENTS: [what: string, run: (bus: TestBus) => Promise<void>][] = [
  ["while there is no bus", (bus) => stopMidway(`${bus.address}.gone`, "no-bus")],
  ["while the service is not there", (bus) => stopMidway(bus.address, "no-service")],
  ["while a snapshot is read", (bus) => withThings(bus, true, () => stopMidway(bus.address, "snapshot"))],
  [
    "while a failed snapshot waits for its next try",
    (bus) => withThings(bus, false, () => stopMidway(bus.address, "failing")),
  ],
  [
    "while something waits for its time",
    (bus) =>
      withThings(bus, false, (service) =>
        stopMidway(bus.address, "soon", async () => {
          await until("it has its snapshot", () => service.askedBy.length > 0);
          service.emit("Later", "a");
        }),
      ),
  ],
];

async function withThings(bus: TestBus, held: boolean, body: (service: ThingService) => Promise<void>): Promise<void> {
  const service = await ThingService.own(bus.address, ["a"], { held });
  await body(service);
  service.close();
}

for (const [what, run] of MOMENTS) {
  test(`a watch that is stopped ${what} leaves nothing that runs`, async (t) => {
    if (await requireMocks(t)) await withBus(run);
  });
}
