import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { execa } from "execa";
import type { EventSink } from "../../../../../primary/event.js";
import type { BusWatch } from "../../../../../primary/sources/dbus/bus-watch.js";
import { systemdOptions } from "../../../../../primary/sources/dbus/systemd/options.js";
import { createSystemd } from "../../../../../primary/sources/dbus/systemd/systemd.js";
import { type TestBus, withBus } from "../../../../support/with-bus.js";
import { type TestLedger, withLedger } from "../../../../support/with-ledger.js";
import { actionsOf, away, eventOf, requireMocks, serviceState, sighted, until, withWatch } from "../with-watch.js";
import { type MockSystemd, type MockUnit, mockSystemd } from "./mock-systemd.js";

const SOURCE = "dbus:systemd1";
const NGINX = "unit:nginx.service";
const UNITS: MockUnit[] = [
  ["nginx.service", "A high performance web server", "loaded", "active", "running"],
  ["backup.service", "Nightly backup", "loaded", "inactive", "dead"],
];
const FILES = {
  "/lib/systemd/system/nginx.service": "enabled",
  "/lib/systemd/system/backup.service": "static",
};

/** What stands between two signals of a burst must not be taken for where it ends, on a busy machine too. */
const AS_IN_LIFE_MS = 150;
/** For tests in which no event waits for its end. */
const LONG_MS = 60_000;

interface Scene {
  bus: TestBus;
  ledger: TestLedger;
  systemd: MockSystemd;
  watch: BusWatch;
  /** Of the events that have one, in order. */
  reasons: string[];
}

/** A mocked systemd, watched by a source on a real ledger that has taken in its state. */
async function withSystemd(
  t: TestContext,
  body: (scene: Scene) => Promise<void>,
  { units = UNITS, files = FILES, reloadAtMostMs, coalesceMs = AS_IN_LIFE_MS }: Partial<Setting> = {},
): Promise<void> {
  if (!(await requireMocks(t))) return;
  await withBus((bus) =>
    withLedger(async (ledger) => {
      const systemd = await mockSystemd(bus, { units, files });
      const reasons = keepReasons(ledger);
      await withWatch(
        bus,
        ledger,
        [service(reloadAtMostMs)],
        async (watch) => {
          await sighted(watch, SOURCE);
          await body({ bus, ledger, systemd, watch, reasons });
        },
        { coalesceMs },
      );
    }),
  );
}

interface Setting {
  units: MockUnit[];
  files: Record<string, string>;
  reloadAtMostMs: number | undefined;
  coalesceMs: number;
}

function service(reloadAtMostMs?: number) {
  const { units, ignore } = systemdOptions.parse({});
  return createSystemd({ units, ignore, ...(reloadAtMostMs === undefined ? {} : { reloadAtMostMs }) });
}

/** Reasons go into the payload, and not to who listens to the ledger: taken on their way to it. */
function keepReasons(ledger: TestLedger): string[] {
  const reasons: string[] = [];
  const { sink } = ledger.parts;
  const append: EventSink["append"] = (event) => {
    if (event.reason !== undefined) reasons.push(event.reason);
    return sink.append(event);
  };
  ledger.parts = { ...ledger.parts, sink: { room: () => sink.room(), append } };
  return reasons;
}

test("the first snapshot observes units and unit files, and not what is an alias, transient, ignored or only named", async (t) => {
  const units: MockUnit[] = [
    ...UNITS,
    ["getty@tty1.service", "Getty on tty1", "loaded", "active", "running"],
    ["modprobe@loop.service", "Load Kernel Module loop", "loaded", "inactive", "dead"],
    ["apt.timer", "Daily apt", "loaded", "active", "waiting"],
    ["nowhere.service", "nowhere.service", "not-found", "inactive", "dead"],
    ["broken.service", "broken.service", "bad-setting", "inactive", "dead"],
    ["crashed.service", "Crashed", "loaded", "failed", "failed"],
    ["run-u12.service", "/bin/sleep 1", "loaded", "active", "running"],
    ["var-lib-docker-overlay2-1-merged.mount", "/var/lib/docker", "loaded", "active", "mounted"],
    ["user@1000.service", "User Manager for UID 1000", "loaded", "active", "running"],
    ["sda.device", "A disk", "loaded", "active", "plugged"],
    ["srv-a\\x2db.mount", "/srv/a-b", "loaded", "active", "mounted"],
  ];
  const files = {
    ...FILES,
    "/lib/systemd/system/getty@.service": "enabled",
    "/lib/systemd/system/apt.timer": "enabled",
    "/lib/systemd/system/broken.service": "disabled",
    "/lib/systemd/system/crashed.service": "enabled-runtime",
    "/etc/systemd/system/web.service": "alias",
    "/run/systemd/transient/run-u12.service": "transient",
    "/lib/systemd/system/multi-user.target": "static",
  };
  const seen = async ({ ledger }: Scene) => {
    const events = ledger.events(SOURCE);
    assert.deepEqual(new Set(events.map(({ action, type }) => `${action} ${type}`)), new Set(["observed SystemdUnit"]));
    const found = Object.fromEntries(events.map(({ element, state }) => [element.slice("unit:".length), state]));
    assert.deepEqual(found, {
      "nginx.service": {
        ...{ active_state: "active", sub_state: "running", unit_file_state: "enabled" },
        description: "A high performance web server",
      },
      "backup.service": {
        ...{ active_state: "inactive", sub_state: "dead", unit_file_state: "static" },
        description: "Nightly backup",
      },
      "getty@tty1.service": { active_state: "active", sub_state: "running", description: "Getty on tty1" },
      "getty@.service": { unit_file_state: "enabled" },
      "apt.timer": { active_state: "active", unit_file_state: "enabled", description: "Daily apt" },
      "broken.service": {
        ...{ active_state: "inactive", sub_state: "dead", unit_file_state: "disabled" },
        load_state: "bad-setting",
      },
      "crashed.service": {
        ...{ active_state: "failed", sub_state: "failed", result: "exit-code", unit_file_state: "enabled-runtime" },
        description: "Crashed",
      },
      "srv-a\\x2db.mount": { active_state: "active", description: "/srv/a-b" },
    });
  };
  await withSystemd(t, seen, { units, files });
});

test("a restart of a service is three events, whatever systemd repeats", async (t) => {
  await withSystemd(t, async ({ ledger, systemd }) => {
    await systemd.say(
      ["nginx.service", "active", "running"],
      ["nginx.service", "deactivating", "stop-sigterm"],
      ["nginx.service", "inactive", "dead"],
      ["nginx.service", "inactive", "dead"],
      ["nginx.service", "active", "running"],
      ["nginx.service", "active", "running"],
    );
    const started = await eventOf(ledger, NGINX, "started");
    assert.deepEqual(actionsOf(ledger, NGINX), ["observed", "stopping", "stopped", "started"]);
    assert.deepEqual(started.state, ledger.events(NGINX)[0]?.state);
    assert.equal(started.actor, "unknown");
    const [, stopping, stopped] = ledger.events(NGINX).map(({ state }) => state);
    assert.deepEqual([stopping?.active_state, stopping?.sub_state], ["deactivating", "stop-sigterm"]);
    assert.deepEqual([stopped?.active_state, stopped?.unit_file_state], ["inactive", "enabled"]);
  });
});

test("a service that fails and is tried again is failed, then started", async (t) => {
  const seen = async ({ ledger, systemd, reasons }: Scene) => {
    for (const [result, status] of [["exit-code", 3] as const, ["signal", 9] as const]) {
      await systemd.say(
        ["nginx.service", "failed", "failed", result, status],
        ["nginx.service", "activating", "auto-restart", result, status],
        ["nginx.service", "inactive", "dead"],
        ["nginx.service", "active", "running"],
      );
    }
    await until("two starts", () => actionsOf(ledger, NGINX).filter((action) => action === "started").length === 2);
    assert.deepEqual(actionsOf(ledger, NGINX), ["observed", "failed", "started", "failed", "started"]);
    const [, first, , second] = ledger.events(NGINX);
    assert.deepEqual([first?.state.result, second?.state.result], ["exit-code", "signal"]);
    assert.equal(ledger.events(NGINX).at(-1)?.state.result, undefined);
    assert.deepEqual(reasons, [
      "exit-code: the main process exited with status 3",
      "signal: the main process was ended by SIGKILL",
    ]);
  };
  await withSystemd(t, seen, { coalesceMs: LONG_MS });
});

test("an older systemd says auto-restart without failed before it", async (t) => {
  const seen = async ({ ledger, systemd }: Scene) => {
    await systemd.say(["nginx.service", "activating", "auto-restart", "exit-code", 1]);
    await systemd.say(["nginx.service", "inactive", "dead"], ["nginx.service", "active", "running"]);
    await eventOf(ledger, NGINX, "started");
    assert.deepEqual(actionsOf(ledger, NGINX), ["observed", "failed", "started"]);
    assert.equal(ledger.events(NGINX)[1]?.state.result, "exit-code");
  };
  await withSystemd(t, seen, { coalesceMs: LONG_MS });
});

test("a reload is one event, and a reload that failed says so", async (t) => {
  await withSystemd(t, async ({ ledger, systemd }) => {
    await systemd.say(["nginx.service", "reloading", "reload"], ["nginx.service", "active", "running"]);
    const { state } = await eventOf(ledger, NGINX, "reloaded");
    assert.deepEqual(state, ledger.events(NGINX)[0]?.state);
    await systemd.reloadResult("exit-code");
    await systemd.say(["nginx.service", "reloading", "reload"], ["nginx.service", "active", "running"]);
    await eventOf(ledger, NGINX, "reload_failed");
    assert.deepEqual(actionsOf(ledger, NGINX), ["observed", "reloaded", "reload_failed"]);
  });
});

test("a job that runs well is no event; each failure is one, and so is its end", async (t) => {
  await withSystemd(t, async ({ ledger, systemd }) => {
    const run: [string, string, string] = ["backup.service", "activating", "start"];
    await systemd.say(run, ["backup.service", "inactive", "dead"]);
    await systemd.say(run, ["backup.service", "failed", "failed", "timeout"]);
    await systemd.say(run, ["backup.service", "failed", "failed", "exit-code", 2]);
    await systemd.say(run, ["backup.service", "inactive", "dead"]);
    const { state } = await eventOf(ledger, "unit:backup.service", "cleared");
    assert.deepEqual(actionsOf(ledger, "unit:backup.service"), ["observed", "failed", "failed", "cleared"]);
    assert.deepEqual(state, ledger.events("unit:backup.service")[0]?.state);
  });
});

test("what sockets, timers and kept services do while they are active is no event", async (t) => {
  const units: MockUnit[] = [
    ["web.socket", "Web socket", "loaded", "active", "listening"],
    ["apt.timer", "Daily apt", "loaded", "active", "waiting"],
    ["kept.service", "Setup", "loaded", "active", "running"],
  ];
  const files = { "/e/web.socket": "enabled", "/e/apt.timer": "enabled", "/e/kept.service": "enabled" };
  const seen = async ({ ledger, systemd }: Scene) => {
    await systemd.say(["web.socket", "active", "running"], ["apt.timer", "active", "running"]);
    await systemd.say(["web.socket", "active", "listening"], ["apt.timer", "active", "waiting"]);
    await systemd.say(["kept.service", "active", "exited"], ["apt.timer", "inactive", "dead"]);
    await eventOf(ledger, "unit:apt.timer", "stopped");
    assert.deepEqual(actionsOf(ledger, "unit:web.socket"), ["observed"]);
    assert.deepEqual(actionsOf(ledger, "unit:apt.timer"), ["observed", "stopped"]);
    assert.deepEqual(actionsOf(ledger, "unit:kept.service"), ["observed", "exited"]);
  };
  await withSystemd(t, seen, { units, files });
});

test("a unit without a file is gone once it has ended", async (t) => {
  await withSystemd(t, async ({ ledger, systemd }) => {
    await systemd.say(["mnt-usb.mount", "activating", "mounting"], ["mnt-usb.mount", "active", "mounted"]);
    await systemd.say(["mnt-usb.mount", "deactivating", "unmounting"], ["mnt-usb.mount", "inactive", "dead"]);
    const { state } = await eventOf(ledger, "unit:mnt-usb.mount", "stopped");
    assert.deepEqual(state, {});
    assert.deepEqual(actionsOf(ledger, "unit:mnt-usb.mount"), ["started", "stopping", "stopped"]);
  });
});

test("a mount made by hand is asked for, and a service that is only loaded is not", async (t) => {
  await withSystemd(t, async ({ ledger, systemd }) => {
    await systemd.appear(["web.service", "A unit that someone looked at", "loaded", "inactive", "dead"]);
    await systemd.appear(["run-user-0.mount", "Ignored", "loaded", "active", "mounted"]);
    await systemd.appear(["mnt-a\\x2db.mount", "A disk", "loaded", "active", "mounted"]);
    const { state } = await eventOf(ledger, "unit:mnt-a\\x2db.mount", "started");
    assert.deepEqual(state, { active_state: "active", description: "A disk" });
    assert.equal(await systemd.lists(), 2);
    await systemd.say(["mnt-a\\x2db.mount", "inactive", "dead"]);
    await eventOf(ledger, "unit:mnt-a\\x2db.mount", "stopped");
    assert.deepEqual(actionsOf(ledger, SOURCE), ["observed", "observed", "started", "stopped"]);
  });
});

test("of a swap's several names the one that counts is recorded", async (t) => {
  await withSystemd(t, async ({ ledger, systemd }) => {
    await systemd.appear(["dev-sdb1.swap", "Swap", "loaded", "active", "active"]);
    await eventOf(ledger, "unit:dev-sdb1.swap", "observed");
    await systemd.say(["dev-sdb1.swap", "inactive", "dead"]);
    const { state } = await eventOf(ledger, "unit:dev-sdb1.swap", "stopped");
    assert.deepEqual(state, {});
  });
});

test("a reload of systemd in which nothing changed is no event, and its end is looked at once", async (t) => {
  await withSystemd(t, async ({ ledger, systemd, watch }) => {
    await systemd.reloading(true);
    // As systemd does it: every unit is unloaded, loaded, and told of again.
    await systemd.say(["nginx.service", "inactive", "dead"], ["nginx.service", "active", "running"]);
    await systemd.reloading(false);
    await until("the units are listed again", async () => (await systemd.lists()) === 2);
    await systemd.say(["backup.service", "failed", "failed", "timeout"]);
    await eventOf(ledger, "unit:backup.service", "failed");
    assert.deepEqual(actionsOf(ledger, SOURCE), ["observed", "observed", "failed"]);
    assert.equal(serviceState(watch, SOURCE).gaps, 0);
  });
});

test("what changed while systemd was reloaded is found, also when the end of the reload is not told", async (t) => {
  const seen = async ({ ledger, systemd }: Scene) => {
    // Both without a signal, and before it is told of the reload: it waits only so long for the end.
    await systemd.setUnit(["nginx.service", "A high performance web server", "loaded", "inactive", "dead"]);
    await systemd.setFiles({ ...FILES, "/etc/systemd/system/new.service": "disabled" }, false);
    await systemd.reloading(true);
    await eventOf(ledger, NGINX, "stopped");
    const { state } = await eventOf(ledger, "unit:new.service", "observed");
    assert.deepEqual(state, { active_state: "inactive", sub_state: "dead", unit_file_state: "disabled" });
    await systemd.say(["nginx.service", "active", "running"]);
    await eventOf(ledger, NGINX, "started");
  };
  await withSystemd(t, seen, { reloadAtMostMs: 300 });
});

test("enabled, disabled, masked, unmasked, removed and added: unit files as they change", async (t) => {
  await withSystemd(t, async ({ ledger, systemd }) => {
    const path = "/lib/systemd/system/nginx.service";
    const steps: [state: string | undefined, action: string][] = [
      ["disabled", "disabled"],
      ["enabled", "enabled"],
      ["masked", "masked"],
      ["disabled", "unmasked"],
      ["linked", "changed"],
      [undefined, "removed"],
      ["static", "added"],
    ];
    await systemd.say(["nginx.service", "deactivating", "stop"], ["nginx.service", "inactive", "dead"]);
    await eventOf(ledger, NGINX, "stopped");
    for (const [state, action] of steps) {
      const { [path]: _, ...others } = FILES;
      await systemd.setFiles(state === undefined ? others : { ...others, [path]: state });
      const { state: recorded } = await eventOf(ledger, NGINX, action);
      assert.equal(recorded.unit_file_state, state);
    }
    const actions = steps.map(([, action]) => action);
    assert.deepEqual(actionsOf(ledger, NGINX), ["observed", "stopping", "stopped", ...actions]);
  });
});

test("after a restart of the source only what differs is written, and a unit on its way is what it was", async (t) => {
  if (!(await requireMocks(t))) return;
  await withBus((bus) =>
    withLedger(async (ledger) => {
      const systemd = await mockSystemd(bus, { units: UNITS, files: FILES });
      await withWatch(bus, ledger, [service()], (watch) => sighted(watch, SOURCE));
      await systemd.setUnit(["nginx.service", "nginx.service", "loaded", "reloading", "reload"]);
      await systemd.setUnit(["backup.service", "Nightly backup", "loaded", "activating", "start"]);
      await ledger.restart();
      await withWatch(bus, ledger, [service()], async (watch) => {
        await sighted(watch, SOURCE);
        assert.deepEqual(actionsOf(ledger, SOURCE), ["observed", "observed", "gap"]);
        await systemd.say(["nginx.service", "active", "running"], ["backup.service", "failed", "failed", "timeout"]);
        await eventOf(ledger, "unit:backup.service", "failed");
        assert.deepEqual(actionsOf(ledger, NGINX), ["observed", "reloaded"]);
      });
      await systemd.setUnit(["nginx.service", "A high performance web server", "loaded", "failed", "failed"]);
      await withWatch(bus, ledger, [service()], (watch) => sighted(watch, SOURCE));
      assert.deepEqual(actionsOf(ledger, NGINX), ["observed", "reloaded", "failed"]);
      assert.deepEqual(actionsOf(ledger, "unit:backup.service"), ["observed", "failed"]);
    }),
  );
});

test("when the bus dies, a gap is written, and what happened meanwhile is found when it is back", async (t) => {
  await withSystemd(t, async ({ bus, ledger, watch }) => {
    await bus.kill();
    await away(watch, SOURCE);
    await bus.restart();
    const systemd = await mockSystemd(bus, {
      units: [
        ["nginx.service", "A high performance web server", "loaded", "failed", "failed"],
        ["ssh.service", "OpenSSH server", "loaded", "active", "running"],
      ],
      files: { ...FILES, "/lib/systemd/system/ssh.service": "enabled" },
    });
    await sighted(watch, SOURCE);
    const found = ledger.events().slice(2);
    assert.deepEqual(
      found.map(({ element, action }) => `${element} ${action}`),
      [`source:${SOURCE} gap`, `${NGINX} failed`, "unit:ssh.service observed"],
    );
    assert.equal(found[1]?.state.result, "exit-code");
    // It has subscribed anew: without that there were no more signals.
    await systemd.say(["ssh.service", "deactivating", "stop-sigterm"], ["ssh.service", "inactive", "dead"]);
    await eventOf(ledger, "unit:ssh.service", "stopped");
  });
});

test("when systemd leaves the bus and comes back, there is a gap and nothing that did not change", async (t) => {
  await withSystemd(t, async ({ bus, ledger, systemd, watch }) => {
    await systemd.stop();
    await away(watch, SOURCE);
    const again = await mockSystemd(bus, { units: UNITS, files: FILES });
    await sighted(watch, SOURCE);
    assert.deepEqual(actionsOf(ledger, SOURCE), ["observed", "observed", "gap"]);
    await again.say(["nginx.service", "deactivating", "stop-sigterm"]);
    await eventOf(ledger, NGINX, "stopping");
  });
});

test("a signal that someone else sends in systemd's name is dropped and counted", async (t) => {
  await withSystemd(t, async ({ bus, ledger, systemd, watch }) => {
    const us = await ownName(bus);
    const manager = "org.freedesktop.systemd1.Manager";
    // Believed, it would silence every unit.
    await bus.send(
      `--dest=${us}`,
      "--type=signal",
      "/org/freedesktop/systemd1",
      `${manager}.Reloading`,
      "boolean:true",
    );
    const properties = "org.freedesktop.DBus.Properties";
    const changed = [
      "sa{sv}as",
      "org.freedesktop.systemd1.Unit",
      "2",
      "ActiveState",
      "s",
      "failed",
      "SubState",
      "s",
      "failed",
      "0",
    ];
    const unit = "/org/freedesktop/systemd1/unit/nginx_2eservice";
    const emit = ["emit", `--destination=${us}`, unit, properties, "PropertiesChanged", ...changed];
    await execa("busctl", [`--address=${bus.address}`, ...emit], { stdin: "ignore" });
    await until("both have arrived", () => watch.state().forged === 2);
    await systemd.say(["nginx.service", "deactivating", "stop-sigterm"], ["nginx.service", "inactive", "dead"]);
    await eventOf(ledger, NGINX, "stopped");
    assert.deepEqual(actionsOf(ledger, NGINX), ["observed", "stopping", "stopped"]);
    assert.deepEqual(serviceState(watch, SOURCE).dropped, { forged: 2 });
  });
});

/** The unique name of this process, which has one connection to the bus. */
async function ownName(bus: TestBus): Promise<string> {
  const daemon = ["org.freedesktop.DBus", "/org/freedesktop/DBus"] as const;
  const names = (await bus.call(...daemon, "org.freedesktop.DBus.ListNames")).match(/:\d+\.\d+/g) ?? [];
  for (const name of names) {
    const pid = await bus.call(...daemon, "org.freedesktop.DBus.GetConnectionUnixProcessID", name).catch(() => "");
    if (pid.includes(` ${process.pid},`)) return name;
  }
  throw new Error("this process is not on the bus");
}
