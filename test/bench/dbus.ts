// The `dbus` bench: AddEvent against a bare echo service, signals that become acked events against a bare counter, and a
// storm of signals in one burst, in which each must be accounted for while memory stays bounded.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { PrimaryStatus } from "../../primary/answer-operator.js";
import { BusConnection, type OutgoingCall } from "../../shared/dbus/bus-connection.js";
import { primaryStatus, QUIET } from "../support/drive-fleet.js";
import { type Fleet, makeFleet } from "../support/start-fleet.js";
import { type TestBus, withBus } from "../support/with-bus.js";
import type { BenchRow } from "./bench-row.js";
import {
  ECHO_NAME,
  ECHO_PATH,
  EVENTS_OF_A_RESTART,
  MANAGER_PATH,
  NAME,
  SIGNALS_OF_A_RESTART,
  STORM_NAME,
  STORM_PATH,
} from "./dbus/bench-names.js";

const CALLS = 20_000;
const OUTSTANDING = 50;
const RESTARTS = 2000;
const STORM = 50_000;

const STORM_RULE = {
  name: "storm",
  sender: STORM_NAME,
  path_namespace: STORM_PATH,
  interface: STORM_NAME,
  member: "Changed",
  element: "thing:{path.last}",
  element_type: "Thing",
  action: "changed",
};

export async function benchDbus(): Promise<BenchRow[]> {
  return withBus(async (bus) => {
    const fleet = await makeFleet({
      volume: "4G",
      primary: { ...QUIET, dbus: { address: bus.address }, sources: sourcesOf() },
    });
    try {
      return await measure(bus, fleet);
    } finally {
      await fleet.stop();
    }
  });
}

function sourcesOf(): Record<string, unknown> {
  return {
    packages: { enabled: false },
    files: { enabled: false },
    ovsdb: { enabled: false },
    dbus: { rules: [STORM_RULE] },
  };
}

async function measure(bus: TestBus, fleet: Fleet): Promise<BenchRow[]> {
  const echo = await startHelper("echo-service.js", bus);
  const emitter = await startHelper("emit-signals.js", bus);
  try {
    const echoed = await callsPerSecond(bus, {
      ...{ destination: ECHO_NAME, path: ECHO_PATH, interface: ECHO_NAME, member: "Echo" },
      ...{ signature: "s", body: [EVENT] },
    });
    const counted = await countBare(bus, emitter);
    await fleet.primary.daemon.start();
    await sourceIsThere(fleet);
    const added = await callsPerSecond(bus, {
      destination: "dev.isochron.Primary1",
      path: "/dev/isochron/Primary1",
      interface: "dev.isochron.Primary1.Ingest",
      member: "AddEvent",
      ...{ signature: "s", body: [EVENT] },
    });
    const acked = await restartsToEvents(fleet, emitter);
    const storm = await stormToEvents(fleet, emitter);
    return [
      row("AddEvent, 50 calls outstanding : echo", "calls/s", added, echoed, ">= 0.4 x echo", added >= 0.4 * echoed),
      row(
        "signals of restarts to acked events : bare counter",
        "signals/s",
        acked,
        counted,
        ">= 3,000/s",
        acked >= 3000,
      ),
      row(
        "storm of 50,000: signals accounted for",
        "signals",
        storm.accounted,
        STORM,
        "all",
        storm.accounted === STORM,
      ),
      row("storm of 50,000: of these acked as events", "events", storm.written, STORM, "-", null),
      row("storm of 50,000: memory added at its height", "MiB", storm.addedMib, null, "<= 150", storm.addedMib <= 150),
    ];
  } finally {
    emitter.child.kill();
    echo.child.kill();
  }
}

const EVENT = JSON.stringify({
  element_id: "interface:eth0",
  element_type: "NetworkInterface",
  action: "modified",
  actor: "bench",
  state_snapshot: { mtu: 1500, up: true, addresses: ["192.0.2.7/24", "2001:db8::7/64"], driver: "virtio_net" },
});

interface Helper {
  child: ChildProcess;
  /** Sends a line and waits for the answer. */
  ask(line: string): Promise<void>;
}

async function startHelper(file: string, bus: TestBus): Promise<Helper> {
  const path = fileURLToPath(new URL(`./dbus/${file}`, import.meta.url));
  const child = spawn(process.execPath, [path, bus.address], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  await once(lines, "line");
  return {
    child,
    async ask(line) {
      child.stdin.write(`${line}\n`);
      await once(lines, "line");
    },
  };
}

async function callsPerSecond(bus: TestBus, call: OutgoingCall): Promise<number> {
  const client = await BusConnection.connect({ address: bus.address });
  let left = CALLS;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      await client.call(call);
    }
  };
  for (let i = 0; i < 200; i += 1) await client.call(call);
  const began = performance.now();
  await Promise.all(Array.from({ length: OUTSTANDING }, one));
  const seconds = (performance.now() - began) / 1000;
  client.close();
  return CALLS / seconds;
}

/** The yardstick of signals: a connection that counts them and does nothing else. */
async function countBare(bus: TestBus, emitter: Helper): Promise<number> {
  const wanted = RESTARTS * SIGNALS_OF_A_RESTART;
  let seen = 0;
  let all: () => void = () => undefined;
  const complete = new Promise<void>((resolve) => {
    all = resolve;
  });
  const counter = await BusConnection.connect({
    address: bus.address,
    onSignal: ({ sender }) => {
      if (sender === "org.freedesktop.DBus") return;
      seen += 1;
      if (seen === wanted) all();
    },
  });
  await counter.addMatch(`type='signal',sender='${NAME}',path_namespace='${MANAGER_PATH}'`);
  const began = performance.now();
  await Promise.all([emitter.ask(`restarts ${RESTARTS}`), complete]);
  const seconds = (performance.now() - began) / 1000;
  counter.close();
  return wanted / seconds;
}

async function restartsToEvents(fleet: Fleet, emitter: Helper): Promise<number> {
  const before = (await primaryStatus(fleet)).ledger.size;
  const began = performance.now();
  await emitter.ask(`restarts ${RESTARTS}`);
  const wanted = before + RESTARTS * EVENTS_OF_A_RESTART;
  while ((await primaryStatus(fleet)).ledger.size < wanted) await sleep(10);
  return (RESTARTS * SIGNALS_OF_A_RESTART) / ((performance.now() - began) / 1000);
}

interface Storm {
  accounted: number;
  written: number;
  addedMib: number;
}

async function stormToEvents(fleet: Fleet, emitter: Helper): Promise<Storm> {
  const before = await stormCounts(fleet);
  const emitted = emitter.ask(`storm ${STORM}`);
  let height = before.memoryMib;
  let now = before;
  const accounted = () => now.written + now.coalesced + now.lost - (before.written + before.coalesced + before.lost);
  for (let quiet = 0; accounted() < STORM && quiet < 300; quiet += 1) {
    const last = accounted();
    await sleep(20);
    now = await stormCounts(fleet);
    height = Math.max(height, now.memoryMib);
    if (accounted() > last) quiet = 0;
  }
  await emitted;
  return { accounted: accounted(), written: now.written - before.written, addedMib: height - before.memoryMib };
}

async function stormCounts(
  fleet: Fleet,
): Promise<{ written: number; coalesced: number; lost: number; memoryMib: number }> {
  const status = await primaryStatus(fleet);
  const state = stateOf(status, `dbus:${STORM_RULE.name}`);
  const { coalesced, dropped } = state;
  // Events that tell of losses and gaps are no signals.
  const written = (state.written as number) - (state.losses as number) - (state.gaps as number);
  const lost = Object.values(dropped as Record<string, number>).reduce((sum, count) => sum + count, 0);
  return { written: written as number, coalesced: coalesced as number, lost, memoryMib: status.memory_bytes / 2 ** 20 };
}

async function sourceIsThere(fleet: Fleet): Promise<void> {
  for (const source of ["dbus:systemd1", `dbus:${STORM_RULE.name}`]) {
    for (let tries = 0; !stateOf(await primaryStatus(fleet), source).watching; tries += 1) {
      if (tries > 500) throw new Error(`${source} is not watched`);
      await sleep(20);
    }
  }
}

function stateOf(status: PrimaryStatus, source: string): Record<string, unknown> {
  const services = status.sources.dbus?.services as Record<string, Record<string, unknown>> | undefined;
  return services?.[source] ?? {};
}

function row(
  metric: string,
  unit: string,
  ours: number,
  yardstick: number | null,
  goal: string,
  met: boolean | null,
): BenchRow {
  return {
    bench: "dbus",
    metric,
    unit,
    ours,
    yardstick,
    ratio: yardstick === null ? null : ours / yardstick,
    goal,
    met,
  };
}
