// Increments as `btrfs send` makes them, with commands added that only a forger sends, through the real receive: the
// inspector and the comparison with the base together must refuse each, whatever checkpoint comes with it.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { appendFile, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { checkUntouched } from "../../../replica/receive/check-untouched.js";
import { type Arrived, receiveGeneration } from "../../../replica/receive/receive-generation.js";
import { ReplicaRoom } from "../../../replica/receive/require-room.js";
import { segmentName } from "../../../shared/format/segment-name.js";
import { createSubvolume, snapshotReadOnly } from "../../../shared/store/btrfs.js";
import { SUBVOLUMES, TreeLayout } from "../../../shared/store/layout.js";
import { SpareProcesses } from "../../../shared/store/spare-processes.js";
import { checkLayout } from "../../../shared/verify/check-layout.js";
import { NOTHING_KEPT } from "../../support/nothing-kept.js";
import { ROOT } from "../../support/require-part.js";
import { appendCommands, type SendCommand, sendCommand, sendStream } from "../../support/send-by-hand.js";
import { makeVolume } from "../../support/with-volume.js";

const ENTRIES = [0, 10, 20].map((seq) => `entries/${segmentName(seq, "jsonl")}`) as [string, string, string];
const ROWS = [0, 10].map((seq) => `space/${segmentName(seq, "vec")}`) as [string, string];
const BETWEEN = `entries/${segmentName(5, "jsonl")}`;
const OLD_BYTES = "old\n".repeat(3000);
const ORPHAN = "o1-1-1";
const TAKES_AWAY = /took an old segment away|replaced what was there before/;

const make = (path: string) => sendCommand("mkfile", { path, inode: 999 });
const move = (path: string, pathTo: string) => sendCommand("rename", { path, pathTo });
const remove = (path: string) => sendCommand("unlink", { path });
const write = (path: string, offset: number, data: string) => sendCommand("write", { path, offset, data });

const FORGERIES: { name: string; timing?: SendCommand[]; vector?: SendCommand[]; message: RegExp }[] = [
  {
    name: "empties an old segment and takes it away under another name",
    timing: [make(ENTRIES[0]), move(ENTRIES[0], ORPHAN), remove(ORPHAN)],
    message: TAKES_AWAY,
  },
  {
    name: "takes an old file of rows away under another name",
    vector: [make(ROWS[0]), move(ROWS[0], ORPHAN), remove(ORPHAN)],
    message: TAKES_AWAY,
  },
  {
    name: "empties an old segment and leaves it so",
    timing: [make(ENTRIES[0])],
    message: /replaced what was there before/,
  },
  {
    name: "puts a new file in an old segment's place",
    timing: [make(ORPHAN), write(ORPHAN, 0, "new\n"), move(ORPHAN, ENTRIES[1])],
    message: /replaced what was there before/,
  },
  { name: "puts a segment between old ones", timing: [make(BETWEEN)], message: /put a segment between old ones/ },
  {
    name: "puts a file of rows between old ones",
    vector: [make(`space/${segmentName(5, "vec")}`)],
    message: /put a segment between old ones/,
  },
  {
    name: "lengthens a segment that another one follows",
    timing: [write(ENTRIES[1], OLD_BYTES.length, "new\n")],
    message: /changed the length of a file that is closed/,
  },
  {
    name: "lengthens a closed segment without writing to it",
    timing: [sendCommand("truncate", { path: ENTRIES[1], size: 1_000_000 })],
    message: /changed the length of a file that is closed/,
  },
  {
    name: "lengthens the definition of a space",
    vector: [write("space/space.json", 3, " ")],
    message: /changed the length of a file that is closed/,
  },
  {
    name: "rewrites old bytes of the segment that grows",
    timing: [write(ENTRIES[2], 40, "bad\n")],
    message: /rewrote what was verified before/,
  },
];

const skip = process.geteuid?.() === 0 || process.env.CI === "true" ? false : `root is missing; ${ROOT.howToGet}`;

describe("an increment beside its base", { skip }, () => {
  let volume: Awaited<ReturnType<typeof makeVolume>>;
  let parent: TreeLayout;
  let next: TreeLayout;
  let base: Arrived;
  let streams: { timing: Buffer; vector: Buffer };

  before(async () => {
    volume = await makeVolume();
    const live = new TreeLayout(join(volume.root, "live"));
    await mkdir(live.dir);
    for (const name of SUBVOLUMES) await createSubvolume(live.subvolume(name));
    for (const dir of [live.entries, live.payloads, live.tree, live.space("space")]) await mkdir(dir);
    for (const path of ENTRIES) await writeFile(join(live.timing, path), OLD_BYTES);
    for (const path of ROWS) await writeFile(join(live.vector, path), OLD_BYTES);
    await writeFile(live.payloadsSegment(0), OLD_BYTES);
    await writeFile(live.treeLevel(0), Buffer.alloc(6400));
    await writeFile(live.spaceFile("space"), "{}\n");
    await seal(live, 1);
    parent = await snapshot(live, "1");
    await appendFile(join(live.timing, ENTRIES[2]), "more\n");
    await writeFile(live.entriesSegment(30), "newest\n");
    await appendFile(live.payloadsSegment(0), "more\n".repeat(2000));
    await appendFile(live.treeLevel(0), Buffer.alloc(64));
    await appendFile(join(live.vector, ROWS[1]), "rows");
    await writeFile(live.rows("space", 40), "rows");
    await seal(live, 2);
    next = await snapshot(live, "2");
    const [timing, vector] = await Promise.all(SUBVOLUMES.map((name) => sendStream(parent.subvolume(name))));
    base = await receive([timing as Buffer, vector as Buffer], undefined);
    streams = {
      timing: await sendStream(next.timing, parent.timing),
      vector: await sendStream(next.vector, parent.vector),
    };
  });
  after(() => volume?.remove());

  async function snapshot(live: TreeLayout, name: string): Promise<TreeLayout> {
    const tree = new TreeLayout(join(volume.root, name));
    await mkdir(tree.dir);
    for (const part of SUBVOLUMES) await snapshotReadOnly(live.subvolume(part), tree.subvolume(part));
    return tree;
  }

  async function receive(parts: Buffer[], on: Arrived | undefined): Promise<Arrived> {
    const said = (name: "timing" | "vector") => on?.inspected.get(name)?.uuid ?? "";
    const arrived = await receiveGeneration({
      dir: join(volume.root, `arrival-${randomUUID()}`),
      stream: Readable.from(parts),
      encoding: "identity",
      base: on && { timing: said("timing"), vector: said("vector") },
      stallMs: 60_000,
      room: new ReplicaRoom(volume.root, 0),
      spares: new SpareProcesses({ spares: 0, shells: 0 }),
      ...NOTHING_KEPT,
    });
    await arrived.settled;
    return arrived;
  }

  test("passes with grown, new and replaced files as a primary makes them", async () => {
    const arrived = await receive([streams.timing, streams.vector], base);
    await checkUntouched(listed(base), listed(arrived), arrived.inspected);
  });

  for (const { name, timing = [], vector = [], message } of FORGERIES) {
    test(`is refused when it ${name}`, async () => {
      const forged = [appendCommands(streams.timing, timing), appendCommands(streams.vector, vector)];
      const arrived = await receive(forged, base);
      const checking = async () => checkUntouched(listed(base), listed(arrived), arrived.inspected);
      await assert.rejects(checking, { verdict: "tampered", message });
    });
  }

  test("is let through when it writes the same bytes to a closed file again, as after a defragmentation", async () => {
    const again = appendCommands(streams.timing, [write(ENTRIES[0], 0, OLD_BYTES)]);
    const arrived = await receive([again, streams.vector], base);
    await checkUntouched(listed(base), listed(arrived), arrived.inspected);
  });
});

const listed = ({ tree }: Arrived) => ({ tree, files: checkLayout(tree) });

/** What every seal replaces, by rename as it does. */
async function seal(live: TreeLayout, generation: number): Promise<void> {
  for (const path of [live.checkpoint, live.vectorGeneration]) {
    await writeFile(`${path}.new`, `${generation}\n`);
    await rename(`${path}.new`, path);
  }
}
