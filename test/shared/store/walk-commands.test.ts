import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CommandWalker, STREAM_START } from "../../../shared/store/walk-commands.js";
import { formatCommand, formatStream, sendCommand } from "../../support/send-by-hand.js";

const begin = sendCommand("subvol", { path: "timing", uuid: Buffer.alloc(16, 1), ctransid: 7 });
const write = (fill: number) => sendCommand("write", { path: "x", offset: 0, data: Buffer.alloc(3000, fill) });
const end = sendCommand("end", {});

/** Two streams back to back, as a push is, and the places at which their commands end. */
function makePush(...fills: number[]): { bytes: Buffer; ends: number[] } {
  const streams = [
    [begin, ...fills.map(write), end],
    [begin, end],
  ];
  const ends: number[] = [];
  let at = 0;
  for (const commands of streams) {
    at += formatStream([]).length;
    for (const command of commands) {
      at += formatCommand(command).length;
      ends.push(at);
    }
  }
  return { bytes: Buffer.concat(streams.map(formatStream)), ends };
}

function walkAll(bytes: Buffer, chunkBytes: number, walker = new CommandWalker()): number[] {
  const ends: number[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    if (walker.walk(bytes.subarray(at, at + chunkBytes)) > 0) ends.push(walker.place.bytes);
  }
  return ends;
}

describe("the walk over commands", () => {
  const { bytes, ends } = makePush(1, 2, 3);

  test("finds the end of each, over the end of a stream too, byte by byte", () => {
    assert.deepEqual(walkAll(bytes, 1), ends);
  });

  test("comes to the same digest however the bytes are cut, and says where in a chunk the last end is", () => {
    const walker = new CommandWalker();
    assert.equal(walker.walk(bytes.subarray(0, -1)), ends.at(-2));
    const whole = new CommandWalker();
    walkAll(bytes, bytes.length, whole);
    for (const chunkBytes of [1, 7, 1000, 4096]) {
      const walker = new CommandWalker();
      walkAll(bytes, chunkBytes, walker);
      assert.deepEqual(walker.place, whole.place);
    }
    assert.equal(whole.place.bytes, bytes.length);
  });

  test("goes on from each end, in the middle of a stream and between two, as if it had never stopped", () => {
    const whole = new CommandWalker();
    whole.walk(bytes);
    for (const [index, end] of ends.entries()) {
      const first = new CommandWalker();
      assert.equal(first.walk(bytes, end), end);
      const isStreamEnd = index === 4 || index === ends.length - 1;
      const second = new CommandWalker(first.place, isStreamEnd);
      second.walk(bytes.subarray(end));
      assert.deepEqual(second.place, whole.place);
    }
  });

  test("stops behind the place that it is given when that is not the end of a command", () => {
    const walker = new CommandWalker();
    const [first = 0] = ends;
    assert.equal(walker.walk(bytes, first - 1), first);
  });

  test("tells streams apart that differ in one byte of data", () => {
    const [one, other] = [new CommandWalker(), new CommandWalker()];
    one.walk(makePush(1, 2, 3).bytes);
    other.walk(makePush(1, 9, 3).bytes);
    assert.equal(one.place.bytes, other.place.bytes);
    assert.notEqual(one.place.digest, other.place.digest);
    assert.notEqual(one.place.digest, STREAM_START.digest);
  });
});
