// A push over a connection that dies without a word.
import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { codecOf } from "../../../../primary/push/pace/codec.js";
import { WireMeter } from "../../../../primary/push/pace/meter-wire.js";
import { PushError } from "../../../../primary/push/push-error.js";
import { pushGeneration } from "../../../../primary/push/wire/replica-client.js";
import { skipHeld } from "../../../../primary/push/wire/skip-held.js";
import type { SshConnection } from "../../../../primary/push/wire/ssh-connection.js";
import { CommandWalker } from "../../../../shared/store/walk-commands.js";
import { formatStream, sendCommand } from "../../../support/send-by-hand.js";

/** As a channel of ssh2 whose transport is gone: it takes what its window held, and a close that nobody answers ends nothing. */
function deadChannel(): Duplex {
  let window = 256 * 1024;
  const channel = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      window -= chunk.length;
      if (window > 0) done();
    },
  });
  const self = () => channel;
  return Object.assign(channel, {
    destroy: self,
    setKeepAlive: self,
    setNoDelay: self,
    setTimeout: self,
    ref: self,
    unref: self,
  });
}

/** A push of `source` over a channel that is dead, or will be. */
function pushOver(lost: AbortSignal, source: AsyncGenerator<Buffer>): Promise<unknown> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = ((_options: unknown, done: (error: null, stream: Duplex) => void) => {
    done(null, deadChannel());
  }) as never;
  const connection = {
    lost,
    request: (method: string, path: string, headers: Record<string, string>) =>
      httpRequest({ agent, host: "agent", method, path, headers }),
  } as unknown as SshConnection;
  return pushGeneration(connection, {
    store: "4297169d-9b1b-4d5a-816e-047f33abb86a",
    sealed: { generation: 2, size: 1, root: Buffer.alloc(32), late: [] } as never,
    base: 1,
    source,
    resume: undefined,
    codec: codecOf(false, undefined),
    meter: new WireMeter(),
    limits: [],
    ledgerSize: 1,
    stallMs: 60_000,
    signal: new AbortController().signal,
    onBytes: () => undefined,
  });
}

test("a push whose connection is lost ends what it reads from, even if the channel never closes", async () => {
  const lost = new AbortController();
  let read = 0;
  let isEnded = false;
  async function* endless(): AsyncGenerator<Buffer> {
    try {
      for (; ; read += 1) yield Buffer.alloc(64 * 1024);
    } finally {
      isEnded = true;
    }
  }
  const pushed = pushOver(lost.signal, endless());
  pushed.catch(() => undefined);
  for (let before = -1; read === 0 || before !== read; await sleep(20)) before = read;
  lost.abort(new PushError("retryable", "unreachable", "the connection is gone"));
  await assert.rejects(pushed, PushError);
  while (!isEnded) await sleep(10);
});

test("a push that goes on, and whose connection is lost before its first byte, ends what it would have read from", async () => {
  const bytes = formatStream([sendCommand("write", { path: "x", data: Buffer.alloc(3000) }), sendCommand("end", {})]);
  let isEnded = false;
  async function* send(): AsyncGenerator<Buffer> {
    try {
      for (const byte of bytes) yield Buffer.of(byte);
    } finally {
      isEnded = true;
    }
  }
  const walker = new CommandWalker();
  walker.walk(bytes, 3000);
  const rest = await skipHeld(send(), walker.place, new AbortController().signal);
  assert.ok(rest && !isEnded);
  const lost = AbortSignal.abort(new PushError("retryable", "unreachable", "the connection is gone"));
  await assert.rejects(pushOver(lost, rest), PushError);
  while (!isEnded) await sleep(10);
});
