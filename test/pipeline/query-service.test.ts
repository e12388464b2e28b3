// Queries without privileges: a replica whose questions are answered by a service of another user, from the generations that
// a real primary pushes.
import assert from "node:assert/strict";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { askSocket } from "../../shared/cli/ask-socket.js";
import type { EngineStatus } from "../../shared/query/engine.js";
import type { AnsweredBy } from "../../shared/query/start-queries.js";
import { RootLayout } from "../../shared/store/layout.js";
import {
  eventually,
  expectConverged,
  ingest,
  mustRun,
  primaryStatus,
  seal,
  someEvents,
  storeOf,
} from "../support/drive-fleet.js";
import { asQueryUser, makeQueryService, QUERY_USER, READABLE_CHECKOUT } from "../support/query-service.js";
import { program, ROOT, requirePart } from "../support/require-part.js";
import { DaemonProcess } from "../support/start-daemon.js";
import { bothAnswer, type Fleet, makeFleet, replicaAnswers } from "../support/start-fleet.js";
import { withBus } from "../support/with-bus.js";

const WITH_SERVICE = { query: { user: QUERY_USER.name } };

async function queriesOf(fleet: Fleet): Promise<AnsweredBy & { by: "service" }> {
  const { queries } = JSON.parse(await mustRun(fleet.replica, "status", "--json")) as { queries: AnsweredBy };
  assert.equal(queries.by, "service");
  return queries as AnsweredBy & { by: "service" };
}

async function isConnected(fleet: Fleet, wanted: boolean): Promise<void> {
  await eventually(
    async () => (await queriesOf(fleet)).connected === wanted,
    () => `the service is ${wanted ? "not " : ""}connected\n${fleet.replica.daemon.log}`,
  );
}

const engineStatus = (fleet: Fleet) =>
  askSocket<EngineStatus>({ socketPath: fleet.replica.socket("query"), path: "/v1/status" });

async function commandsUnder(pid: number): Promise<string[]> {
  const pids = await readdir("/proc");
  const found = await Promise.all(
    pids.map(async (one) => {
      const status = await readFile(`/proc/${one}/status`, "utf8").catch(() => "");
      return status.includes(`PPid:\t${pid}\n`) ? readFile(`/proc/${one}/cmdline`, "utf8").catch(() => "") : "";
    }),
  );
  return found.filter((command) => command !== "");
}

test("a service of another user answers from what is pushed, whichever side starts or dies first", async (t) => {
  if (!(await requirePart(t, ROOT)) || !(await requirePart(t, READABLE_CHECKOUT))) return;
  const fleet = await makeFleet({ replica: WITH_SERVICE });
  const service = await makeQueryService(fleet, "replica");
  try {
    // Nothing is there yet but an empty root that is closed to it.
    await service.start();
    assert.equal((await engineStatus(fleet)).feed?.connected, false);
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    await isConnected(fleet, true);
    await ingest(fleet, someEvents(10));
    await seal(fleet);
    await replicaAnswers(fleet, 11);
    assert.deepEqual(
      (await commandsUnder(fleet.replica.daemon.pid)).filter((command) => command.includes("query-main")),
      [],
    );
    assert.match(await mustRun(fleet.replica, "metrics"), /^isochron_query_service_connected\{[^}]*\} 1$/m);

    await service.kill();
    await isConnected(fleet, false);
    assert.match(await mustRun(fleet.replica, "metrics"), /^isochron_query_service_connected\{[^}]*\} 0$/m);
    for (let i = 0; i < 5; i += 1) {
      await ingest(fleet, someEvents(2, `storm${i}`));
      await seal(fleet);
    }
    await service.start();
    await replicaAnswers(fleet, 26);

    await fleet.replica.daemon.kill();
    await eventually(
      async () => (await engineStatus(fleet)).feed?.connected === false,
      () => `the service still takes the dead daemon for connected\n${service.log}`,
    );
    assert.equal((await engineStatus(fleet)).stores[0]?.size, 26);
    await fleet.replica.daemon.start();
    await ingest(fleet, someEvents(3, "after"));
    await seal(fleet);
    await expectConverged(fleet);
    // It may have found the generation by itself.
    await isConnected(fleet, true);
    assert.equal((await queriesOf(fleet)).pid, service.pid);
  } catch (error) {
    throw new Error(`${(error as Error).message}\nservice:\n${service.log}\nreplica:\n${fleet.replica.daemon.log}`);
  } finally {
    await service.stop();
    await fleet.stop();
  }
});

test("an index of root's is handed over as it is, and what else there is stays closed to the service", async (t) => {
  if (!(await requirePart(t, ROOT)) || !(await requirePart(t, READABLE_CHECKOUT))) return;
  const fleet = await makeFleet();
  const service = await makeQueryService(fleet, "replica");
  try {
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    await ingest(fleet, someEvents(10));
    await seal(fleet);
    await replicaAnswers(fleet, 11);
    const { catalog, dir, queryIndex, index, acceptedHead, staging } = await storeOf(fleet, "replica");
    const before = await stat(catalog);
    assert.equal(before.uid, 0);
    await fleet.replica.daemon.stop();
    await writeFile(
      fleet.replica.configPath,
      JSON.stringify({ root: fleet.replica.root, dbus: { enabled: false }, ...WITH_SERVICE }),
    );
    await fleet.replica.daemon.start();
    await service.start();
    await replicaAnswers(fleet, 11);
    const after = await stat(catalog);
    assert.deepEqual([after.uid, after.ino, after.birthtimeMs], [QUERY_USER.uid, before.ino, before.birthtimeMs]);

    const { keys, cosignKey, stores } = new RootLayout(fleet.replica.root);
    assert.equal((await stat(stores)).mode & 0o777, 0o750);
    assert.equal(await asQueryUser("test", "-w", queryIndex), 0);
    for (const path of [keys, cosignKey, staging]) assert.notEqual(await asQueryUser("ls", path), 0, path);
    for (const path of [stores, dir, index, acceptedHead, fleet.replica.root]) {
      assert.notEqual(await asQueryUser("test", "-w", path), 0, path);
    }
    assert.notEqual(await asQueryUser("touch", join(index, "heads.db")), 0);
    await ingest(fleet, someEvents(3));
    await seal(fleet);
    await expectConverged(fleet);
  } catch (error) {
    throw new Error(`${(error as Error).message}\nservice:\n${service.log}\nreplica:\n${fleet.replica.daemon.log}`);
  } finally {
    await service.stop();
    await fleet.stop();
  }
});

test("a primary under a narrow umask makes generations that services on both sides read, at sockets that systemd made", async (t) => {
  if (!(await requirePart(t, ROOT)) || !(await requirePart(t, READABLE_CHECKOUT))) return;
  if (!(await requirePart(t, program("systemd-socket-activate", "systemd")))) return;
  if (!(await requirePart(t, program("gdbus", "libglib2.0-bin")))) return;
  await withBus(async ({ address }) => {
    const fleet = await makeFleet({ primary: WITH_SERVICE, replica: { ...WITH_SERVICE, dbus: { address } } });
    const enter = ["sh", "-c", 'umask 077; exec "$@"', "sh"];
    const primary = new DaemonProcess("primary", ["--config", fleet.primary.configPath], { enter });
    const services = await Promise.all(
      (["primary", "replica"] as const).map((role) => makeQueryService(fleet, role, { byActivation: true })),
    );
    const monitor = execa("gdbus", ["monitor", "--address", address, "--dest", "dev.isochron.Replica1"], {
      reject: false,
      stdin: "ignore",
      buffer: false,
    });
    let heard = "";
    monitor.stdout.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
    });
    try {
      await fleet.replica.daemon.start();
      await eventually(
        async () => heard.includes("is owned by"),
        () => `nobody listens: ${heard}`,
      );
      await primary.start();
      // They start when the first of these asks.
      const started = Promise.all(services.map((service) => service.start()));
      await ingest(fleet, someEvents(10));
      await seal(fleet);
      await bothAnswer(fleet, 11);
      await started;
      for (const service of services) assert.match(service.log, /serving queries .*query=inherited/);
      await assertReadable(fleet, 1);
      await eventually(
        async () => /Replica1\.Applied \(uint64 10,\)/.test(heard),
        () => `Applied is not heard: ${heard}`,
      );
      let status = "";
      await eventually(
        async () => {
          status = await mustRun(fleet.primary, "status");
          return /queries +answered by the service of nobody, pid \d+/.test(status);
        },
        () => status,
      );

      // As releases before this one made them: the next start mends them, and an increment brings the modes.
      const { live } = await storeOf(fleet, "primary");
      await chmod(live.entriesSegment(0), 0o600);
      await ingest(fleet, someEvents(2, "closed"));
      await seal(fleet);
      await eventually(
        async () => /not answered yet .*EACCES/.test(fleet.replica.daemon.log),
        () => "the log does not say why it is not answered",
      );
      await primary.stop();
      await primary.start();
      await ingest(fleet, someEvents(2, "open"));
      await assertReadable(fleet, await seal(fleet));
      await expectConverged(fleet);
    } catch (error) {
      const logs = [primary, fleet.replica.daemon, ...services].map(({ log }) => log).join("\n--\n");
      throw new Error(`${(error as Error).message}\n${logs}`, { cause: error });
    } finally {
      monitor.kill();
      await Promise.all(services.map((service) => service.stop()));
      await primary.stop();
      await fleet.stop();
    }
  });
});

/** Every file of the replica's generation can be read by everyone who gets there. */
async function assertReadable(fleet: Fleet, generation: number): Promise<void> {
  await replicaAnswers(fleet, (await primaryStatus(fleet)).ledger.sealed);
  const { timing } = (await storeOf(fleet, "replica")).generation(generation);
  const names = await readdir(timing, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  assert.ok(files.length >= 4, files.join());
  for (const file of files) assert.equal((await stat(file)).mode & 0o777, 0o644, file);
}
