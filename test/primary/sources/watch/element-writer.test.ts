import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import type { Ack, AdmittedEvent, EventSink } from "../../../../primary/event.js";
import type { ElementState, JsonObject } from "../../../../primary/sources/watch/element-change.js";
import { ElementWriter, type ElementWriterOptions } from "../../../../primary/sources/watch/element-writer.js";
import { type TestLedger, withLedger } from "../../../support/with-ledger.js";

const SOURCE = "dbus:test1";
/** No test waits for a tick by itself: stopping ticks. */
const NEVER_MS = 1_000_000;

function unit(name: string, state: JsonObject): ElementState {
  return { elementId: `unit:${name}`, elementType: "Unit", state };
}

const nameChange = (before: JsonObject, after: JsonObject) => {
  if (Object.keys(after).length === 0) return "removed";
  return Object.keys(before).length === 0 ? "added" : "modified";
};

async function withWriter<T>(
  ledger: TestLedger,
  use: (writer: ElementWriter) => Promise<T>,
  options: Partial<ElementWriterOptions> = {},
): Promise<T> {
  const writer = new ElementWriter({ ...ledger.parts, source: SOURCE, tickMs: NEVER_MS, ...options });
  writer.start();
  try {
    return await use(writer);
  } finally {
    await writer.stop();
  }
}

function told(ledger: TestLedger): [string, string, JsonObject][] {
  return ledger.events(SOURCE).map(({ element, action, state }) => [element, action, state]);
}

test("the first snapshot ever is observed, and the same snapshot after a restart writes nothing but the gap", async () => {
  await withLedger(async (ledger) => {
    const present = [unit("a", { up: true }), unit("b", { up: false })];
    await withWriter(ledger, (writer) => writer.resync(present, nameChange));
    assert.deepEqual(told(ledger), [
      ["unit:a", "observed", { up: true }],
      ["unit:b", "observed", { up: false }],
    ]);
    await ledger.restart();
    await withWriter(ledger, (writer) => writer.resync(present, nameChange));
    const [gap, ...more] = told(ledger).slice(2);
    assert.deepEqual(more, []);
    assert.deepEqual([gap?.[0], gap?.[1], gap?.[2].reason], [`source:${SOURCE}`, "gap", "not running"]);
  });
});

test("after an unseen time come the gap with its bounds, then the differences, each of which names them", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, async (writer) => {
      await writer.resync([unit("a", { up: true }), unit("b", { up: true }), unit("c", { up: true })], nameChange);
      writer.blind("the bus was gone");
      await writer.resync([unit("a", { up: true }), unit("b", { up: false }), unit("d", { up: true })], nameChange);
    });
    const [gap, ...differences] = ledger.events(SOURCE).slice(3);
    assert.equal(gap?.action, "gap");
    const { from, to, reason } = gap?.state ?? {};
    assert.equal(reason, "the bus was gone");
    assert.ok(String(from) <= String(to));
    const unseen = { from, to };
    assert.deepEqual(
      differences.map(({ element, action, state }) => [element, action, state]),
      [
        ["unit:b", "modified", { up: false, change: { unseen } }],
        ["unit:d", "observed", { up: true, change: { unseen } }],
        ["unit:c", "removed", { change: { unseen } }],
      ],
    );
  });
});

test("what a snapshot says of a change itself stands in its event, beside the time that was not seen", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, async (writer) => {
      await writer.resync([{ ...unit("a", { up: true }), change: { diff: "+a" } }], nameChange);
      writer.blind("away");
      await writer.resync([{ ...unit("a", { up: false }), change: { diff: "-a" } }], nameChange);
    });
    const [first, gap, second] = told(ledger);
    assert.deepEqual(first, ["unit:a", "observed", { up: true, change: { diff: "+a" } }]);
    const unseen = { from: gap?.[2].from, to: gap?.[2].to };
    assert.deepEqual(second, ["unit:a", "modified", { up: false, change: { diff: "-a", unseen } }]);
  });
});

test("a gap can begin before it was noticed", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, async (writer) => {
      await writer.resync([], nameChange);
      writer.blind("the peer was silent", "2026-11-20T10:05:00.000000Z");
      writer.sighted();
    });
    const [[, action, state] = []] = told(ledger);
    assert.deepEqual(
      [action, state?.from, state?.reason],
      ["gap", "2026-11-20T10:05:00.000000Z", "the peer was silent"],
    );
  });
});

test("what is gone stays gone in later snapshots, and comes back as added", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, async (writer) => {
      await writer.resync([unit("a", { up: true })], nameChange);
      for (const present of [[], [], [unit("a", { up: true })]]) await writer.resync(present, nameChange);
    });
    assert.deepEqual(
      told(ledger).map(([, action]) => action),
      ["observed", "removed", "added"],
    );
  });
});

test("a state that is as it was is not written again, and what belongs to the event only is not compared", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, async (writer) => {
      const change = { ...unit("a", { up: true }), action: "started", change: { why: "first" } };
      assert.ok(writer.writeIfChanged(change));
      assert.ok(writer.writeIfChanged({ ...change, change: { why: "second" } }), "while the first is on its way");
      await writer.flush();
      assert.ok(writer.writeIfChanged({ ...change, change: { why: "third" } }), "when the ledger has it");
      assert.deepEqual(writer.last("unit:a"), { up: true });
      assert.equal(writer.state().unchanged, 2);
    });
    assert.deepEqual(told(ledger), [["unit:a", "started", { up: true, change: { why: "first" } }]]);
  });
});

test("an event has the priority that its source gives it, and the action's without one", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, async (writer) => {
      writer.write({ ...unit("a", {}), action: "config_changed", priority: "critical" });
      writer.write({ ...unit("b", {}), action: "config_changed" });
    });
    assert.deepEqual(
      ledger.events(SOURCE).map(({ priority }) => priority),
      ["critical", "medium"],
    );
  });
});

test("a redacted state is compared as it was redacted", async () => {
  await withLedger(async (ledger) => {
    const secret = [unit("a", { psk: "hunter2" })];
    await withWriter(ledger, (writer) => writer.resync(secret, nameChange));
    await ledger.restart();
    await withWriter(ledger, (writer) => writer.resync(secret, nameChange));
    assert.deepEqual(
      told(ledger).map(([, action]) => action),
      ["observed", "gap"],
    );
  });
});

test("a queue that is full drops what comes, counts it, and writes a loss event with the count", async () => {
  await withLedger(async (ledger) => {
    const sink = new HeldSink(ledger.parts.sink);
    await withWriter(
      ledger,
      async (writer) => {
        const kept = Array.from({ length: 25 }, (_, i) => writer.write({ ...unit("a", { i }), action: "modified" }));
        assert.deepEqual(kept, [...Array(10).fill(true), ...Array(15).fill(false)]);
        sink.release();
        await writer.flush();
      },
      { sink, maxQueuedEvents: 10 },
    );
    const events = told(ledger);
    const [element, action, state] = events.at(-1) as (typeof events)[number];
    assert.deepEqual([element, action, state.lost], [`source:${SOURCE}`, "loss", { queue_full: 15 }]);
    assert.equal(events.length, 11);
  });
});

test("changes are events while another process keeps the file of known elements from being written, and after it", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, async (writer) => {
      const turn = async (action: string) => {
        writer.writeIfChanged({ ...unit("a", { up: action === "started" }), action });
        await writer.flush();
      };
      await turn("started");
      const other = new Database(join(ledger.store.index, "known.db"));
      other.exec("BEGIN IMMEDIATE");
      for (const action of ["stopped", "started", "stopped"]) await turn(action);
      other.close();
      for (const action of ["started", "stopped", "stopped"]) await turn(action);
    });
    assert.deepEqual(
      told(ledger).map(([, action]) => action),
      ["started", "stopped", "started", "stopped", "started", "stopped"],
    );
  });
});

test("how far it has seen is not noted while an event waits for its ack", async () => {
  await withLedger(async (ledger) => {
    const sink = new HeldSink(ledger.parts.sink);
    const { known } = ledger.parts;
    await withWriter(
      ledger,
      async (writer) => {
        writer.write({ ...unit("a", {}), action: "modified" });
        writer.sighted();
        assert.equal(known.seenUntil(SOURCE), undefined);
        writer.blind("the bus was gone");
        sink.release();
        await writer.flush();
        assert.ok(known.seenUntil(SOURCE));
      },
      { sink },
    );
  });
});

test("a queue is bounded in bytes too", async () => {
  await withLedger(async (ledger) => {
    const sink = new HeldSink(ledger.parts.sink);
    await withWriter(
      ledger,
      async (writer) => {
        const big = { text: "x".repeat(40_000) };
        const kept = [1, 2, 3, 4].map((i) => writer.write({ ...unit("a", { i, ...big }), action: "modified" }));
        assert.deepEqual(kept, [true, true, false, false]);
        sink.release();
        await writer.flush();
        assert.ok(writer.write({ ...unit("a", big), action: "modified" }), "there is room again");
      },
      { sink, maxQueuedBytes: 100_000 },
    );
  });
});

test("a snapshot waits for room instead of dropping", async () => {
  await withLedger(async (ledger) => {
    const present = Array.from({ length: 500 }, (_, i) => unit(String(i), { i }));
    await withWriter(ledger, (writer) => writer.resync(present, nameChange), { maxQueuedEvents: 8 });
    assert.equal(told(ledger).length, 500);
  });
});

test("an event that admission refuses is counted in a loss event, and the next one goes on", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, async (writer) => {
      assert.equal(writer.write({ ...unit("a", {}), elementId: "", action: "started" }), false);
      assert.equal(writer.write({ ...unit("b", {}), action: "started" }), true);
    });
    const [first, loss] = told(ledger);
    assert.equal(first?.[0], "unit:b");
    assert.equal(loss?.[1], "loss");
    assert.match(JSON.stringify(loss?.[2].lost), /^\{"refused_[a-z-]+":1\}$/);
  });
});

test("a few rejected signals are counted in status only, many are told", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, async (writer) => {
      writer.rejected("forged", 99);
      assert.deepEqual(writer.state().dropped, { forged: 99 });
    });
    assert.deepEqual(told(ledger), []);
    await withWriter(ledger, async (writer) => writer.rejected("forged", 100));
    assert.deepEqual(told(ledger)[0]?.[2].rejected, { forged: 100 });
  });
});

test("a comparison that is cut short leaves all since the last whole one unseen", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, (writer) => writer.resync([unit("a", { up: true })], nameChange));
    const seen = ledger.parts.known.seenUntil(SOURCE);
    async function* broken() {
      yield unit("a", { up: false });
      throw new Error("the bus died");
    }
    await ledger.restart();
    await withWriter(ledger, async (writer) => {
      await assert.rejects(writer.resync(broken(), nameChange), /the bus died/);
      assert.equal(writer.state().watching, false);
    });
    assert.equal(ledger.parts.known.seenUntil(SOURCE), seen);
    await ledger.restart();
    await withWriter(ledger, (writer) => writer.resync([unit("a", { up: false })], nameChange));
    const gaps = ledger.events(SOURCE).filter(({ action }) => action === "gap");
    assert.deepEqual(
      gaps.map(({ state }) => state.from),
      [seen, seen],
    );
  });
});

test("what goes blind while it compares is blind afterwards, since then", async () => {
  await withLedger(async (ledger) => {
    await withWriter(ledger, async (writer) => {
      async function* interrupted() {
        yield unit("a", { up: true });
        writer.blind("the owner changed", "2026-11-20T10:05:00.000000Z");
        yield unit("b", { up: true });
      }
      await writer.resync(interrupted(), nameChange);
      assert.equal(writer.state().watching, false);
      await writer.resync([unit("a", { up: true }), unit("b", { up: true })], nameChange);
    });
    const [gap] = ledger.events(`source:${SOURCE}`);
    assert.deepEqual([gap?.state.from, gap?.state.reason], ["2026-11-20T10:05:00.000000Z", "the owner changed"]);
  });
});

test("events that the ledger did not take are counted as lost", async () => {
  await withLedger(async (ledger) => {
    const refusing: EventSink = {
      room: () => undefined,
      append: () => Promise.reject(Object.assign(new Error("no"), { code: "closed" })),
    };
    const writer = new ElementWriter({ ...ledger.parts, sink: refusing, source: SOURCE, tickMs: NEVER_MS });
    writer.write({ ...unit("a", {}), action: "started" });
    await writer.flush();
    assert.deepEqual(writer.state().dropped, { not_written_closed: 1 });
    await writer.stop();
  });
});

/** Takes nothing until it is released, and then all in order. */
class HeldSink implements EventSink {
  readonly #sink: EventSink;
  #held: (() => void)[] | undefined = [];

  constructor(sink: EventSink) {
    this.#sink = sink;
  }

  room(): Promise<void> | undefined {
    return this.#sink.room();
  }

  append(event: AdmittedEvent): Promise<Ack> {
    const held = this.#held;
    if (!held) return this.#sink.append(event);
    return new Promise((resolve, reject) => held.push(() => this.#sink.append(event).then(resolve, reject)));
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const go of held) go();
  }
}
