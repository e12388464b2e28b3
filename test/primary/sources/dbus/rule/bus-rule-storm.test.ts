// Bursts of real signals from a process of its own: what becomes of each one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Ack, AdmittedEvent, EventSink } from "../../../../../primary/event.js";
import type { BusWatch } from "../../../../../primary/sources/dbus/bus-watch.js";
import { until } from "../../../../support/until.js";
import { type TestBus, withBus } from "../../../../support/with-bus.js";
import { withLedger } from "../../../../support/with-ledger.js";
import { requireMocks, serviceState, sighted, withWatch } from "../with-watch.js";
import { NAME, PATH, ruleOf, SOURCE } from "./rule-of-things.js";

const STORM = 50_000;
const MAX_QUEUED = 8192;

test("of a burst of 50,000 signals each is an event or counted as lost, and no queue outgrows its bound", async (t) => {
  await storm(t, {}, 1000, async (end) => {
    assert.equal(end.happened + end.lost, STORM);
    assert.equal(end.told, end.lost);
    assert.ok(end.mostQueued <= MAX_QUEUED + end.losses, `${end.mostQueued} were queued`);
  });
});

test("of a burst that the ledger takes nothing of, what is queued is kept and all the rest is in loss events", async (t) => {
  const isHeld = true;
  await storm(t, { isHeld }, 1000, async (end) => {
    assert.equal(end.happened, MAX_QUEUED);
    assert.equal(end.lost, STORM - MAX_QUEUED);
    assert.equal(end.told, end.lost);
    assert.ok(end.mostQueued <= MAX_QUEUED + end.losses, `${end.mostQueued} were queued`);
  });
});

test("of a burst about a hundred elements, with coalesce_ms, all but the events are merged", async (t) => {
  await storm(t, { coalesce_ms: 100 }, 100, async (end) => {
    assert.ok(end.happened >= 100);
    assert.equal(end.happened + end.coalesced, STORM);
    assert.equal(end.lost, 0);
  });
});

/** What has become of a burst. */
interface End {
  /** Events in the ledger. */
  happened: number;
  coalesced: number;
  /** By the counts of `status`. */
  lost: number;
  /** By the loss events in the ledger, and how many there are. */
  told: number;
  losses: number;
  mostQueued: number;
}

/** A real burst from a process of its own. With `isHeld` the ledger takes nothing until all of it has come. */
async function storm(
  t: TestContext,
  { isHeld = false, ...options }: { isHeld?: boolean; coalesce_ms?: number },
  elements: number,
  judge: (end: End) => Promise<void>,
): Promise<void> {
  if (!(await requireMocks(t))) return;
  await withBus((bus) =>
    withLedger(async (ledger) => {
      const gate = new Gate(ledger.parts.sink, isHeld);
      ledger.parts = { ...ledger.parts, sink: gate };
      let mostQueued = 0;
      const watch = await withWatch(bus, ledger, [ruleOf(options)], async (watching) => {
        await burst(bus, watching, elements, () => {
          const state = serviceState(watching, SOURCE);
          mostQueued = Math.max(mostQueued, Number(state.queued));
          const come = gate.happened + (isHeld ? MAX_QUEUED : 0) + Number(state.coalesced) + sum(state.dropped);
          return come >= STORM;
        });
        gate.open();
        return watching;
      });
      const { coalesced, dropped } = serviceState(watch, SOURCE);
      const events = ledger.events(SOURCE);
      const losses = events.filter(({ action }) => action === "loss");
      await judge({
        happened: events.filter(({ action }) => action === "happened").length,
        coalesced: Number(coalesced),
        lost: sum(dropped),
        told: losses.reduce((told, { state }) => told + sum(state.lost), 0),
        losses: losses.length,
        mostQueued,
      });
    }),
  );
}

async function burst(bus: TestBus, watch: BusWatch, elements: number, isOver: () => boolean): Promise<void> {
  const script = fileURLToPath(new URL("./emit-storm.js", import.meta.url));
  const args = [script, bus.address, NAME, PATH, String(STORM), String(elements)];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await once(child.stdout, "data");
    await sighted(watch, SOURCE);
    child.stdin.write("go\n");
    await until(isOver, { minutes: 3 });
  } finally {
    const ended = once(child, "exit");
    child.stdin.end();
    await ended;
  }
}

function sum(counts: unknown): number {
  return Object.values(counts as Record<string, number>).reduce((total, count) => total + count, 0);
}

/** Counts what goes to the ledger, and while it is held has no room. */
class Gate implements EventSink {
  happened = 0;
  open: () => void = () => {};
  readonly #sink: EventSink;
  #opened: Promise<void> | undefined;

  constructor(sink: EventSink, isHeld: boolean) {
    this.#sink = sink;
    if (!isHeld) return;
    this.#opened = new Promise((resolve) => {
      this.open = () => {
        this.#opened = undefined;
        resolve();
      };
    });
  }

  room(): Promise<void> | undefined {
    return this.#opened ?? this.#sink.room();
  }

  append(event: AdmittedEvent): Promise<Ack> {
    if (event.action === "happened") this.happened += 1;
    return this.#sink.append(event);
  }
}
