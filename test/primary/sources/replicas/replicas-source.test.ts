import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type LinkState,
  ReplicasSource,
  type WatchedLink,
} from "../../../../primary/sources/replicas/replicas-source.js";
import { until } from "../../../support/until.js";
import { type TestLedger, withLedger } from "../../../support/with-ledger.js";

class Link implements WatchedLink {
  readonly name: string;
  #state: LinkState = { health: "connecting", code: undefined, reason: "", hint: undefined, generation: undefined };
  #listeners = new Set<() => void>();
  constructor(name: string) {
    this.name = name;
  }
  status(): LinkState {
    return this.#state;
  }
  onHealth(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  become(health: string, more: Partial<LinkState> = {}): void {
    this.#state = { ...this.#state, health, code: undefined, hint: undefined, reason: `it is ${health}`, ...more };
    for (const listener of this.#listeners) listener();
  }
}

/** Runs `body` while the source watches `links`. */
async function watching(
  ledger: TestLedger,
  links: readonly Link[],
  body: () => Promise<void>,
  settleMs = 0,
): Promise<void> {
  const source = new ReplicasSource({ links, settleMs, ...ledger.parts });
  await source.start(new AbortController().signal);
  try {
    await body();
  } finally {
    await source.stop();
  }
}

const actions = (ledger: TestLedger, element: string) => ledger.events(element).map(({ action }) => action);

test("each change of a replica's health is an event, with what it was, why, and how urgent it is", async () => {
  await withLedger(async (ledger) => {
    const link = new Link("replica-1");
    await watching(ledger, [link], async () => {
      link.become("healthy", { generation: 4 });
      await until(() => ledger.events().length === 1);
      link.become("diverged", { code: "diverged", reason: "another history", hint: "restore it" });
      await until(() => ledger.events().length === 2);
    });
    const [healthy, diverged] = ledger.events("replica:replica-1");
    assert.deepEqual([healthy?.action, healthy?.priority, healthy?.source], ["replica_healthy", "low", "replicas"]);
    assert.deepEqual(healthy?.state, { health: "healthy", change: { was: null, generation: 4 } });
    assert.deepEqual([diverged?.action, diverged?.priority], ["replica_diverged", "high"]);
    assert.deepEqual(diverged?.state, {
      health: "diverged",
      code: "diverged",
      change: { was: "healthy", generation: 4, hint: "restore it" },
    });
  });
});

test("what did not last is not written, and what the ledger knows is not written again after a restart", async () => {
  await withLedger(async (ledger) => {
    const link = new Link("replica-1");
    link.become("healthy");
    await watching(ledger, [link], () => until(() => ledger.events().length === 1));
    const hourMs = 3_600_000;
    await watching(
      ledger,
      [link],
      async () => {
        link.become("unreachable");
        link.become("healthy");
        // The next one is written, so the two before it have been weighed.
        link.become("full", { code: "no-space" });
        await until(() => ledger.events().length === 2);
      },
      hourMs,
    );
    assert.deepEqual(actions(ledger, "replica:replica-1"), ["replica_healthy", "replica_full"]);
    await watching(ledger, [link], async () => {
      const other = new Link("other");
      await watching(ledger, [link, other], async () => {
        other.become("needs-full");
        await until(() => actions(ledger, "replica:other").length === 1);
      });
    });
    assert.deepEqual(actions(ledger, "replica:replica-1"), ["replica_healthy", "replica_full"]);
  });
});

test("load alone is no event: it would be one more push to a busy host", async () => {
  await withLedger(async (ledger) => {
    const link = new Link("replica-1");
    await watching(ledger, [link], async () => {
      link.become("healthy");
      await until(() => ledger.events().length === 1);
      link.become("lagging", { code: "overloaded" });
      link.become("lagging", { code: "lagging" });
      await until(() => ledger.events().length === 2);
    });
    assert.equal(ledger.events("replica:replica-1").at(-1)?.state.code, "lagging");
  });
});

test("a replica that is no longer configured is removed", async () => {
  await withLedger(async (ledger) => {
    const link = new Link("replica-1");
    link.become("healthy");
    await watching(ledger, [link], () => until(() => ledger.events().length === 1));
    await watching(ledger, [], () => until(() => ledger.events().length === 2));
    await watching(ledger, [], async () => undefined);
    assert.deepEqual(actions(ledger, "replica:replica-1"), ["replica_healthy", "replica_removed"]);
  });
});

/** As often as is written without delay. */
async function flap(ledger: TestLedger, link: Link): Promise<void> {
  for (let i = 0; i < 6; i += 1) {
    link.become(i % 2 === 0 ? "healthy" : "unreachable");
    await until(() => ledger.events().length === i + 1);
  }
}

test("a link that flaps is written less and less often", async () => {
  await withLedger(async (ledger) => {
    const link = new Link("replica-1");
    await watching(ledger, [link], async () => {
      await flap(ledger, link);
      for (let i = 0; i < 50; i += 1) link.become(i % 2 === 0 ? "healthy" : "unreachable");
    });
    assert.equal(ledger.events().length, 6);
  });
});

test("what needs someone is written at once though the link flapped, and its repeats are not", async () => {
  await withLedger(async (ledger) => {
    const link = new Link("replica-1");
    await watching(ledger, [link], async () => {
      await flap(ledger, link);
      // Delayed as others are, the third would come after 8 s and the last after 16 s.
      for (const [i, health] of ["diverged", "foreign", "needs-full", "full"].entries()) {
        link.become(health, { code: health });
        await until(() => ledger.events().length === 7 + i, { minutes: 0.1 });
      }
      for (let i = 0; i < 50; i += 1) {
        link.become(i % 2 === 0 ? "healthy" : "full", { code: `${i}` });
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    assert.deepEqual(actions(ledger, "replica:replica-1").slice(6), [
      "replica_diverged",
      "replica_foreign",
      "replica_needs_full",
      "replica_full",
    ]);
  });
});
