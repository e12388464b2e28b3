// SIGKILL of either side, a link that is cut, and what a crash can leave on disk at each step of a seal and of a
// promotion. After each, the fleet must come back by itself, with every acked event in its place.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, readlink, rm, rmdir, symlink, truncate, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import type { AckLine } from "../../primary/sources/lines/format-ack.js";
import { heuristicSpace } from "../../shared/embed/heuristic.js";
import { spaceName } from "../../shared/format/space.js";
import { snapshotReadOnly } from "../../shared/store/btrfs.js";
import type { StoreLayout } from "../../shared/store/layout.js";
import {
  askQuery,
  expectAnswered,
  expectConverged,
  expectIncrement,
  ingest,
  jsonLines,
  linkBecomes,
  mustRun,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  startWithEvents,
  storeOf,
  wakeLink,
} from "../support/drive-fleet.js";
import { binPath } from "../support/run-cli.js";
import { bothAnswer, type Fleet, makeFleet, withFleet } from "../support/start-fleet.js";

describe("a crash", () => {
  test("of the primary in the middle of ingest loses no acked event, and a retry by idempotency key adds none twice", async () => {
    await withFleet(
      { volume: "512M", primary: { seal: { high_ms: 100, medium_ms: 100, low_ms: 100 } } },
      async (fleet) => {
        const events = someEvents(8000).map((event, i) => ({ ...event, idempotency_key: `key-${i}` }));
        const acked = await ingestUntilKilled(fleet, events);
        assert.ok(acked.length < events.length, "the kill came too late");
        await fleet.primary.daemon.start();
        const again = await ingest(fleet, events);
        assert.deepEqual(again.slice(0, acked.length), acked);
        await seal(fleet, { force: true });
        assert.equal(new Set(again.map(({ seq }) => seq)).size, events.length);
        await expectConverged(fleet);
        const stored = await eventsOnReplica(fleet);
        assert.equal(stored, events.length);
      },
    );
  });

  describe("in the middle of a push", () => {
    let fleet: Fleet;
    let round = 0;
    before(async () => {
      // So slow that it is struck in its middle, whatever the machine.
      const push = { hello_seconds: 1, limit: "4 MB/s", compression: "none" };
      fleet = await makeFleet({ volume: "512M", primary: { ...QUIET, push } });
      await startWithEvents(fleet);
    });
    after(() => fleet?.stop());

    const breaks: { name: string; strike: () => Promise<unknown> }[] = [
      {
        name: "of the replica",
        strike: async () => {
          await fleet.replica.daemon.kill();
          await fleet.replica.daemon.start();
        },
      },
      { name: "of the link", strike: () => fleet.sshd.cut() },
      {
        name: "of the primary",
        strike: async () => {
          await fleet.primary.daemon.kill();
          await fleet.primary.daemon.start();
        },
      },
    ];
    for (const { name, strike } of breaks) {
      test(`${name} leaves nothing in staging, and the push is made again on the same base`, async () => {
        round += 1;
        await ingest(fleet, noisyEvents(8));
        await seal(fleet);
        await linkBecomes(fleet, ({ pushing }) => (pushing?.bytes ?? 0) > 2 ** 20);
        await strike();
        await wakeLink(fleet);
        const { last_push } = await linkBecomes(fleet, ({ generation }) => generation === round + 1);
        assert.ok(last_push === null || last_push.kind === "increment");
        await expectConverged(fleet);
        assert.deepEqual(await readdir((await storeOf(fleet, "replica")).staging), []);
      });
    }
  });

  describe("on the replica's disk", () => {
    let fleet: Fleet;
    let store: StoreLayout;
    before(async () => {
      fleet = await makeFleet({ volume: "256M", primary: QUIET });
      await startWithEvents(fleet);
      store = await storeOf(fleet, "replica");
    });
    after(() => fleet?.stop());

    /** Kills the replica when it has taken another generation, and changes its disk; `oldHead` was accepted before. */
    async function afterTaking(change: (oldHead: Buffer) => Promise<unknown>): Promise<void> {
      const oldHead = await readFile(store.acceptedHead);
      await ingest(fleet, someEvents(5));
      await seal(fleet);
      await expectConverged(fleet);
      await afterLeaving(() => change(oldHead));
    }

    /** Kills the replica, changes its disk and starts it: it must stand where it stood, and take the next increment. */
    async function afterLeaving(change: (newest: number) => Promise<unknown>): Promise<void> {
      const newest = (await primaryStatus(fleet)).ledger.generation;
      await fleet.replica.daemon.kill();
      await change(newest);
      await fleet.replica.daemon.start();
      assert.equal(await readlink(store.current), `generations/${newest}`);
      await ingest(fleet, someEvents(5));
      const next = await seal(fleet);
      await expectIncrement(fleet, next);
    }

    test("after the rename and before current is swapped: the start makes it current", async () => {
      await afterTaking(async (oldHead) => {
        await unlink(store.current);
        await writeFile(store.acceptedHead, oldHead);
      });
    });

    test("after current is swapped and before the accepted head: the start accepts it", async () => {
      await afterTaking((oldHead) => writeFile(store.acceptedHead, oldHead));
    });

    test("with leftovers of every kind in staging and beside the symlink: the start sweeps them", async () => {
      await afterLeaving(async (newest) => {
        const { timing } = store.generation(newest);
        await mkdir(join(store.staging, "9-abc"));
        await execa("btrfs", ["subvolume", "snapshot", timing, join(store.staging, "9-abc", "timing")]);
        await mkdir(join(store.staging, "9-def"));
        await writeFile(join(store.staging, "stray"), "x");
        await symlink("generations/9", `${store.current}.new`);
        await writeFile(`${store.acceptedHead}.new`, "torn");
      });
    });

    test("with half a generation that is newer: the start removes it", async () => {
      await afterLeaving(async (newest) => {
        await mkdir(store.generation(newest + 1).dir);
        await snapshotReadOnly(store.generation(newest).timing, store.generation(newest + 1).timing);
      });
    });

    test("a promotion that fails after its rename is recovered without a restart", async () => {
      const obstacle = `${store.acceptedHead}.new`;
      await mkdir(obstacle);
      await ingest(fleet, someEvents(5));
      await seal(fleet);
      await linkBecomes(fleet, ({ code }) => code === "internal-error");
      await rmdir(obstacle);
      await wakeLink(fleet);
      await expectConverged(fleet);
      await ingest(fleet, someEvents(5));
      await seal(fleet);
      await expectConverged(fleet);
    });

    for (const [name, damage] of [
      ["gone", (index: string) => rm(index, { recursive: true })],
      ["damaged: the catalog's bytes", (index: string) => spoil(join(index, "queries", "catalog.db"))],
      ["damaged: the heads gone", (index: string) => rm(join(index, "heads.db"))],
      ["damaged: the heads' bytes", (index: string) => spoil(join(index, "heads.db"))],
      ["damaged: every file of the vector index cut", cutSegments],
    ] as const) {
      test(`an index that is ${name}: it is made again, and the next increment is taken`, async () => {
        await afterLeaving(() => damage(store.index));
        for (const path of ["/v1/search?q=mtu", "/v1/similar?seq=0"]) {
          const { results } = await askQuery<{ results: unknown[] }>(fleet.replica, path);
          assert.match(JSON.stringify(results), /interface/, path);
        }
      });
    }
  });

  describe("on the primary's disk", () => {
    let fleet: Fleet;
    let store: StoreLayout;
    before(async () => {
      fleet = await makeFleet({ volume: "256M", primary: QUIET });
      await startWithEvents(fleet);
      store = await storeOf(fleet, "primary");
    });
    after(() => fleet?.stop());

    /** Kills the primary with unsealed events, changes its disk, starts it: nothing acked may be missing. */
    async function afterLeaving(change: (newest: number) => Promise<unknown>): Promise<void> {
      const { ledger } = await primaryStatus(fleet);
      const acks = await ingest(fleet, someEvents(5));
      await fleet.primary.daemon.kill();
      await change(ledger.generation);
      await fleet.primary.daemon.start();
      assert.equal(await seal(fleet, { force: true }), ledger.generation + 1);
      await expectConverged(fleet);
      await expectAnswered(fleet, acks);
    }

    test("in a seal, with its folder only: the start removes it", async () => {
      await afterLeaving((newest) => mkdir(store.generation(newest + 1).dir));
    });

    test("in a seal, with its first snapshot, its files begun and a torn line: none is left, and no number left out", async () => {
      await afterLeaving(async (newest) => {
        await mkdir(store.generation(newest + 1).dir);
        await snapshotReadOnly(store.live.timing, store.generation(newest + 1).timing);
        await writeFile(`${store.live.checkpoint}.new`, "torn");
        await writeFile(`${store.live.vectorGeneration}.new`, "9");
        await writeFile(`${store.live.spaceFile(spaceName(heuristicSpace))}.new`, "{");
        const last = (await readdir(store.live.entries)).sort().at(-1) as string;
        await writeFile(join(store.live.entries, last), '{"action":"sea', { flag: "a" });
      });
    });

    test("after a seal, with current not swapped yet: the start swaps it", async () => {
      const { ledger } = await primaryStatus(fleet);
      await ingest(fleet, someEvents(5));
      await seal(fleet);
      await expectConverged(fleet);
      await fleet.primary.daemon.kill();
      await unlink(store.current);
      await symlink(`generations/${ledger.generation}`, store.current);
      await fleet.primary.daemon.start();
      assert.equal(await readlink(store.current), `generations/${ledger.generation + 1}`);
      await expectConverged(fleet);
    });

    test("in a seal, with its entry written and no snapshot: the entry's place goes to the next one", async () => {
      const { ledger } = await primaryStatus(fleet);
      await fleet.replica.daemon.kill();
      await ingest(fleet, someEvents(5));
      const made = await seal(fleet);
      await fleet.primary.daemon.kill();
      const { dir, timing, vector } = store.generation(made);
      await execa("btrfs", ["subvolume", "delete", timing, vector]);
      await rmdir(dir);
      await unlink(store.current);
      await symlink(`generations/${ledger.generation}`, store.current);
      await fleet.primary.daemon.start();
      assert.equal((await primaryStatus(fleet)).ledger.size, ledger.size + 5);
      await fleet.replica.daemon.start();
      assert.equal(await seal(fleet), made);
      await wakeLink(fleet);
      await expectConverged(fleet);
    });

    test("an index that is gone: the start makes it again", async () => {
      await afterLeaving(() => rm(store.index, { recursive: true }));
      await bothAnswer(fleet, (await primaryStatus(fleet)).ledger.sealed);
      assert.match(await mustRun(fleet.primary, "search", "mtu"), /interface/);
    });
  });
});

/** Kills the primary once some acks have come, and before it was sent all; returns those that came before the end. */
async function ingestUntilKilled(fleet: Fleet, events: readonly object[]): Promise<{ seq: number; hash: string }[]> {
  const args = [binPath("primary"), "ingest", "-", "--json", "--config", fleet.primary.configPath];
  const client = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "ignore"] });
  const lines = events.map((event) => `${JSON.stringify(event)}\n`);
  // It may end before it has read the rest.
  client.stdin.on("error", () => undefined);
  client.stdin.write(lines.slice(0, -100).join(""));
  let text = "";
  let killed: Promise<void> | undefined;
  client.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    killed ??= fleet.primary.daemon.kill().then(() => void client.stdin.end(lines.slice(-100).join("")));
  });
  const [code] = await once(client, "close");
  await killed;
  assert.equal(code, 1);
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return jsonLines<AckLine>(whole).flatMap((ack) => ("seq" in ack ? [{ seq: ack.seq, hash: ack.hash }] : []));
}

/** Events of the test's elements that the replica has: the sum of the heights of their chains. */
async function eventsOnReplica(fleet: Fleet): Promise<number> {
  let count = 0;
  for (let i = 0; i < 4; i += 1) {
    const [state] = jsonLines<{ height: number }>(await mustRun(fleet.replica, "state", `interface:eth${i}`, "--json"));
    count += (state?.height ?? -1) + 1;
  }
  return count;
}

/** About a megabyte each that does not compress. */
function noisyEvents(count: number) {
  const noise = () => Buffer.from(Float64Array.from({ length: 75_000 }, Math.random).buffer).toString("base64");
  return Array.from({ length: count }, (_, i) => ({
    element_id: `file:${i}`,
    element_type: "File",
    action: "modified",
    state_snapshot: { content: noise() },
  }));
}

async function spoil(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes.fill(0xa5, 100, Math.min(bytes.length, 6000));
  await writeFile(path, bytes);
}

async function cutSegments(index: string): Promise<void> {
  const files = await readdir(join(index, "queries", spaceName(heuristicSpace)), {
    recursive: true,
    withFileTypes: true,
  }).catch(() => []);
  for (const file of files) if (file.isFile()) await truncate(join(file.parentPath, file.name), 10);
}
