import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { receiveGeneration } from "../../../replica/receive/receive-generation.js";
import { ReplicaRoom } from "../../../replica/receive/require-room.js";
import { freeSpace } from "../../../shared/store/btrfs.js";
import { SpareProcesses } from "../../../shared/store/spare-processes.js";
import { NOTHING_KEPT } from "../../support/nothing-kept.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { formatCommand, formatStream, type SendCommand, sendCommand } from "../../support/send-by-hand.js";
import { withVolume } from "../../support/with-volume.js";

const MIB = 1024 * 1024;

interface Push {
  stream: Readable;
  encoding?: "identity" | "zstd";
  stallMs?: number;
  minFreeBytes?: number;
}

function receive(root: string, { minFreeBytes = 0, ...more }: Push) {
  const spares = new SpareProcesses({ spares: 0, shells: 0 });
  const common = {
    encoding: "identity",
    base: undefined,
    stallMs: 60_000,
    room: new ReplicaRoom(root, minFreeBytes),
    spares,
    ...NOTHING_KEPT,
  } as const;
  return receiveGeneration({ dir: join(root, "arrival"), ...common, ...more });
}

for (const encoding of ["identity", "zstd"] as const) {
  test(`a push that has no stream at all ends by itself, and its programs with it (${encoding})`, async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withVolume(async (root) => {
      // The stall comes after the push was refused: nothing may be left that it would fall upon.
      const noStream = receive(root, { stream: undefined as unknown as Readable, encoding, stallMs: 50 });
      await assert.rejects(noStream, { name: "ReceiveError", code: "bad-stream" });
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.deepEqual(await readdir(join(root, "arrival")), []);
    });
  });
}

test("a push that brings no more bytes is ended by the stall watchdog", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withVolume(async (root) => {
    const stream = new PassThrough();
    stream.write("btrfs-stream\0");
    await assert.rejects(receive(root, { stream, stallMs: 50 }), { code: "bad-stream", message: /no byte arrived/ });
  });
});

test("a push that would fill the volume is ended while it comes in", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withVolume(async (root) => {
    const { freeBytes } = await freeSpace(root);
    const minFreeBytes = freeBytes - 150 * MIB;
    let sentBytes = 0;
    const stream = Readable.from(endlessPush((bytes) => (sentBytes += bytes)));
    await assert.rejects(receive(root, { stream, minFreeBytes }), { code: "no-space", message: /min_free_bytes/ });
    // The first look that finds too little is at most 64 MiB late; what waits in the pipes comes on top.
    assert.ok(sentBytes < 300 * MIB, `${sentBytes} bytes were taken`);
    assert.ok((await freeSpace(root)).freeBytes > minFreeBytes - 100 * MIB);
  }, 1024 * MIB);
});

/** A segment of random bytes, which do not compress, that does not end. */
function* endlessPush(onSent: (bytes: number) => void): Generator<Buffer> {
  const path = "o257-7-0";
  const begin = sendCommand("subvol", { path: "timing", uuid: Buffer.alloc(16, 1), ctransid: 1 });
  yield formatStream([begin, sendCommand("mkfile", { path, inode: 257 })]);
  const data = randomBytes(48 * 1024);
  for (let offset = 0; ; offset += data.length) {
    data.writeBigUInt64LE(BigInt(offset));
    const write = formatCommand(sendCommand("write", { path, offset, data }));
    onSent(write.length);
    yield write;
  }
}

test("what btrfs receive says is told as the reason", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withVolume(async (root) => {
    const subvolume = (path: string, commands: SendCommand[]) =>
      formatStream([
        sendCommand("subvol", { path, uuid: Buffer.alloc(16, 1), ctransid: 1 }),
        ...commands,
        sendCommand("end", {}),
      ]);
    const write = sendCommand("write", { path: "checkpoint", offset: 0, data: "x" });
    const stream = Readable.from([subvolume("timing", [write]), subvolume("vector", [])]);
    await assert.rejects(receive(root, { stream }), {
      code: "bad-stream",
      message: /stream: cannot open .*checkpoint/,
    });
  });
});
