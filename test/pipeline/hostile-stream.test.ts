// A stolen transport key: streams that a primary would never send, some under a valid, signed checkpoint. Each must be
// refused with its place named, change nothing, and leave the next honest push to go through as an increment.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { heuristicSpace } from "../../shared/embed/heuristic.js";
import { segmentName } from "../../shared/format/segment-name.js";
import { spaceName } from "../../shared/format/space.js";
import { currentGeneration } from "../../shared/store/generations.js";
import type { StoreLayout, TreeLayout } from "../../shared/store/layout.js";
import {
  eventually,
  expectConverged,
  ingest,
  linkBecomes,
  listSubvolumes,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  storeOf,
  wakeLink,
} from "../support/drive-fleet.js";
import {
  forgePair,
  formatStream,
  pushByHand,
  type Refusal,
  rewriteStream,
  SEND,
  type SendCommand,
  sendCommand,
  sendPair,
  sendStream,
} from "../support/send-by-hand.js";
import { type Fleet, makeFleet } from "../support/start-fleet.js";

const FIRST = segmentName(0, "jsonl");
const SPACE = spaceName(heuristicSpace);

describe("a replica that gets a hostile stream", () => {
  let fleet: Fleet;
  let primary: StoreLayout;
  let replica: StoreLayout;
  let store: string;
  /** The generation that the replica holds, kept here as parent for streams made by hand. */
  let held: number;
  let base: Awaited<ReturnType<typeof forgePair>>;

  before(async () => {
    fleet = await makeFleet({
      volume: "256M",
      primary: QUIET,
      replica: { receive: { min_free_bytes: "8MiB" } },
    });
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    [primary, replica] = [await storeOf(fleet, "primary"), await storeOf(fleet, "replica")];
    store = primary.dir.split("/").at(-1) as string;
    await ingest(fleet, someEvents(400, "old"));
    await seal(fleet);
    await expectConverged(fleet);
  });
  after(() => fleet?.stop());

  /** Has the primary seal `count` new events that the replica does not get, then runs `attack` on that generation. */
  async function withUnsentGeneration(attack: (base: TreeLayout, newest: TreeLayout) => Promise<void>, count = 20) {
    const { ledger } = await primaryStatus(fleet);
    held = ledger.generation;
    await linkBecomes(fleet, (link) => link.generation === held && link.health === "healthy");
    const parent = primary.generation(held);
    await fleet.sshd.pause();
    try {
      await ingest(fleet, someEvents(count, `new${held}`));
      await seal(fleet);
      await attack(parent, primary.generation(held + 1));
      assert.equal(currentGeneration(replica), held);
      assert.deepEqual(await readdir(replica.staging), []);
      await eventually(
        async () => (await listSubvolumes(fleet.replica.root)).length === 2,
        () => "the replica keeps more than its current generation",
      );
    } finally {
      fleet.sshd.resume();
    }
    await wakeLink(fleet);
    const { last_push } = await linkBecomes(fleet, (link) => link.generation === held + 1 && link.health === "healthy");
    assert.equal(last_push?.kind, "increment");
  }

  const push = (body: Buffer, more: object = {}) =>
    pushByHand({ socketPath: fleet.replica.socket("agent"), store, generation: held + 1, base: held, body, ...more });

  async function forge(
    parent: TreeLayout,
    newest: TreeLayout,
    change: (tree: TreeLayout) => Promise<unknown>,
  ): Promise<Refusal> {
    base = await forgePair(newest, change);
    try {
      return await push(await sendPair(base.tree, parent));
    } finally {
      await base.remove();
    }
  }

  const forgeries: { name: string; change: (tree: TreeLayout) => Promise<unknown>; place: RegExp; count?: number }[] = [
    {
      name: "an old entry's byte changed, with many new entries behind it",
      change: (tree) => flipByte(tree.entriesSegment(0), 50),
      place: new RegExp(`timing/entries/${FIRST}`),
      count: 5000,
    },
    {
      name: "an old payload's byte changed",
      change: (tree) => flipByte(tree.payloadsSegment(0), 60),
      place: new RegExp(`timing/payloads/${FIRST}`),
    },
    {
      name: "an old vector changed",
      change: (tree) => flipByte(tree.rows(SPACE, 0), 300),
      place: new RegExp(`vector/${SPACE}/`),
    },
    {
      name: "an old hash changed",
      change: (tree) => flipByte(tree.treeLevel(0), 33),
      place: /timing\/tree\/0\.hashes/,
    },
    {
      name: "the definition of the space changed",
      change: (tree) => flipByte(tree.spaceFile(SPACE), 20),
      place: /space\.json/,
    },
    {
      name: "an old segment replaced by another file under its name",
      change: async (tree) => {
        const bytes = await readFile(tree.entriesSegment(0));
        bytes[50] = (bytes[50] as number) ^ 1;
        await writeFile(join(tree.entries, "x"), bytes);
        await rename(join(tree.entries, "x"), tree.entriesSegment(0));
      },
      place: new RegExp(`timing/entries/${FIRST}`),
    },
    {
      name: "an old segment truncated",
      change: (tree) => truncate(tree.payloadsSegment(0), 1000),
      place: /timing\/payloads/,
    },
    { name: "an old segment removed", change: (tree) => rm(tree.payloadsSegment(0)), place: /timing\/payloads/ },
    {
      name: "a new entry's byte changed",
      change: async (tree) => flipByte(tree.entriesSegment(0), (await readFile(tree.entriesSegment(0))).length - 600),
      place: new RegExp(`timing/entries/${FIRST}`),
    },
    {
      name: "bytes behind what the checkpoint covers",
      change: (tree) => writeFile(tree.entriesSegment(0), "{}\n", { flag: "a" }),
      place: new RegExp(`timing/entries/${FIRST}`),
    },
    {
      name: "a symlink smuggled in",
      change: (tree) => symlink("/etc/passwd", join(tree.entries, "00000000000000000999.jsonl")),
      place: /has no place in a generation: it has command 8/,
    },
    {
      name: "a segment turned into a symlink",
      change: async (tree) => {
        await rm(tree.entriesSegment(0));
        await symlink("/etc/passwd", tree.entriesSegment(0));
      },
      place: new RegExp(`timing/entries/${FIRST}`),
    },
    {
      name: "a device smuggled in",
      change: (tree) => execa("mknod", [join(tree.timing, "null"), "c", "1", "3"]),
      place: /has no place in a generation: it has command 5/,
    },
    {
      name: "an extra file beside the vectors",
      change: (tree) => writeFile(join(tree.vector, "x.sh"), "exit 1"),
      place: /x\.sh/,
    },
    { name: "an extra folder", change: (tree) => mkdir(join(tree.timing, "more")), place: /timing\/more/ },
    {
      name: "another checkpoint",
      change: (tree) => flipByte(tree.checkpoint, 40),
      place: /timing\/checkpoint/,
    },
    {
      name: "another generation's number",
      change: (tree) => writeFile(tree.vectorGeneration, "77\n"),
      place: /vector\/generation/,
    },
  ];

  for (const { name, change, place, count } of forgeries) {
    test(`refuses ${name}`, async () => {
      await withUnsentGeneration(async (parent, newest) => {
        const refusal = await forge(parent, newest, change);
        assert.equal(refusal.code, "not-verified", JSON.stringify(refusal));
        assert.equal(refusal.status, 422);
        assert.match(refusal.detail, place);
      }, count);
    });
  }

  test("refuses an arrival that is whole but not what was announced", async () => {
    await withUnsentGeneration(async (parent, newest) => {
      const pair = await forgePair(newest, async () => undefined);
      const good = await sendPair(pair.tree, parent);
      const [timing, vector] = [
        await sendStream(pair.tree.timing, parent.timing),
        await sendStream(pair.tree.vector, parent.vector),
      ];
      const whole = await sendPair(pair.tree);
      await pair.remove();
      const refused = async (body: Buffer, code: string, more: object = {}) => {
        const refusal = await push(body, more);
        assert.equal(refusal.code, code, JSON.stringify(refusal));
        return refusal;
      };
      // One subvolume only, in the wrong order, twice the same, cut short, with rubbish behind, or rubbish only.
      await refused(timing, "bad-stream");
      await refused(vector, "bad-stream");
      await refused(Buffer.concat([timing, timing]), "bad-stream");
      await refused(good.subarray(0, good.length - 100), "bad-stream");
      await refused(good.subarray(0, timing.length / 2), "bad-stream");
      await refused(Buffer.concat([good, Buffer.alloc(5000, "rubbish")]), "bad-stream");
      await refused(Buffer.alloc(20_000, "garbage"), "bad-stream");
      await refused(Buffer.alloc(0), "bad-stream");
      await refused(good, "bad-stream", { headers: { "content-encoding": "zstd" } });
      // Whole where an increment is announced, and the other way round.
      await refused(whole, "bad-stream");
      await refused(good, "bad-stream", { base: undefined });
      // A number that goes back, a base that is not held, a header that is not of the protocol.
      await refused(good, "regressed", { generation: held });
      await refused(good, "base-missing", { base: held + 5 });
      await refused(good, "not-verified", { generation: held + 9 });
      await refused(good, "bad-request", { base: "x" });
      await refused(good, "bad-request", { store: "00000000-0000-4000-8000-000000000000" });
    });
  });

  test("refuses an old byte that is rewritten by a command whose parts are in another order", async () => {
    await withUnsentGeneration(async (parent, newest) => {
      const pair = await forgePair(newest, (tree) => flipByte(tree.entriesSegment(0), 50));
      const [timing, vector] = [
        await sendStream(pair.tree.timing, parent.timing),
        await sendStream(pair.tree.vector, parent.vector),
      ];
      await pair.remove();
      const dataFirst = rewriteStream(timing, (command) => {
        if (command.code !== SEND.write) return [command];
        const isData = ({ type }: { type: number }) => type === SEND.data;
        const { attributes } = command;
        return [{ ...command, attributes: [...attributes].sort((a, b) => Number(isData(b)) - Number(isData(a))) }];
      });
      const refusal = await push(Buffer.concat([dataFirst, vector]));
      assert.equal(refusal.code, "not-verified", JSON.stringify(refusal));
      assert.match(refusal.detail, new RegExp(`timing/entries/${FIRST}`));
    });
  });

  test("refuses paths that lead out of the arrival, or to another name than a generation has", async () => {
    await withUnsentGeneration(async (parent, newest) => {
      const [timing, vector] = [
        await sendStream(newest.timing, parent.timing),
        await sendStream(newest.vector, parent.vector),
      ];
      for (const path of ["../../../../escaped", "/escaped", "entries/../../../escaped", "entries/x\0.jsonl"]) {
        const crafted = rewriteStream(timing, (command) => {
          const attributes = command.attributes.map((attribute) =>
            attribute.type === SEND.path ? { ...attribute, value: Buffer.from(path) } : attribute,
          );
          return command.code === SEND.mkfile || command.code === SEND.write ? [{ ...command, attributes }] : [command];
        });
        const refusal = await push(Buffer.concat([crafted, vector]));
        assert.equal(refusal.code, "not-verified", JSON.stringify(refusal));
      }
      const found = await execa("find", [fleet.replica.root, "-name", "*escaped*"]);
      assert.equal(found.stdout, "");
    });
  });

  test("refuses a ledger that is a hole of a terabyte under the head that hello gives away", async () => {
    await withUnsentGeneration(async () => {
      const checkpoint = await readFile(primary.generation(held).checkpoint);
      const commands = ["entries", "payloads", "tree"].map((path) => sendCommand("mkdir", { path, inode: 1 }));
      for (const folder of ["entries", "payloads"]) {
        const path = `${folder}/${FIRST}`;
        commands.push(sendCommand("mkfile", { path, inode: 2 }), sendCommand("truncate", { path, size: 2 ** 40 }));
      }
      const write = (path: string, data: Buffer) => [
        sendCommand("mkfile", { path, inode: 3 }),
        sendCommand("write", { path, offset: 0, data }),
      ];
      commands.push(...write("checkpoint", checkpoint));
      const subvolume = (path: string, body: SendCommand[]) => {
        const begin = sendCommand("subvol", { path, uuid: randomBytes(16), ctransid: 1 });
        return formatStream([begin, ...body, sendCommand("end", {})]);
      };
      const vector = write("generation", Buffer.from(`${held + 1}\n`));
      const body = Buffer.concat([subvolume("timing", commands), subvolume("vector", vector)]);
      const refusal = await push(body, { base: undefined });
      assert.equal(refusal.code, "not-verified", JSON.stringify(refusal));
      assert.match(refusal.detail, /the events end at 0; .*timing\/(?:entries|payloads)/);
    });
  });

  test("says why it refuses a long stream in its middle", async () => {
    await withUnsentGeneration(async () => {
      const refusal = await pushByHand({
        socketPath: fleet.replica.socket("agent"),
        store,
        generation: held + 1,
        base: held,
        body: async (write) => {
          for (let i = 0; i < 64; i += 1) await Promise.race([write(Buffer.alloc(256 * 1024, "garbage")), pause(50)]);
        },
      });
      assert.equal(refusal.code, "bad-stream", JSON.stringify(refusal));
    });
  });

  test("takes one push at a time and tells the other that it is busy", async () => {
    await withUnsentGeneration(async (parent, newest) => {
      const pair = await forgePair(newest, (tree) => flipByte(tree.entriesSegment(0), 50));
      const good = await sendPair(pair.tree, parent);
      await pair.remove();
      let second: Refusal | undefined;
      const first = await push(Buffer.alloc(0), {
        body: async (write: (chunk: Buffer) => Promise<void>) => {
          await write(good.subarray(0, 100));
          await eventually(
            async () => (await readdir(replica.staging)).length > 0,
            () => "the first is not taken",
          );
          second = await push(good);
          await write(good.subarray(100));
        },
      });
      assert.equal(second?.code, "busy", JSON.stringify(second));
      assert.equal(first.code, "not-verified", JSON.stringify(first));
    });
  });

  test("after all of it both sides are intact and the replica answers from the newest generation", async () => {
    await expectConverged(fleet);
    const { stores } = await askSocket<{ stores: { generation: number }[] }>({
      socketPath: fleet.replica.socket("query"),
      path: "/v1/status",
    });
    assert.equal(stores[0]?.generation, currentGeneration(replica));
  });
});

async function flipByte(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] as number) ^ 1;
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}
