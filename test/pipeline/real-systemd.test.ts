import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { BusWatch } from "../../primary/sources/dbus/bus-watch.js";
import { systemdOptions } from "../../primary/sources/dbus/systemd/options.js";
import { createSystemd } from "../../primary/sources/dbus/systemd/systemd.js";
import type { Logger } from "../../shared/log.js";
import { actionsOf, eventOf, sighted, until, withWatch } from "../primary/sources/dbus/with-watch.js";
import { type TestLedger, withLedger } from "../support/with-ledger.js";
import { requireSystemd, type Systemd, withSystemd } from "../support/with-systemd.js";

const SOURCE = "dbus:systemd1";
/** As the daemon has it. */
const AS_IN_LIFE = { coalesceMs: 150 };

function unit(description: string, ...lines: string[]): string {
  const install = "[Install]\nWantedBy=isochron-test.target\n";
  return `[Unit]\nDescription=${description}\nDefaultDependencies=no\n[Service]\n${lines.join("\n")}\n${install}`;
}

const UNITS = {
  "web.service": unit("A web server", "ExecStart=/bin/sleep infinity", "ExecReload=/bin/true"),
  "job.service": unit("A job", "Type=oneshot", "ExecStart=/bin/sh -c '! test -e /run/job-fails'"),
  "flappy.service": unit(
    "A service that fails once",
    "ExecStart=/bin/sh -c 'test -e /run/well && exec sleep infinity; touch /run/well; exit 3'",
    ...["Restart=on-failure", "RestartSec=100ms"],
  ),
};

/** Counts how often the present was read. */
function countSnapshots(): { log: Logger; taken(): number } {
  let taken = 0;
  const silent = () => undefined;
  const debug = (message: string) => {
    if (message === "service snapshot") taken += 1;
  };
  return { log: { debug, info: silent, warn: silent, error: silent }, taken: () => taken };
}

test("what happens to the units of a real systemd is in the ledger, once and in order", async (t) => {
  if (!(await requireSystemd(t))) return;
  const { log, taken } = countSnapshots();
  const body = async (systemd: Systemd, ledger: TestLedger, watch: BusWatch) => {
    await sighted(watch, SOURCE);
    const observed = ledger.events(SOURCE).length;
    assert.ok(observed > 20, "the machine's own units");
    assert.deepEqual(new Set(actionsOf(ledger, SOURCE)), new Set(["observed"]));
    await handleWeb(systemd, ledger, taken);
    await failJobs(systemd, ledger);
    await mountByHand(systemd, ledger);
    expectOnlyThat(ledger, observed);
  };
  await withSystemd(UNITS, (systemd) =>
    withLedger(
      (ledger) => withWatch(systemd, ledger, [service()], (watch) => body(systemd, ledger, watch), AS_IN_LIFE),
      log,
    ),
  );
});

async function handleWeb(systemd: Systemd, ledger: TestLedger, taken: () => number): Promise<void> {
  await systemd.systemctl("start", "web.service");
  assert.deepEqual((await eventOf(ledger, "unit:web.service", "started")).state, {
    ...{ active_state: "active", sub_state: "running", unit_file_state: "disabled" },
  });
  await systemd.systemctl("restart", "web.service");
  await systemd.systemctl("reload", "web.service");
  await eventOf(ledger, "unit:web.service", "reloaded");
  const before = taken();
  await systemd.systemctl("daemon-reload");
  await until("the units were compared after the reload", () => taken() > before);
  await systemd.systemctl("enable", "web.service");
  const { state } = await eventOf(ledger, "unit:web.service", "enabled");
  assert.deepEqual([state.unit_file_state, state.description], ["enabled", "A web server"]);
  await systemd.systemctl("disable", "web.service");
  await eventOf(ledger, "unit:web.service", "disabled");
  await systemd.systemctl("mask", "web.service");
  await eventOf(ledger, "unit:web.service", "masked");
  // After changes of unit files there may be another comparison, a second later; what happens until then is found by it.
  for (let comparisons = -1; comparisons !== taken(); await sleep(2000)) comparisons = taken();
  await systemd.systemctl("stop", "web.service");
}

async function failJobs(systemd: Systemd, ledger: TestLedger): Promise<void> {
  await systemd.systemctl("start", "job.service");
  await systemd.run("touch", "/run/job-fails");
  assert.notEqual((await systemd.run("systemctl", "start", "job.service")).exitCode, 0);
  assert.equal((await eventOf(ledger, "unit:job.service", "failed")).state.result, "exit-code");
  await systemd.systemctl("reset-failed", "job.service");
  await eventOf(ledger, "unit:job.service", "cleared");
  await systemd.systemctl("start", "flappy.service");
  await until("it is up again", () => actionsOf(ledger, "unit:flappy.service").length >= 4);
}

async function mountByHand(systemd: Systemd, ledger: TestLedger): Promise<void> {
  await systemd.run("mount", "-t", "tmpfs", "none", "/mnt");
  await eventOf(ledger, "unit:mnt.mount", "started");
  await systemd.run("umount", "/mnt");
  assert.deepEqual((await eventOf(ledger, "unit:mnt.mount", "stopped")).state, {});
}

/** Each unit's whole chain, and nothing of any unit that nobody touched. */
function expectOnlyThat(ledger: TestLedger, observed: number): void {
  const restart = ["stopping", "stopped", "started"];
  const files = ["enabled", "disabled", "masked"];
  const web = ["observed", "started", ...restart, "reloaded", ...files, "stopping", "stopped"];
  assert.deepEqual(actionsOf(ledger, "unit:web.service"), web);
  assert.deepEqual(actionsOf(ledger, "unit:job.service"), ["observed", "failed", "cleared"]);
  assert.deepEqual(actionsOf(ledger, "unit:flappy.service"), ["observed", "started", "failed", "started"]);
  const ours = /^unit:(?:(?:web|job|flappy)\.service|mnt\.mount)$/;
  const live = ledger.events(SOURCE).slice(observed);
  assert.deepEqual(
    live.filter(({ element }) => !ours.test(element)),
    [],
  );
}

test("a systemd that executes itself anew is a gap, and its units are what they were", async (t) => {
  if (!(await requireSystemd(t))) return;
  await withSystemd(UNITS, (systemd) =>
    withLedger(async (ledger) => {
      await withWatch(systemd, ledger, [service()], async (watch) => {
        await sighted(watch, SOURCE);
        const observed = ledger.events().length;
        await systemd.systemctl("daemon-reexec");
        await eventOf(ledger, `source:${SOURCE}`, "gap");
        await sighted(watch, SOURCE);
        await systemd.systemctl("start", "web.service");
        await eventOf(ledger, "unit:web.service", "started");
        assert.deepEqual(
          ledger
            .events()
            .slice(observed)
            .map(({ element, action }) => `${element} ${action}`),
          [`source:${SOURCE} gap`, "unit:web.service started"],
        );
      });
    }),
  );
});

function service() {
  const { units, ignore } = systemdOptions.parse({});
  return createSystemd({ units, ignore });
}
