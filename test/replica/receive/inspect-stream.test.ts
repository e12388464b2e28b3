// Streams put together by hand, command by command: what the inspector must stop before `btrfs receive` sees it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { StreamInspector } from "../../../replica/receive/inspect-stream.js";
import { segmentName } from "../../../shared/format/segment-name.js";
import { formatCommand, formatStream, type SendCommand, sendCommand } from "../../support/send-by-hand.js";

const UUID = Buffer.alloc(16, 1);
const PARENT_UUID = Buffer.alloc(16, 2);
const PARENT = "02020202-0202-0202-0202-020202020202";
const ENTRIES = `entries/${segmentName(0, "jsonl")}`;

const subvol = (path: string) => sendCommand("subvol", { path, uuid: UUID });
const snapshot = (path: string) => sendCommand("snapshot", { path, uuid: UUID, cloneUuid: PARENT_UUID });
const end = sendCommand("end", {});

/** Both subvolumes of a full send, with `commands` in the first. */
function fullPush(...commands: SendCommand[]): Buffer {
  return Buffer.concat([formatStream([subvol("timing"), ...commands, end]), formatStream([subvol("vector"), end])]);
}

/** Resolves with the bytes that passed. */
async function inspect(stream: Buffer, { base = undefined as string | undefined, chunkBytes = 1000 } = {}) {
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; at += chunkBytes) chunks.push(stream.subarray(at, at + chunkBytes));
  const inspector = new StreamInspector(base === undefined ? undefined : { timing: base, vector: base });
  let passedBytes = 0;
  for (const chunk of chunks) {
    inspector.inspect(chunk);
    passedBytes += chunk.length;
  }
  inspector.requireWhole();
  return { passedBytes, inspector };
}

describe("the inspector", () => {
  test("lets a stream through byte for byte, however it is cut", async () => {
    const make = sendCommand("mkfile", { path: "o257-7-0", inode: 257 });
    const move = sendCommand("rename", { path: "o257-7-0", pathTo: ENTRIES });
    const write = sendCommand("write", { path: ENTRIES, offset: 0, data: Buffer.alloc(5000) });
    const stream = fullPush(make, move, write);
    for (const chunkBytes of [1, 7, 100_000]) {
      const { passedBytes, inspector } = await inspect(stream, { chunkBytes });
      assert.equal(passedBytes, stream.length);
      assert.deepEqual([...(inspector.subvolumes.get("timing")?.made ?? [])], ["o257-7-0", ENTRIES]);
    }
  });

  test("refuses an empty subvolume that names a parent, and a snapshot that names none", async () => {
    const empty = { ...snapshot("timing"), code: subvol("timing").code };
    const increment = Buffer.concat([formatStream([empty, end]), formatStream([snapshot("vector"), end])]);
    await assert.rejects(inspect(increment, { base: PARENT }), { code: "bad-stream", message: /contradicts itself/ });
    const bare = { ...subvol("timing"), code: snapshot("timing").code };
    await assert.rejects(inspect(formatStream([bare, end])), { code: "bad-stream", message: /contradicts itself/ });
    const honest = Buffer.concat([formatStream([snapshot("timing"), end]), formatStream([snapshot("vector"), end])]);
    await inspect(honest, { base: PARENT });
  });

  test("refuses an SELinux label for a path outside the layout", async () => {
    const label = (path: string) => sendCommand("setXattr", { path, xattrName: "security.selinux", xattrData: "x" });
    await inspect(fullPush(label(ENTRIES)));
    await assert.rejects(inspect(fullPush(label("../../../etc/passwd"))), { code: "not-verified" });
  });

  test("refuses a file that is read whole and longer than any, under whichever name it grows", async () => {
    const [path, orphan] = ["checkpoint", "o1-1-1"];
    const hole = (file: string, size: number) => sendCommand("truncate", { path: file, size });
    const written = sendCommand("write", { path, offset: 2 ** 31, data: "x" });
    const renamed = [
      sendCommand("mkfile", { path: orphan, inode: 1 }),
      hole(orphan, 2 ** 31),
      sendCommand("rename", { path: orphan, pathTo: path }),
    ];
    const twice = [
      sendCommand("mkfile", { path: ENTRIES, inode: 1 }),
      hole(ENTRIES, 2 ** 31),
      sendCommand("rename", { path: ENTRIES, pathTo: orphan }),
      sendCommand("rename", { path: orphan, pathTo: path }),
    ];
    for (const commands of [[hole(path, 2 ** 31)], [written], renamed, twice]) {
      await assert.rejects(inspect(fullPush(...commands)), { code: "not-verified", message: /65536 are allowed/ });
    }
    const old = Buffer.concat([
      formatStream([snapshot("timing"), end]),
      formatStream([snapshot("vector"), hole("space/space.json", 2 ** 31), end]),
    ]);
    await assert.rejects(inspect(old, { base: PARENT }), { code: "not-verified", message: /65536 are allowed/ });
    await inspect(
      fullPush(sendCommand("mkfile", { path: ENTRIES, inode: 1 }), hole(ENTRIES, 2 ** 31), hole(path, 300)),
    );
  });

  test("refuses a stream that makes files without end", async () => {
    function* endless(): Generator<Buffer> {
      yield formatStream([subvol("timing")]);
      for (let i = 0; i < 200_000; i += 1) yield formatCommand(sendCommand("mkfile", { path: `o${i}-1-1`, inode: i }));
    }
    const inspector = new StreamInspector(undefined);
    assert.throws(
      () => {
        for (const chunk of endless()) inspector.inspect(chunk);
      },
      { code: "bad-stream", message: /far more files/ },
    );
    assert.ok((inspector.subvolumes.get("timing")?.made.size ?? 0) <= 100_001);
  });

  test("refuses a command that says it is longer than any, before btrfs receive makes room for it", async () => {
    const begin = formatStream([subvol("timing")]);
    const header = Buffer.alloc(10);
    header.writeUInt32LE(0xffff_fff0, 0);
    header.writeUInt16LE(sendCommand("write", {}).code, 4);
    const inspector = new StreamInspector(undefined);
    inspector.inspect(begin);
    assert.throws(() => inspector.inspect(header), {
      code: "bad-stream",
      message: /a command of 4294967280 bytes/,
    });
  });
});
