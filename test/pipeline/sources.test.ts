// Requirement 4.1 from end to end: what changes on a host, seen by the primary itself, is with the replica. The services
// are mocks on a private bus, Open vSwitch's database is a real one.
import assert from "node:assert/strict";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { AskError, askSocket, pathWith } from "../../shared/cli/ask-socket.js";
import { variant } from "../../shared/dbus/variant.js";
import type { EventSummary } from "../../shared/query/query-context.js";
import { mockMachined, startMachine, stopMachine } from "../primary/sources/dbus/machine1/mock-machined.js";
import {
  CONNECTED,
  DEVICE,
  DISCONNECTED,
  withNetworkManager,
} from "../primary/sources/dbus/network-manager/mock-network-manager.js";
import { type MockUnit, mockSystemd } from "../primary/sources/dbus/systemd/mock-systemd.js";
import { requireMocks } from "../primary/sources/dbus/with-watch.js";
import { OpenVswitch, OVSDB_SERVER } from "../primary/sources/ovsdb/open-vswitch.js";
import { eventually, expectConverged, mustRun, primaryStatus, QUIET, seal } from "../support/drive-fleet.js";
import { ROOT, requirePart } from "../support/require-part.js";
import { type Fleet, withFleet } from "../support/start-fleet.js";
import { type TestBus, withBus } from "../support/with-bus.js";

interface Host {
  bus: TestBus;
  vswitch: OpenVswitch;
  fleet: Fleet;
  /** A folder whose files are watched. */
  etc: string;
}

const FILES = "etc";
const PATIENCE_MS = 60_000;

async function withHost(body: (host: Host) => Promise<void>): Promise<void> {
  await withBus(async (bus) => {
    const vswitch = new OpenVswitch(bus.folder);
    const etc = join(bus.folder, FILES);
    await mkdir(etc);
    await vswitch.start();
    try {
      const sources = { dbus: { coalesce_ms: 20 }, ovsdb: { socket: vswitch.socket }, files: { watch: [`${etc}/**`] } };
      const primary = { ...QUIET, dbus: { address: bus.address }, sources };
      await withFleet({ primary }, (fleet) => body({ bus, vswitch, fleet, etc }));
    } finally {
      await vswitch.stop();
    }
  });
}

/** Waits until the source has compared the present with the ledger, and nothing is on its way. */
async function sighted(fleet: Fleet, ...sources: string[]): Promise<void> {
  for (const source of sources) {
    const state = async () => {
      const { sources: all } = await primaryStatus(fleet);
      const services = all.dbus?.services as Record<string, { watching: boolean; present: boolean }>;
      return services[source] ?? all[source];
    };
    await eventually(
      async () => {
        const now = await state();
        return now?.watching === true && now.present !== false;
      },
      () => `${source} is not watched`,
    );
  }
}

/** Actions of an element in order, as the replica tells them; none of one that it does not know. */
async function actionsOn(fleet: Fleet, element: string): Promise<string[]> {
  const path = pathWith("/v1/timeline", { element, limit: 1000 });
  const ask = askSocket<{ results: EventSummary[] }>({ socketPath: fleet.replica.socket("query"), path });
  const { results } = await ask.catch((error: unknown) => {
    if (error instanceof AskError && error.problem?.code === "unknown-element") return { results: [] };
    throw error;
  });
  return results.map(({ action }) => action);
}

/** Waits until the ledger has these actions of each element and nothing comes any more, and the replica too. */
async function arrive(fleet: Fleet, wanted: Record<string, string[]>): Promise<void> {
  const now: Record<string, string[]> = {};
  for (const endMs = performance.now() + PATIENCE_MS; performance.now() < endMs; ) {
    await seal(fleet, { force: true });
    await expectConverged(fleet);
    for (const element of Object.keys(wanted)) now[element] = await actionsOn(fleet, element);
    if (isDeepStrictEqual(now, wanted)) return;
  }
  assert.deepEqual(now, wanted);
}

/** Whole from the first moment: half a file may be seen and told. */
async function putFile(path: string, text: string): Promise<void> {
  const made = join(dirname(dirname(path)), "made");
  await writeFile(made, text);
  await rename(made, path);
}

function nginx(active: string, sub: string) {
  const files = { "/lib/systemd/system/nginx.service": "enabled" };
  return { units: [["nginx.service", "Web", "loaded", active, sub] as MockUnit], files };
}

const MOCKED = ["dbus:NetworkManager", "dbus:machine1", "dbus:systemd1"];

test("requirement 4.1: NetworkManager, OVS, containers, units and files reach the replica by themselves", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, OVSDB_SERVER)) || !(await requirePart(t, ROOT))) return;
  await withHost(async ({ bus, vswitch, fleet, etc }) => {
    await withNetworkManager(bus, async (network) => {
      const systemd = await mockSystemd(bus, nginx("active", "running"));
      await mockMachined(bus, { name: "db" });
      await sighted(fleet, ...MOCKED, "ovsdb", "files");

      const device = await network.ethernet("eth1", DISCONNECTED);
      // What it is when it is read for the first time is what it is added as.
      await arrive(fleet, { "interface:eth1": ["added"] });
      await network.update(device, DEVICE, { State: variant("u", CONNECTED) });
      await network.stateChanged(device, CONNECTED, DISCONNECTED, 0);
      await vswitch.vsctl("add-br", "ovsbr1");
      await vswitch.vsctl("add-port", "ovsbr1", "vi101", "tag=10");
      await startMachine(bus, { name: "web-1" });
      await stopMachine(bus, "web-1");
      await systemd.say(
        ["nginx.service", "deactivating", "stop-sigterm"],
        ["nginx.service", "inactive", "dead"],
        ["nginx.service", "active", "running"],
      );
      await putFile(join(etc, "hosts"), "127.0.0.1 localhost\n");

      await arrive(fleet, {
        "interface:eth1": ["added", "connected"],
        "ovs-bridge:ovsbr1": ["created", "modified"],
        "ovs-port:vi101": ["created"],
        "machine:db": ["observed"],
        "machine:web-1": ["started", "stopped"],
        "unit:nginx.service": ["observed", "stopping", "stopped", "started"],
        [`file:${etc}/hosts`]: ["created"],
      });
      await systemd.stop();
    });
    await mustRun(fleet.replica, "verify");
  });
});

test("a bus that dies is a gap, then the truth, and the daemon and its other sources go on", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, OVSDB_SERVER)) || !(await requirePart(t, ROOT))) return;
  await withHost(async ({ bus, vswitch, fleet }) => {
    await mockSystemd(bus, nginx("active", "running"));
    await sighted(fleet, "dbus:systemd1", "ovsdb");
    await bus.kill();
    await vswitch.vsctl("add-br", "ovsbr1");
    await bus.restart();
    await mockSystemd(bus, nginx("failed", "failed"));
    await sighted(fleet, "dbus:systemd1");
    await arrive(fleet, {
      "unit:nginx.service": ["observed", "failed"],
      "source:dbus:systemd1": ["gap"],
      "ovs-bridge:ovsbr1": ["created"],
    });
    await mustRun(fleet.replica, "verify");
  });
});

test("what changed while the primary was down is told after its start, and nothing else", async (t) => {
  if (!(await requireMocks(t)) || !(await requirePart(t, OVSDB_SERVER)) || !(await requirePart(t, ROOT))) return;
  await withHost(async ({ vswitch, fleet, etc }) => {
    await sighted(fleet, "ovsdb", "files");
    await putFile(join(etc, "motd"), "hello\n");
    await vswitch.vsctl("add-br", "ovsbr1");
    await arrive(fleet, { [`file:${etc}/motd`]: ["created"], "ovs-bridge:ovsbr1": ["created"] });
    await fleet.primary.daemon.stop();
    await writeFile(join(etc, "motd"), "changed\n");
    await fleet.primary.daemon.start();
    await sighted(fleet, "ovsdb", "files");
    await arrive(fleet, {
      [`file:${etc}/motd`]: ["created", "modified"],
      "source:files": ["gap"],
      "source:ovsdb": ["gap"],
      "ovs-bridge:ovsbr1": ["created"],
    });
    await mustRun(fleet.replica, "verify");
  });
});
