// Watches services of a private bus with a real ledger behind, and waits for what should become of it.
import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { BusService } from "../../../../primary/sources/dbus/bus-service.js";
import { BusWatch, type BusWatchOptions } from "../../../../primary/sources/dbus/bus-watch.js";
import type { JsonObject } from "../../../../primary/sources/watch/element-change.js";
import { type Part, program, requirePart } from "../../../support/require-part.js";
import type { TestBus } from "../../../support/with-bus.js";
import type { SeenEvent, TestLedger } from "../../../support/with-ledger.js";

const DBUSMOCK: Part = {
  name: "python-dbusmock",
  howToGet: "apt-get install python3-dbusmock",
  isThere: () => existsSync("/usr/lib/python3/dist-packages/dbusmock/__init__.py"),
};
const PARTS = [program("dbus-daemon", "dbus"), program("dbus-send", "dbus-bin"), program("gdbus", "libglib2.0-bin")];

/** Far above what any step takes on a busy machine. */
const PATIENCE_MS = 60_000;

/** Whether all that a test on a mocked service needs is on this machine; else the test is skipped. */
export async function requireMocks(t: TestContext): Promise<boolean> {
  for (const part of [...PARTS, DBUSMOCK]) if (!(await requirePart(t, part))) return false;
  return true;
}

/** Starts watching, runs `body`, stops. */
export async function withWatch<T>(
  bus: Pick<TestBus, "address">,
  ledger: TestLedger,
  services: readonly BusService[],
  body: (watch: BusWatch) => Promise<T>,
  options: Partial<BusWatchOptions> = {},
): Promise<T> {
  const watch = new BusWatch({ address: bus.address, services, parts: ledger.parts, coalesceMs: 20, ...options });
  await watch.start(new AbortController().signal);
  try {
    return await body(watch);
  } finally {
    await watch.stop();
  }
}

/** What `status` shows of one service. */
export function serviceState(watch: BusWatch, source: string): JsonObject {
  return (watch.state().services as Record<string, JsonObject>)[source] as JsonObject;
}

/** Waits until the service's present state is in the ledger. */
export function sighted(watch: BusWatch, source: string): Promise<void> {
  return until(`${source} is watched`, () => {
    const { present, watching, queued } = serviceState(watch, source);
    return present === true && watching === true && queued === 0;
  });
}

/** Waits until the name has left the bus and the watch knows. */
export function away(watch: BusWatch, source: string): Promise<void> {
  return until(`${source} is away`, () => serviceState(watch, source).present === false);
}

/** Waits until the ledger has an event of this element and action, and gives the last one. */
export async function eventOf(ledger: TestLedger, element: string, action: string): Promise<SeenEvent> {
  const find = () => ledger.events(element).findLast((event) => event.action === action);
  await until(`${element} ${action}`, () => find() !== undefined);
  return find() as SeenEvent;
}

export function actionsOf(ledger: TestLedger, of: string): string[] {
  return ledger.events(of).map(({ action }) => action);
}

export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until: ${what}`);
    await sleep(5);
  }
}
