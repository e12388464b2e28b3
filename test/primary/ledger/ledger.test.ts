import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { appendFile, mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { execa } from "execa";
import type { Ack, AppendedEvent } from "../../../primary/event.js";
import { Ledger } from "../../../primary/ledger/ledger.js";
import type { LedgerError } from "../../../primary/ledger/ledger-error.js";
import { openLedger } from "../../../primary/ledger/open-ledger.js";
import { AppendedReader } from "../../../primary/ledger/read-appended.js";
import { parseEntry } from "../../../shared/format/entry.js";
import { GENESIS_HASH, leafHash } from "../../../shared/format/hash.js";
import { sealElementId } from "../../../shared/format/seal.js";
import { generateSigner, KEY_TYPE } from "../../../shared/format/signed-note.js";
import { StoreLayout } from "../../../shared/store/layout.js";
import { headsPath } from "../../../shared/store/make-index-folder.js";
import { admittedEvent as event } from "../../support/admitted-event.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { verifyLive } from "../../support/verify-live.js";
import { withFolder } from "../../support/with-folder.js";

const signer = generateSigner("ledger.test/isochron", KEY_TYPE.ed25519);
const LIMITS = { maxBatchEvents: 64, maxQueuedEvents: 128 };

interface OpenStore {
  store: StoreLayout;
  ledger: Ledger;
  appended: AppendedEvent[];
  failures: LedgerError[];
  recovered: { keptUnsealed: number; cutEvents: number };
}

const storeUuid = randomUUID();

async function makeStore(folder: string): Promise<StoreLayout> {
  const store = new StoreLayout(folder);
  for (const dir of [store.live.entries, store.live.payloads, store.live.tree, store.index]) {
    await mkdir(dir, { recursive: true });
  }
  return store;
}

async function openStore(store: StoreLayout, segmentBytes?: number): Promise<OpenStore> {
  const appended: AppendedEvent[] = [];
  const failures: LedgerError[] = [];
  const options = { store, storeUuid, keys: [signer], generation: 0, ...(segmentBytes ? { segmentBytes } : {}) };
  const { parts, recovered } = await openLedger(options);
  const ledger = new Ledger(
    parts,
    LIMITS,
    (events) => appended.push(...events),
    (failure) => failures.push(failure),
  );
  return { store, ledger, appended, failures, recovered };
}

async function appendMany(ledger: Ledger, from: number, count: number): Promise<Ack[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => ledger.append(event(from + i))));
}

async function entryLines(store: StoreLayout): Promise<string[]> {
  let text = "";
  for (const name of (await readdir(store.live.entries)).sort())
    text += await readFile(join(store.live.entries, name), "utf8");
  return text.split("\n").slice(0, -1);
}

const first = (store: StoreLayout) => store.live.entriesSegment(0);
const firstPayloads = (store: StoreLayout) => store.live.payloadsSegment(0);

/** Runs `body` on a store of its own and ends with the store's own verify. */
function ledgerTest(name: string, body: (store: StoreLayout) => Promise<void>): void {
  test(name, () =>
    withFolder(async (folder) => {
      const store = await makeStore(folder);
      await body(store);
      await verifyLive(store, signer, storeUuid);
    }),
  );
}

ledgerTest("acks carry the sequence number and the hash of the stored bytes, and chains link", async (store) => {
  const { ledger, appended } = await openStore(store);
  const acks = await appendMany(ledger, 0, 100);
  await ledger.close();
  const lines = await entryLines(store);
  assert.deepEqual(
    acks.map(({ seq }) => seq),
    lines.map((_, i) => i),
  );
  assert.deepEqual(
    acks.map(({ hash }) => hash),
    lines.map((line) => leafHash(Buffer.from(line)).toString("hex")),
  );
  const third = parseEntry(lines[3] as string);
  assert.equal(parseEntry(lines[0] as string).previous_event_hash, GENESIS_HASH);
  assert.deepEqual([third.height, third.previous_event_hash], [1, acks[0]?.hash]);
  assert.equal(appended.length, 100);
});

ledgerTest("a torn last line is cut off and its place is given to the next event", async (store) => {
  const before = await openStore(store);
  await appendMany(before.ledger, 0, 10);
  await before.ledger.close();
  await appendFile(first(store), '{"action":"modified","act');
  await appendFile(firstPayloads(store), '{"salt":"00');
  const { ledger, recovered } = await openStore(store);
  assert.deepEqual(recovered, { keptUnsealed: 10, cutEvents: 1 });
  assert.equal((await ledger.append(event(10))).seq, 10);
  await ledger.close();
});

ledgerTest(
  "an entry whose payload never reached the disk is cut off, and a payload without its entry too",
  async (store) => {
    const before = await openStore(store);
    await appendMany(before.ledger, 0, 10);
    await before.ledger.close();
    const payloads = await readFile(firstPayloads(store), "utf8");
    await truncate(firstPayloads(store), payloads.lastIndexOf("\n", payloads.length - 2) + 1);
    const between = await openStore(store);
    assert.equal(between.ledger.size, 9);
    await between.ledger.close();
    await appendFile(firstPayloads(store), '{"salt":"00","seq":9,"state_snapshot":{}}\n');
    const { ledger } = await openStore(store);
    assert.equal((await ledger.append(event(10))).seq, 9);
    await ledger.close();
  },
);

/** Overwrites part of a file with zeros, as a power cut shows what never reached the disk. */
async function punch(path: string, from: number, bytes: number): Promise<void> {
  const file = await open(path, "r+");
  await file.write(Buffer.alloc(bytes), 0, bytes, from);
  await file.close();
}

const holes: [
  name: string,
  punchAt: (store: StoreLayout, tenth: { entry: number; payload: number }) => Promise<void>,
][] = [
  ["in an entry", (store, { entry }) => punch(first(store), entry + 5, 100)],
  ["across the end of an entry", (store, { entry }) => punch(first(store), entry + 200, 300)],
  ["in a payload", (store, { payload }) => punch(firstPayloads(store), payload, 20)],
  ["across the end of a payload", (store, { payload }) => punch(firstPayloads(store), payload + 20, 120)],
  [
    "from an entry to the end of its file",
    async (store, { entry }) => {
      await truncate(first(store), entry);
      await appendFile(first(store), Buffer.alloc(8192));
    },
  ],
];
for (const [name, punchAt] of holes) {
  ledgerTest(`a hole of zeros ${name}, behind what was acked, is cut off as a torn line is`, async (store) => {
    const before = await openStore(store);
    await appendMany(before.ledger, 0, 10);
    const tenth = { entry: (await stat(first(store))).size, payload: (await stat(firstPayloads(store))).size };
    await appendMany(before.ledger, 10, 3);
    await before.ledger.close();
    await punchAt(store, tenth);
    const { ledger, recovered } = await openStore(store);
    assert.deepEqual(recovered, { keptUnsealed: 10, cutEvents: 1 });
    assert.equal((await ledger.append(event(10))).seq, 10);
    await ledger.close();
  });
}

ledgerTest("the tree and the heads are completed from the entries when they are gone", async (store) => {
  const before = await openStore(store);
  await appendMany(before.ledger, 0, 300);
  await before.ledger.close();
  await rm(store.live.tree, { recursive: true });
  await mkdir(store.live.tree);
  await rm(store.index, { recursive: true });
  await mkdir(store.index);
  const { ledger } = await openStore(store);
  await appendMany(ledger, 300, 5);
  await ledger.close();
});

ledgerTest("heads that are ahead of the ledger, as after a failed fsync, are rebuilt", async (store) => {
  const before = await openStore(store);
  await appendMany(before.ledger, 0, 20);
  await before.ledger.close();
  for (const path of [first(store), firstPayloads(store)]) {
    const text = await readFile(path, "utf8");
    await writeFile(path, `${text.split("\n").slice(0, 15).join("\n")}\n`);
  }
  const { ledger } = await openStore(store);
  assert.equal(ledger.size, 15);
  await appendMany(ledger, 15, 5);
  await ledger.close();
});

ledgerTest("a heads file that is no database is made anew", async (store) => {
  const before = await openStore(store);
  await appendMany(before.ledger, 0, 20);
  await before.ledger.close();
  await writeFile(
    join(store.index, "heads.db"),
    "not a database, and longer than a header of one hundred bytes".repeat(4),
  );
  const { ledger } = await openStore(store);
  await appendMany(ledger, 20, 3);
  await ledger.close();
});

ledgerTest("a seal that never became a generation is cut off", async (store) => {
  const before = await openStore(store);
  await appendMany(before.ledger, 0, 4);
  const seal = event(0, {
    elementId: sealElementId(storeUuid),
    elementType: "Store",
    action: "sealed",
    stateJson: "{}",
  });
  await before.ledger.append(seal);
  await before.ledger.close();
  const { ledger } = await openStore(store);
  assert.equal(ledger.size, 4);
  await ledger.close();
});

ledgerTest("a retry under its key gets the first ack, also after a restart and in the same batch", async (store) => {
  const before = await openStore(store);
  const [one, two] = await Promise.all([
    before.ledger.append(event(1, { idempotencyKey: "k1" })),
    before.ledger.append(event(1, { idempotencyKey: "k1", timestamp: "2026-11-20T11:00:00.000000Z" })),
  ]);
  assert.deepEqual(two, { ...one, duplicate: true });
  await before.ledger.close();
  await rm(join(store.index, "heads.db"));
  const { ledger } = await openStore(store);
  assert.deepEqual(await ledger.append(event(1, { idempotencyKey: "k1" })), { ...one, duplicate: true });
  assert.equal(ledger.size, 1);
  await ledger.close();
});

ledgerTest("a key that names another event is refused, and the events around it are kept", async (store) => {
  const { ledger } = await openStore(store);
  await ledger.append(event(1, { idempotencyKey: "k1" }));
  const results = await Promise.allSettled([
    ledger.append(event(2)),
    ledger.append(event(3, { idempotencyKey: "k1" })),
    ledger.append(event(4)),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.equal((results[1] as PromiseRejectedResult).reason.code, "idempotency-conflict");
  assert.match((results[1] as PromiseRejectedResult).reason.message, /"k1" already names event 0/);
  await ledger.close();
});

ledgerTest("segments roll at their size and are read across", async (store) => {
  const before = await openStore(store, 2000);
  for (let i = 0; i < 20; i += 1) await before.ledger.append(event(i));
  await before.ledger.close();
  assert.ok((await readdir(store.live.entries)).length > 2);
  const { ledger } = await openStore(store, 2000);
  assert.equal(ledger.size, 20);
  await appendMany(ledger, 20, 20);
  await ledger.close();
});

ledgerTest("events are read back in order, few at a time where they are large", async (store) => {
  const { ledger } = await openStore(store);
  const large = (i: number) => event(i, { stateJson: JSON.stringify({ text: "x".repeat(1024 * 1024) }) });
  await Promise.all(Array.from({ length: 12 }, (_, i) => ledger.append(i < 2 ? event(i) : large(i))));
  const reader = new AppendedReader(store.live);
  const read: number[][] = [];
  for (let at = 0; at < 12; at = (read.at(-1)?.at(-1) as number) + 1) {
    read.push((await reader.read(at, at === 0 ? 1 : 100)).map(({ seq }) => seq));
  }
  assert.deepEqual(read, [[0], [1, 2, 3, 4, 5], [6, 7, 8, 9], [10, 11]]);
  await ledger.close();
});

ledgerTest("what elements did before their events is found again when the index is lost", async (store) => {
  const actions = ["added", "started", "failed", "stopped"];
  const before = await openLedger({ store, storeUuid, keys: [signer], generation: 0 });
  const ledger = new Ledger(before.parts, LIMITS, () => undefined, assert.ifError);
  for (let round = 0; round < 10; round += 1) {
    const events = Array.from({ length: 1 + round * 3 }, (_, i) =>
      event(i, { action: actions[(round + i) % 4] as string }),
    );
    await Promise.all(events.map((one) => ledger.append(one)));
  }
  const seqs = Array.from({ length: ledger.size }, (_, seq) => seq);
  const recent = [...before.parts.heads.recentActions(seqs)];
  assert.ok(new Set(recent).size > 10);
  await ledger.close();
  for (const suffix of ["", "-wal", "-shm"]) await rm(headsPath(store.index) + suffix, { force: true });
  const after = await openLedger({ store, storeUuid, keys: [signer], generation: 0 });
  assert.deepEqual([...after.parts.heads.recentActions(seqs)], recent);
  await new Ledger(after.parts, LIMITS, () => undefined, assert.ifError).close();
});

ledgerTest("past the bound the caller waits, and goes on when there is room", async (store) => {
  const { ledger } = await openStore(store);
  const acks: Promise<Ack>[] = [];
  let waits = 0;
  for (let i = 0; i < 1000; i += 1) {
    const room = ledger.room();
    if (room) {
      waits += 1;
      await room;
    }
    acks.push(ledger.append(event(i)));
    assert.ok(ledger.queued <= LIMITS.maxQueuedEvents);
  }
  assert.equal((await Promise.all(acks)).length, 1000);
  assert.ok(waits > 0);
  await ledger.close();
});

ledgerTest("a held ledger runs no batch until it is let go", async (store) => {
  const { ledger } = await openStore(store);
  let acked = false;
  let waiting: Promise<unknown> | undefined;
  await ledger.held(async (held) => {
    waiting = ledger.append(event(1)).then(() => {
      acked = true;
    });
    assert.equal((await held.append(event(0))).seq, 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(acked, false);
  });
  await waiting;
  assert.equal(ledger.size, 2);
  await ledger.close();
});

ledgerTest(
  "a purpose that fails after its entry stops the ledger, and the next opening undoes the entry",
  async (store) => {
    const before = await openStore(store);
    await appendMany(before.ledger, 0, 3);
    const seal = event(0, {
      elementId: sealElementId(storeUuid),
      elementType: "Store",
      action: "sealed",
      stateJson: "{}",
    });
    const failing = before.ledger.held(async (held) => {
      await held.append(seal);
      throw new Error("no space for the snapshot");
    });
    await assert.rejects(failing, /no space for the snapshot/);
    await assert.rejects(before.ledger.append(event(9)), { code: "write-failed" });
    assert.equal(before.failures.length, 1);
    await before.ledger.close();
    const { ledger } = await openStore(store);
    assert.equal(ledger.size, 3);
    await ledger.close();
  },
);

ledgerTest(
  "a lookup that fails half-way through a batch stops the ledger: no retry is acked by what was not written",
  async (store) => {
    const before = await openStore(store);
    await before.ledger.append(event(0));
    const heads = new Database(headsPath(store.index));
    heads.exec("DROP TABLE heads");
    heads.close();
    // The first event is complete in memory (its element is remembered) when the second one's element cannot be looked up.
    const failed = await Promise.allSettled([
      before.ledger.append(event(0, { idempotencyKey: "k1" })),
      before.ledger.append(event(1)),
    ]);
    assert.deepEqual(
      failed.map((result) => result.status === "rejected" && result.reason.code),
      ["write-failed", "write-failed"],
    );
    await assert.rejects(before.ledger.append(event(0, { idempotencyKey: "k1" })), { code: "write-failed" });
    assert.equal(before.failures.length, 1);
    await before.ledger.close();
    const { ledger } = await openStore(store);
    assert.equal(ledger.size, 1);
    const ack = await ledger.append(event(0, { idempotencyKey: "k1" }));
    assert.deepEqual([ack.seq, ack.duplicate], [1, false]);
    await ledger.close();
  },
);

ledgerTest("a segment that cannot be begun stops the ledger, and the next opening goes on", async (store) => {
  const before = await openStore(store, 1);
  await before.ledger.append(event(0));
  await writeFile(store.live.payloadsSegment(1), "");
  await assert.rejects(before.ledger.append(event(1)), { code: "write-failed" });
  await assert.rejects(before.ledger.append(event(2)), { code: "write-failed" });
  assert.equal(before.failures.length, 1);
  await before.ledger.close();
  const { ledger } = await openStore(store, 1);
  assert.deepEqual(
    (await appendMany(ledger, 1, 2)).map(({ seq }) => seq),
    [1, 2],
  );
  await ledger.close();
});

test("an unsealed line that was altered is refused at the opening, with its place", () =>
  withFolder(async (folder) => {
    const store = await makeStore(folder);
    const before = await openStore(store);
    await appendMany(before.ledger, 0, 10);
    await before.ledger.close();
    const path = firstPayloads(store);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace('"mtu":1503', '"mtu":1593'));
    await assert.rejects(openStore(store), (error: LedgerError) => {
      assert.equal(error.code, "corrupt");
      assert.match(error.message, /payload of event 3 \(0{20}\.jsonl at byte \d+\)/);
      return true;
    });
  }));

test("a full disk acks nothing that is not kept, and loses nothing that was acked", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withFolder(async (folder) => {
    await execa("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", folder]);
    try {
      const store = await makeStore(folder);
      const before = await openStore(store);
      const big = (i: number) => event(i, { stateJson: `{"text":"${"x".repeat(20_000)}"}` });
      const results = await Promise.allSettled(Array.from({ length: 300 }, (_, i) => before.ledger.append(big(i))));
      const acked = results.filter(({ status }) => status === "fulfilled").length;
      assert.ok(acked > 0 && acked < 300);
      assert.equal(before.failures[0]?.code, "write-failed");
      await before.ledger.close().catch(() => undefined);
      await execa("mount", ["-o", "remount,size=64m", folder]);
      const { ledger } = await openStore(store);
      assert.ok(ledger.size >= acked);
      assert.equal((await ledger.append(event(0))).seq, ledger.size - 1);
      await ledger.close();
      await verifyLive(store, signer, storeUuid);
    } finally {
      await execa("umount", [folder]);
    }
  });
});

test("callers that wait for their ack before they send again share rounds, and one alone has a round to itself", async () => {
  await withFolder(async (folder) => {
    const batches: number[] = [];
    const store = await makeStore(folder);
    const { parts } = await openLedger({ store, storeUuid, keys: [signer], generation: 0 });
    const onAppended = (events: AppendedEvent[]) => batches.push(events.length);
    const ledger = new Ledger(parts, LIMITS, onAppended, () => undefined);
    for (let i = 0; i < 5; i += 1) await ledger.append(event(i));
    assert.deepEqual(batches, [1, 1, 1, 1, 1]);
    const inTurn = async (caller: number) => {
      for (let i = 0; i < 20; i += 1) await ledger.append(event(caller * 100 + i));
    };
    await Promise.all(Array.from({ length: 30 }, (_, caller) => inTurn(caller)));
    assert.equal(ledger.size, 605);
    assert.ok(batches.length - 5 < 20 * 3, `${batches.length} rounds for 20 events of each caller`);
    await ledger.close();
    await verifyLive(store, signer, storeUuid);
  });
});
