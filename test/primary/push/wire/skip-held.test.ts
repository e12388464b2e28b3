import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { skipHeld } from "../../../../primary/push/wire/skip-held.js";
import { CommandWalker } from "../../../../shared/store/walk-commands.js";
import { formatStream, sendCommand } from "../../../support/send-by-hand.js";

const begin = sendCommand("subvol", { path: "timing", uuid: Buffer.alloc(16, 1), ctransid: 7 });
const write = (fill: number) => sendCommand("write", { path: "x", offset: 0, data: Buffer.alloc(3000, fill) });
const push = (...fills: number[]) => formatStream([begin, ...fills.map(write), sendCommand("end", {})]);
const { signal } = new AbortController();

/** The push in chunks; notes when it is let go. */
function sourceOf(bytes: Buffer, chunkBytes: number) {
  const state = { ended: false };
  async function* chunks(): AsyncGenerator<Buffer> {
    try {
      for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
    } finally {
      state.ended = true;
    }
  }
  return { state, chunks: chunks() };
}

/** The place behind the second write. */
function placeIn(bytes: Buffer) {
  const walker = new CommandWalker();
  walker.walk(bytes, 6000);
  return walker.place;
}

describe("of a push that was cut", () => {
  test("exactly the bytes behind the held ones are sent, wherever the chunks end", async () => {
    const bytes = push(1, 2, 3);
    const held = placeIn(bytes);
    for (const chunkBytes of [1, 100, held.bytes, bytes.length]) {
      const rest: Buffer[] = [];
      for await (const chunk of (await skipHeld(sourceOf(bytes, chunkBytes).chunks, held, signal)) ?? [])
        rest.push(chunk);
      assert.deepEqual(Buffer.concat(rest), bytes.subarray(held.bytes));
    }
  });

  test("all of which is held there is nothing left to send", async () => {
    const bytes = push(1);
    const walker = new CommandWalker();
    walker.walk(bytes);
    const rest = await skipHeld(sourceOf(bytes, 100).chunks, walker.place, signal);
    assert.deepEqual(await rest?.next(), { value: undefined, done: true });
  });

  for (const [name, other] of [
    ["holds other bytes", push(1, 9, 3)],
    ["is shorter", push(1)],
    [
      "has no command that ends there",
      formatStream([begin, sendCommand("write", { path: "x", data: Buffer.alloc(9000) })]),
    ],
  ] as const) {
    test(`nothing is skipped when what is sent now ${name}, and its source is let go`, async () => {
      const { state, chunks } = sourceOf(other, 100);
      assert.equal(await skipHeld(chunks, placeIn(push(1, 2, 3)), signal), undefined);
      assert.equal(state.ended, true);
    });
  }

  test("the skipping ends with its connection, and lets the source go", async () => {
    const ending = new AbortController();
    const { state, chunks } = sourceOf(push(1, 2, 3), 1);
    const skipping = skipHeld(chunks, placeIn(push(1, 2, 3)), ending.signal);
    ending.abort(new Error("the connection is gone"));
    await assert.rejects(skipping, /the connection is gone/);
    assert.equal(state.ended, true);
  });
});
