// How daemons begin: alone on their root, with the events closed to other users, and ended when they cannot begin.
import assert from "node:assert/strict";
import { chmod, mkdir, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { RootLayout } from "../../shared/store/layout.js";
import { expectConverged, ingest, QUIET, seal, someEvents } from "../support/drive-fleet.js";
import { DaemonProcess } from "../support/start-daemon.js";
import { type Fleet, makeFleet } from "../support/start-fleet.js";

describe("a start", () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await makeFleet({ volume: "256M", primary: QUIET });
  });
  after(() => fleet?.stop());

  for (const role of ["primary", "replica"] as const) {
    test(`of a ${role} that fails half-way ends the process, and the next one goes well`, async () => {
      const { daemon, root } = fleet[role];
      // The last socket that it makes: everything before it is running by then.
      const obstacle = join(root, "run", role === "primary" ? "ingest.sock" : "agent.sock");
      await mkdir(obstacle, { recursive: true });
      await mkdir(join(obstacle, "in-the-way"));
      await assert.rejects(daemon.start(), new RegExp(`isochron-${role} ended \\(1\\)`));
      await rmdir(join(obstacle, "in-the-way"));
      await rmdir(obstacle);
      await daemon.start();
    });

    test(`of a second ${role} on one root is refused, whatever its sockets, and the first goes on`, async () => {
      const config = join(fleet.folder, `second-${role}.yaml`);
      const { root } = fleet[role];
      await writeFile(config, JSON.stringify({ root, run_dir: join(fleet.folder, `second-${role}`) }));
      const second = new DaemonProcess(role, ["--config", config]);
      await assert.rejects(second.start(), /another daemon serves .*\n.*hint: .*stop it first/s);
    });

    test(`of a ${role} closes its stores to other users, also where they were open before`, async () => {
      const { daemon, root } = fleet[role];
      const { stores } = new RootLayout(root);
      assert.equal((await stat(stores)).mode & 0o777, 0o700);
      await daemon.stop();
      await chmod(stores, 0o755);
      await daemon.start();
      assert.equal((await stat(stores)).mode & 0o777, 0o700);
    });
  }

  test("after all of it events go their way", async () => {
    await ingest(fleet, someEvents(5));
    await seal(fleet);
    await expectConverged(fleet);
  });
});
