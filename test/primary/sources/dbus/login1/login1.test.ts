import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogin1 } from "../../../../../primary/sources/dbus/login1/login1.js";
import { isIdleOnly } from "../../../../../primary/sources/dbus/login1/session.js";
import { program, requirePart } from "../../../../support/require-part.js";
import { type TestBus, withBus } from "../../../../support/with-bus.js";
import { withLedger } from "../../../../support/with-ledger.js";
import { actionsOf, away, eventOf, requireMocks, serviceState, sighted, until, withWatch } from "../with-watch.js";

const SOURCE = "dbus:login1";
const NAME = "org.freedesktop.login1";
const ROOT = "/org/freedesktop/login1";
const MANAGER = `${NAME}.Manager`;
const MOCK = "org.freedesktop.DBus.Mock";
const BOOT = "3f9d5a0c11224e6fa3b7c6d5e4f30201";
const HOST = "host:power";
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

const create = () => createLogin1({ bootId: BOOT });

function mockLogind(bus: TestBus) {
  return bus.mock("--template", "logind");
}

async function addSession(bus: TestBus, id: string, { user = "alice", uid = 1000 } = {}) {
  await bus.call(NAME, ROOT, `${MOCK}.AddSession`, id, "seat0", String(uid), user, "true");
}

function sessionPath(id: string): string {
  return `${ROOT}/session/${id}`;
}

async function emit(bus: TestBus, signal: string, signature: string, args: string) {
  await bus.call(NAME, ROOT, `${MOCK}.EmitSignal`, MANAGER, signal, signature, args);
}

async function openSession(bus: TestBus, id: string) {
  await addSession(bus, id);
  await emit(bus, "SessionNew", "so", `[<"${id}">, <objectpath "${sessionPath(id)}">]`);
}

async function closeSession(bus: TestBus, id: string) {
  await bus.call(NAME, ROOT, `${MOCK}.RemoveObject`, sessionPath(id));
  await emit(bus, "SessionRemoved", "so", `[<"${id}">, <objectpath "${sessionPath(id)}">]`);
}

async function change(bus: TestBus, id: string, properties: string) {
  await bus.call(NAME, sessionPath(id), `${MOCK}.UpdateProperties`, `${NAME}.Session`, properties);
}

const SESSION_3 = {
  id: "3",
  user: "alice",
  uid: 1000,
  seat: "seat0",
  tty: null,
  remote: false,
  remote_host: null,
  remote_user: null,
  service: "dbusmock",
  type: "test",
  class: "user",
  leader: 1,
  state: "active",
  locked: false,
  since: "1970-01-01T00:00:00.000042Z",
  boot_id: BOOT,
};

test("a session that opens and closes has both events, by its user", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await mockLogind(bus);
      await addSession(bus, "c1", { user: "root", uid: 0 });
      await withWatch(bus, ledger, [create()], async (watch) => {
        await sighted(watch, SOURCE);
        await openSession(bus, "3");
        const opened = await eventOf(ledger, "session:3@3f9d5a0c", "opened");
        assert.deepEqual([opened.type, opened.actor, opened.state], ["Session", "alice", SESSION_3]);
        await closeSession(bus, "3");
        const closed = await eventOf(ledger, "session:3@3f9d5a0c", "closed");
        assert.deepEqual([closed.actor, closed.state], ["alice", {}]);
      });
      assert.deepEqual(actionsOf(ledger, "session:c1@3f9d5a0c"), ["observed"]);
      assert.deepEqual(ledger.events(HOST)[0]?.state, { power: "up", boot_id: BOOT });
    }),
  );
});

test("a session that changes says how; that it is idle is no event", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await mockLogind(bus);
      await addSession(bus, "3");
      await withWatch(bus, ledger, [create()], async (watch) => {
        await sighted(watch, SOURCE);
        const session = "session:3@3f9d5a0c";
        await change(bus, "3", '{"IdleHint": <true>, "IdleSinceHint": <uint64 4711>}');
        await change(bus, "3", '{"LockedHint": <true>}');
        assert.equal((await eventOf(ledger, session, "locked")).state.locked, true);
        await change(bus, "3", '{"LockedHint": <false>}');
        await eventOf(ledger, session, "unlocked");
        await change(bus, "3", '{"Active": <false>, "State": <"online">}');
        await eventOf(ledger, session, "deactivated");
        await change(bus, "3", '{"Active": <true>, "State": <"active">}');
        await eventOf(ledger, session, "activated");
        await change(bus, "3", '{"State": <"closing">}');
        assert.equal((await eventOf(ledger, session, "closing")).state.state, "closing");
      });
      const expected = ["observed", "locked", "unlocked", "deactivated", "activated", "closing"];
      assert.deepEqual(actionsOf(ledger, "session:3@3f9d5a0c"), expected);
    }),
  );
});

test("a session is not asked because it is idle, and is when it may have changed otherwise too", () => {
  assert.equal(isIdleOnly({ IdleHint: true, IdleSinceHint: 4711n, IdleSinceHintMonotonic: 11n }), true);
  assert.equal(isIdleOnly({ IdleHint: true, Active: false }), false);
  // Changes whose values are left out come with no names at all.
  assert.equal(isIdleOnly({}), false);
});

test("shutdown and sleep are told at once and are critical; what is cancelled and who wakes up too", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await mockLogind(bus);
      await withWatch(bus, ledger, [create()], async (watch) => {
        await sighted(watch, SOURCE);
        await emit(bus, "PrepareForSleep", "b", "[<true>]");
        assert.equal((await eventOf(ledger, HOST, "sleep")).priority, "critical");
        await emit(bus, "PrepareForSleep", "b", "[<false>]");
        await eventOf(ledger, HOST, "wake");
        await emit(bus, "PrepareForShutdownWithMetadata", "ba{sv}", '[<true>, <{"type": <"reboot">}>]');
        await emit(bus, "PrepareForShutdown", "b", "[<true>]");
        const prepared = await eventOf(ledger, HOST, "shutdown_prepared");
        assert.equal(prepared.priority, "critical");
        assert.deepEqual(prepared.state, { power: "shutting_down", boot_id: BOOT, change: { kind: "reboot" } });
        await emit(bus, "PrepareForShutdown", "b", "[<false>]");
        await eventOf(ledger, HOST, "shutdown_cancelled");
      });
      const expected = ["observed", "sleep", "wake", "shutdown_prepared", "shutdown_cancelled"];
      assert.deepEqual(actionsOf(ledger, HOST), expected);
    }),
  );
});

test("after the next boot a session of the same number is another one, and the host has booted", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      const logind = await mockLogind(bus);
      await addSession(bus, "3");
      await withWatch(bus, ledger, [create()], (watch) => sighted(watch, SOURCE));
      await logind.stop();
      await ledger.restart();
      await mockLogind(bus);
      await addSession(bus, "3", { user: "bob", uid: 1001 });
      const nextBoot = createLogin1({ bootId: "77aa00bb11224e6fa3b7c6d5e4f30201" });
      await withWatch(bus, ledger, [nextBoot], (watch) => sighted(watch, SOURCE));
      const [gap, ...changes] = ledger.events(SOURCE).slice(2);
      assert.equal(gap?.action, "gap");
      assert.deepEqual(
        changes.map(({ element, action }) => [element, action]),
        [
          [HOST, "booted"],
          ["session:3@77aa00bb", "observed"],
          ["session:3@3f9d5a0c", "closed"],
        ],
      );
    }),
  );
});

test("logind that goes away and comes back is a gap, then what differs", async (t) => {
  if (!(await requireMocks(t))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await withWatch(bus, ledger, [create()], async (watch) => {
        await until("the bus is watched", () => watch.state().connected === true);
        assert.equal(serviceState(watch, SOURCE).present, false);
        const logind = await mockLogind(bus);
        await addSession(bus, "3");
        await emit(bus, "SessionNew", "so", `[<"3">, <objectpath "${sessionPath("3")}">]`);
        await until("the session is known", () => ledger.events("session:3@3f9d5a0c").length === 1);
        await sighted(watch, SOURCE);
        await logind.stop();
        await away(watch, SOURCE);
        assert.equal(serviceState(watch, SOURCE).watching, false);
        await mockLogind(bus);
        await eventOf(ledger, "session:3@3f9d5a0c", "closed");
      });
      assert.equal(ledger.events(`source:${SOURCE}`)[0]?.action, "gap");
    }),
  );
});

async function locks(bus: TestBus): Promise<string> {
  return bus.call(NAME, ROOT, `${MANAGER}.ListInhibitors`);
}

test("shutdown is held up until its event is delivered, and again after it was cancelled", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, program("systemd-inhibit", "systemd")))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await mockLogind(bus);
      let deliver: () => void = () => undefined;
      const asked: string[][] = [];
      const delivered = () => {
        asked.push(actionsOf(ledger, HOST));
        return new Promise<void>((resolve) => {
          deliver = resolve;
        });
      };
      const delay = { address: bus.address, log: SILENT, timeoutMs: 60_000, delivered };
      await withWatch(bus, ledger, [createLogin1({ bootId: BOOT, delay })], async (watch) => {
        await sighted(watch, SOURCE);
        await until("the lock is held", async () => (await locks(bus)).includes("('shutdown:sleep', 'Isochron'"));
        await emit(bus, "PrepareForShutdown", "b", "[<true>]");
        await until("it is asked to deliver", () => asked.length === 1);
        assert.deepEqual(asked, [["observed", "shutdown_prepared"]]);
        assert.match(await locks(bus), /Isochron/);
        deliver();
        await until("the lock is gone", async () => !(await locks(bus)).includes("Isochron"));
        await emit(bus, "PrepareForShutdown", "b", "[<false>]");
        await until("the lock is held again", async () => (await locks(bus)).includes("Isochron"));
      });
      await until("no lock is left", async () => !(await locks(bus)).includes("Isochron"));
    }),
  );
});

test("an event that cannot be delivered does not hold up a shutdown for longer than it may", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, program("systemd-inhibit", "systemd")))) return;
  await withLedger((ledger) =>
    withBus(async (bus) => {
      await mockLogind(bus);
      const warned: string[] = [];
      const log = { ...SILENT, warn: (message: string) => warned.push(message) };
      const never = () => new Promise<void>(() => undefined);
      const delay = { address: bus.address, log, timeoutMs: 50, delivered: never };
      await withWatch(bus, ledger, [createLogin1({ bootId: BOOT, delay })], async (watch) => {
        await sighted(watch, SOURCE);
        await until("the lock is held", async () => (await locks(bus)).includes("Isochron"));
        await emit(bus, "PrepareForShutdown", "b", "[<true>]");
        await until("the lock is gone", async () => !(await locks(bus)).includes("Isochron"));
      });
      assert.deepEqual(warned, ["the host goes down before its event is safe"]);
    }),
  );
});
