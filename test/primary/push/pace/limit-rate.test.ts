// Limits on what leaves: how much they let through, and to whom.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import ssh2 from "ssh2";
import { codecOf } from "../../../../primary/push/pace/codec.js";
import { Allowance, type LimitClock, RateLimit } from "../../../../primary/push/pace/limit-rate.js";
import { WireMeter } from "../../../../primary/push/pace/meter-wire.js";
import { pushGeneration } from "../../../../primary/push/wire/replica-client.js";
import { SshConnection } from "../../../../primary/push/wire/ssh-connection.js";
import { formatPublicKey, generateSshKey } from "../../../../shared/store/key-files.js";

/** Time that passes when everyone waits. */
class TestClock implements LimitClock {
  #nowMs = 0;
  #waiting: { dueMs: number; wake: () => void }[] = [];
  nowMs(): number {
    return this.#nowMs;
  }
  wait(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve) => this.#waiting.push({ dueMs: this.#nowMs + ms, wake: resolve }));
  }
  /** Lets `ms` pass, wait by wait. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#waiting.sort((a, b) => a.dueMs - b.dueMs);
      const next = this.#waiting[0];
      if (!next || next.dueMs > endMs) break;
      this.#waiting.shift();
      this.#nowMs = next.dueMs;
      next.wake();
    }
    this.#nowMs = endMs;
  }
}

interface Sender {
  bytes: number;
  slices: number;
  ended: Promise<void>;
}

/** Sends chunks without end through `limits`. */
function send(limits: RateLimit[], chunkBytes: number, signal: AbortSignal): Sender {
  const sender: Sender = { bytes: 0, slices: 0, ended: Promise.resolve() };
  const allowance = new Allowance(limits, { signal });
  sender.ended = (async () => {
    while (!signal.aborted) {
      for await (const slice of allowance.spend(Buffer.alloc(chunkBytes))) {
        sender.bytes += slice.length;
        sender.slices += 1;
      }
    }
  })();
  sender.ended.catch(() => undefined);
  return sender;
}

/** Bits a second on the line: with headers of packets, and what each slice costs besides, of HTTP and ssh. */
const lineRate = ({ bytes, slices }: Sender, seconds: number) => ((bytes * 1.05 + slices * 165) * 8) / seconds;

/** Of TCP and IP. */
const HEADER_BYTES = 52;

/** Pushes `bytes` to a host on loopback under a limit; gives bits a second that arrived there, by packet. */
async function pushedRate(bitsPerSecond: number, bytes: number): Promise<number> {
  const privateKey = generateSshKey(ssh2);
  const hostKey = formatPublicKey(ssh2.utils.parseKey(privateKey) as ssh2.ParsedKey);
  const agent = createHttpServer((request, response) => void request.resume().on("end", () => response.end("note")));
  const host = new ssh2.Server({ hostKeys: [privateKey] }, (client) => {
    client.on("authentication", (login) => login.accept());
    client.on("error", () => undefined);
    client.on("session", (accept) => accept().on("exec", (start) => agent.emit("connection", start())));
  });
  let arrived = 0;
  const line = createServer((socket) => {
    socket.on("data", (packet) => {
      arrived += packet.length + HEADER_BYTES;
    });
    host.injectSocket(socket);
  });
  await new Promise<void>((resolve) => line.listen(0, "127.0.0.1", resolve));
  const { port } = line.address() as AddressInfo;
  const connection = await SshConnection.open({ host: "127.0.0.1", port, user: "isochron", hostKey, privateKey });
  async function* source(): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0; left -= 16_384) yield randomBytes(Math.min(left, 16_384));
  }
  try {
    const [before, beganMs] = [arrived, performance.now()];
    await pushGeneration(connection, {
      store: "4297169d-9b1b-4d5a-816e-047f33abb86a",
      sealed: { generation: 2, size: 1, root: Buffer.alloc(32) } as never,
      base: 1,
      source: source(),
      resume: undefined,
      codec: codecOf(false, undefined),
      meter: new WireMeter(),
      limits: [new RateLimit(bitsPerSecond)],
      ledgerSize: 1,
      stallMs: 60_000,
      signal: new AbortController().signal,
      onBytes: () => undefined,
    });
    return ((arrived - before) * 8000) / (performance.now() - beganMs);
  } finally {
    connection.destroy();
    line.close();
  }
}

describe("a limit", () => {
  for (const [name, bitsPerSecond] of [
    ["64 kbit/s", 64e3],
    ["2 Mbit/s", 2e6],
    ["1 Gbit/s", 1e9],
  ] as const) {
    test(`of ${name} is honoured within 10 %, with chunks that are small and with chunks larger than its bucket`, async () => {
      for (const chunkBytes of [700, 256 * 1024]) {
        const clock = new TestClock();
        const ending = new AbortController();
        const sender = send([new RateLimit(bitsPerSecond, clock)], chunkBytes, ending.signal);
        const seconds = bitsPerSecond > 1e8 ? 1 : 20;
        await clock.pass(seconds * 1000);
        const found = lineRate(sender, seconds);
        assert.ok(found <= 1.1 * bitsPerSecond && found >= 0.9 * bitsPerSecond, `${chunkBytes}: ${found}`);
        ending.abort();
        await clock.pass(1000);
      }
    });
  }

  test("holds on the line, with all that HTTP and ssh add to a push", async () => {
    const limits = [64e3, 128e3, 400e3, 1e6, 2e6];
    const found = await Promise.all(limits.map((limit) => pushedRate(limit, (limit / 8) * 4)));
    for (const [i, limit] of limits.entries()) assert.ok((found[i] ?? 0) <= 1.1 * limit, `${limit}: ${found[i]}`);
  });

  test("gives a link that was quiet no more than a short burst", async () => {
    const clock = new TestClock();
    const limit = new RateLimit(8e6, clock);
    await clock.pass(60_000);
    const ending = new AbortController();
    const sender = send([limit], 1000, ending.signal);
    await clock.pass(100);
    // 100 ms of its rate, and 50 ms saved up.
    assert.ok(sender.bytes <= 150_000 / 1.05, String(sender.bytes));
    ending.abort();
    await clock.pass(1000);
  });

  test("on all links is shared evenly, also with one that sends larger chunks", async () => {
    const clock = new TestClock();
    const ending = new AbortController();
    const shared = new RateLimit(10e6, clock);
    const senders = [256 * 1024, 16 * 1024, 64 * 1024].map((bytes) => send([shared], bytes, ending.signal));
    await clock.pass(20_000);
    const found = senders.map((sender) => lineRate(sender, 20));
    const sum = found.reduce((a, b) => a + b, 0);
    assert.ok(sum <= 11e6 && sum >= 9e6, String(sum));
    for (const rate of found) assert.ok(Math.abs(rate - sum / 3) < 0.02 * (sum / 3), String(found));
    ending.abort();
    await clock.pass(1000);
  });

  test("of one link holds besides the one on all, and leaves the rest to the others", async () => {
    const clock = new TestClock();
    const ending = new AbortController();
    const shared = new RateLimit(10e6, clock);
    const slow = send([new RateLimit(1e6, clock), shared], 64 * 1024, ending.signal);
    const fast = send([shared], 64 * 1024, ending.signal);
    await clock.pass(20_000);
    const [slowRate, fastRate] = [lineRate(slow, 20), lineRate(fast, 20)];
    assert.ok(slowRate <= 1.1e6 && slowRate >= 0.8e6, String(slowRate));
    assert.ok(fastRate >= 8e6 && slowRate + fastRate <= 11e6, String(fastRate));
    ending.abort();
    await clock.pass(1000);
  });

  test("gives a sign of life while a slice waits, and lets go of it when the push is ended", async () => {
    const clock = new TestClock();
    const ending = new AbortController();
    const limit = new RateLimit(64e3, clock);
    let signs = 0;
    const before = limit.take(80_000, { signal: ending.signal });
    const onWait = () => {
      signs += 1;
    };
    const waiting = limit.take(1000, { signal: ending.signal, onWait });
    await clock.pass(5000);
    assert.ok(signs >= 10, String(signs));
    ending.abort(new Error("ended"));
    const ended = [before, waiting].map((one) => assert.rejects(one, /ended/));
    await clock.pass(1000);
    await Promise.all(ended);
  });

  test("changes neither the bytes nor their order", async () => {
    const limit = new RateLimit(1e9);
    const chunk = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251));
    const slices: Buffer[] = [];
    const { signal } = new AbortController();
    for await (const slice of new Allowance([limit], { signal }).spend(chunk)) slices.push(slice);
    assert.ok(slices.length > 1);
    assert.ok(Buffer.concat(slices).equals(chunk));
  });
});
