// `isochron-primary watch` as users run it, against a real daemon.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ControlServer } from "../../../primary/control/control-server.js";
import { ingest, primaryStatus, QUIET, someEvents } from "../../support/drive-fleet.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { runCli } from "../../support/run-cli.js";
import { RunningCommand } from "../../support/running-command.js";
import { makeFleet } from "../../support/start-fleet.js";
import { until } from "../../support/until.js";
import { withFolder } from "../../support/with-folder.js";
import { appendMany, withBus } from "../bus/bus-ledger.js";

const runWatch = (...args: string[]) => new RunningCommand("primary", ["watch", ...args]);

describe("watch", () => {
  test("shows history, then what comes, as lines for people or as JSON, and ends cleanly with the primary", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const fleet = await makeFleet({ volume: "256M", primary: QUIET });
    const running: RunningCommand[] = [];
    const watch = (...args: string[]) => {
      const process = runWatch(...args, "--config", fleet.primary.configPath);
      running.push(process);
      return process;
    };
    try {
      await fleet.primary.daemon.start();
      const before = await ingest(fleet, someEvents(8));
      const all = watch("--from-start-of-history", "--json");
      const people = watch("--from-start-of-history", "--element", "*:eth1", "--type", "NetworkInterface");
      const live = watch("--json");
      await until(() => all.lines().length === 8 && people.lines().length === 2);
      let subscribers = 0;
      while (subscribers < 3) subscribers = (await primaryStatus(fleet)).bus.subscribers.length;
      const after = await ingest(fleet, someEvents(4));
      await until(() => all.lines().length === 12 && people.lines().length === 3 && live.lines().length === 4);
      const seen = all.lines().map((line) => JSON.parse(line) as { seq: number; hash: string });
      assert.deepEqual(
        seen.map(({ seq, hash }) => ({ seq, hash })),
        [...before, ...after],
      );
      assert.match(
        people.lines()[0] as string,
        /^ +1 {2}\d{4}-.*Z {2}low {7}modified {2}interface:eth1 {2}NetworkInterface {2}by admin$/,
      );

      live.child.kill("SIGINT");
      assert.equal(await live.ended, 0, live.stderr);
      assert.equal(live.stderr, "");
      await fleet.primary.daemon.stop();
      for (const ended of [all, people]) {
        assert.equal(await ended.ended, 0, ended.stderr);
        assert.match(ended.stderr, /the primary has ended the stream/);
      }
    } finally {
      for (const { child } of running) child.kill("SIGKILL");
      await fleet.stop();
    }
  });

  test("says how many events it could not show, ends with a reader that goes away, and shows no control characters", () =>
    withFolder((root) =>
      withBus(async ({ bus }) => {
        await mkdir(join(root, "run"));
        const refuse = () => Promise.reject(new Error("not asked for"));
        const orders = { resync: refuse, pause: refuse, resume: refuse, drain: refuse };
        const fills = { reembed: refuse, hold: refuse };
        const control = new ControlServer({
          seal: refuse,
          orders,
          fills,
          keys: { rotate: refuse },
          status: refuse,
          metrics: refuse,
          events: bus,
        });
        await control.start(join(root, "run", "control.sock"));
        const running = [runWatch("--root", root), runWatch("--root", root)] as const;
        const [slow, gone] = running;
        try {
          await until(() => bus.state().subscribers.length === 2);
          slow.child.stdout?.pause();
          gone.child.stdout?.destroy();
          for (let round = 0; round < 60; round += 1) {
            await appendMany(bus, 500, { stateJson: JSON.stringify("x".repeat(2000)), actor: "a\u202eb" });
          }
          assert.equal(await gone.ended, 0);
          await until(() => bus.state().subscribers.length === 1);
          assert.ok((bus.state().subscribers[0]?.lost ?? 0) > 0);
          slow.child.stdout?.resume();
          await until(() => /^ +29999 /.test(slow.lines().at(-1) ?? ""));
          assert.match(slow.stderr, /^\d+ events not shown \(\d+ to \d+\)/);
          assert.ok(!slow.stdout.includes("\u202e"));
        } finally {
          for (const { child } of running) child.kill("SIGKILL");
          await control.stop();
        }
      }),
    ));

  test("says that nobody listens, and how to start what should", () =>
    withFolder(async (root) => {
      const { exitCode, stderr } = await runCli("primary", ["watch", "--root", root]);
      assert.equal(exitCode, 1);
      assert.match(stderr, /nobody listens on .*control\.sock\nhint: .*isochron-primary serve --root/);
    }));
});
