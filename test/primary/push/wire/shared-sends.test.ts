import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { SharedSends } from "../../../../primary/push/wire/shared-sends.js";

/** Sends `chunks`, counts its starts and ends; `hold` keeps it back before its last chunk. */
function source(chunks: readonly string[], hold: Promise<void> = Promise.resolve()) {
  const counts = { started: 0, ended: 0 };
  const start = async function* () {
    counts.started += 1;
    try {
      for (const [i, chunk] of chunks.entries()) {
        if (i === chunks.length - 1) await hold;
        yield Buffer.from(chunk);
      }
    } finally {
      counts.ended += 1;
    }
  };
  return { start, counts };
}

async function readAll(stream: AsyncGenerator<Buffer>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk.toString();
  return text;
}

describe("shared sends", () => {
  test("one send serves all who ask for the same, together and later, from its beginning", async () => {
    const sends = new SharedSends();
    let release: () => void = () => undefined;
    const { start, counts } = source(["abc", "def"], new Promise((resolve) => (release = resolve)));
    const early = [readAll(sends.read("5 on 4", start)), readAll(sends.read("5 on 4", start))];
    await turn();
    release();
    assert.deepEqual(await Promise.all(early), ["abcdef", "abcdef"]);
    assert.equal(await readAll(sends.read("5 on 4", start)), "abcdef");
    assert.deepEqual(counts, { started: 1, ended: 1 });
    assert.equal(await readAll(sends.read("6 on 4", source(["other"]).start)), "other");
    await sends.stop();
    assert.equal(sends.bytes, 0);
  });

  test("a reader that hangs or goes away holds up no other", async () => {
    const sends = new SharedSends();
    const { start } = source(["abc", "def", "ghi"]);
    const hanging = sends.read("key", start);
    await hanging.next();
    const gone = sends.read("key", start);
    await gone.next();
    await gone.return(undefined);
    assert.equal(await readAll(sends.read("key", start)), "abcdefghi");
    assert.equal((await hanging.next()).value?.toString(), "def");
    await sends.stop();
  });

  test("one that is too large goes on with its first reader, is not kept, and is begun anew for the next", async () => {
    const sends = new SharedSends({ mostBytes: 5 });
    const { start, counts } = source(["abc", "def", "ghi", "jkl"]);
    assert.equal(await readAll(sends.read("key", start)), "abcdefghijkl");
    assert.equal(sends.bytes, 0);
    assert.equal(await readAll(sends.read("key", start)), "abcdefghijkl");
    assert.deepEqual(counts, { started: 2, ended: 2 });
  });

  test("one that is too large is ended when its only reader goes before it has come to the rest", async () => {
    const sends = new SharedSends({ mostBytes: 5, keepMs: 5 });
    const { start, counts } = source(["abc", "def", "ghi"]);
    const reader = sends.read("key", start);
    await reader.next();
    await turn();
    await reader.return(undefined);
    while (counts.ended === 0) await turn();
    assert.deepEqual(counts, { started: 1, ended: 1 });
  });

  test("all that read one that turns out too large get all of it, each at its own pace", async () => {
    const sends = new SharedSends({ mostBytes: 7 });
    // A send begun anew need not come in the same chunks.
    const sources = [source(["abc", "def", "ghi", "jkl"]), source(["a", "bcdefgh", "ijkl"]), source(["abcdefghijkl"])];
    let started = 0;
    const start = () => (sources[started++] as ReturnType<typeof source>).start();
    const hanging = sends.read("key", start);
    const gone = sends.read("key", start);
    const [first, , whole] = await Promise.all([hanging.next(), gone.next(), readAll(sends.read("key", start))]);
    assert.equal(whole, "abcdefghijkl");
    assert.equal((await gone.next()).value?.toString(), "defgh");
    await gone.return(undefined);
    assert.equal(`${first.value}${await readAll(hanging)}`, "abcdefghijkl");
    assert.equal(sends.bytes, 0);
    for (const { counts } of sources) assert.deepEqual(counts, { started: 1, ended: 1 });
  });

  test("one begun anew that sends other bytes, or ends before, is not spliced to what went before", async () => {
    for (const other of [["abX", "def"], ["ab"]]) {
      const sends = new SharedSends({ mostBytes: 5 });
      const again = source(other);
      const quick = readAll(sends.read("key", source(["abc", "def"]).start));
      const late = sends.read("key", again.start);
      await late.next();
      assert.equal(await quick, "abcdef");
      await assert.rejects(readAll(late), { kind: "retryable", code: "send-failed" });
      assert.deepEqual(again.counts, { started: 1, ended: 1 });
    }
  });

  test("whoever reads one that is stopped in the middle is told, and does not take it for the whole", async () => {
    const sends = new SharedSends();
    let release: () => void = () => undefined;
    const { start } = source(["abc", "def", "ghi"], new Promise((resolve) => (release = resolve)));
    const reading = readAll(sends.read("key", start));
    await turn();
    const stopped = sends.stop();
    release();
    await assert.rejects(reading, /sends are stopped/);
    await stopped;
  });

  test("what a send fails with reaches every reader, and the next one begins anew", async () => {
    const sends = new SharedSends();
    let starts = 0;
    const failing = async function* () {
      starts += 1;
      yield Buffer.from("abc");
      throw new Error("btrfs send failed");
    };
    const both = [readAll(sends.read("key", failing)), readAll(sends.read("key", failing))];
    for (const one of both) await assert.rejects(one, /btrfs send failed/);
    await assert.rejects(readAll(sends.read("key", failing)), /btrfs send failed/);
    assert.equal(starts, 2);
  });

  test("once enough is kept in all, sends are not shared, and still whole", async () => {
    const sends = new SharedSends({ mostBytesInAll: 4 });
    assert.equal(await readAll(sends.read("a", source(["12345"]).start)), "12345");
    const { start, counts } = source(["67", "89"]);
    const both = [readAll(sends.read("b", start)), readAll(sends.read("b", start))];
    assert.deepEqual(await Promise.all(both), ["6789", "6789"]);
    assert.equal(counts.started, 2);
    assert.equal(sends.bytes, 5);
    await sends.stop();
  });

  test("a stop ends what is under way", async () => {
    const sends = new SharedSends();
    const { start, counts } = source(["abc", "def"]);
    const reading = sends.read("key", start);
    await reading.next();
    await sends.stop();
    assert.equal(counts.ended, 1);
  });
});
