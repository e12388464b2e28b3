// The sender that `ingest --follow` uses, against a real ingest socket that comes and goes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createAdmitter } from "../../../../primary/admit/admit-event.js";
import { LineSender, type LineSenderOptions } from "../../../../primary/sources/lines/ingest-line-sender.js";
import { IngestSocket } from "../../../../primary/sources/lines/ingest-socket.js";
import { until } from "../../../support/until.js";
import { withFolder } from "../../../support/with-folder.js";
import { MemorySink, silentLog } from "../memory-sink.js";

interface Sending {
  path: string;
  sender: LineSender;
  done: number[];
  refused: number[];
  said: string[];
  ending: AbortController;
  /** Sends lines with these numbers, each as one event with a key. */
  send(from: number, to: number): Promise<void>;
}

async function sending(body: (sending: Sending) => Promise<void>, options: Partial<LineSenderOptions> = {}) {
  await withFolder(async (folder) => {
    const path = join(folder, "s");
    const ending = new AbortController();
    const parts = { path, ending, done: [] as number[], refused: [] as number[], said: [] as string[] };
    const sender = new LineSender({
      socketPath: path,
      signal: ending.signal,
      onDone: ({ offset }, ack) => ("error" in ack ? parts.refused : parts.done).push(offset),
      onAway: (error) => parts.said.push(`away: ${error.message}`),
      onBack: () => parts.said.push("back"),
      retryMs: 5,
      ...options,
    });
    const send = async (from: number, to: number) => {
      for (let n = from; n < to; n += 1) {
        const event = { element_id: "e", element_type: "T", action: "a", state_snapshot: n, idempotency_key: `k${n}` };
        await sender.send({ bytes: Buffer.from(JSON.stringify(event)), offset: n });
      }
    };
    sender.start();
    try {
      await body({ ...parts, sender, send });
    } finally {
      ending.abort();
      await sender.stop();
    }
  });
}

async function serve(path: string, sink: MemorySink): Promise<IngestSocket> {
  const socket = new IngestSocket({ path, admit: createAdmitter(), sink, log: silentLog, stopGraceMs: 200 });
  await socket.start(new AbortController().signal);
  return socket;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const states = (sink: MemorySink) => sink.events.map(({ stateJson }) => Number(stateJson));

describe("the line sender", () => {
  test("waits for the primary, sends all lines in order, and is done with each when it is acked", () =>
    sending(async ({ path, sender, send, done, said }) => {
      await send(0, 3000);
      assert.equal(sender.unacked, 3000);
      await until(() => said.length === 1);
      assert.match(said[0] as string, /^away: no primary serves/);
      const sink = new MemorySink();
      const server = await serve(path, sink);
      await until(() => done.length === 3000);
      assert.deepEqual(done, range(0, 3000));
      assert.deepEqual(states(sink), range(0, 3000));
      assert.deepEqual(said.slice(1), ["back"]);
      await server.stop();
    }));

  test("sends again what had no ack when the primary went, and nothing is written twice", () =>
    sending(async ({ path, send, done, said }) => {
      const sink = new MemorySink();
      for (let round = 0; round < 5; round += 1) {
        const server = await serve(path, sink);
        sink.holdAcks();
        await send(round * 500, (round + 1) * 500);
        await until(() => sink.events.length === (round + 1) * 500);
        // Written, and the acks come when there is no connection any more.
        said.length = 0;
        const stopped = server.stop();
        await until(() => said.length > 0);
        sink.releaseAcks();
        await stopped;
      }
      assert.ok(done.length <= 2000);
      const server = await serve(path, sink);
      await until(() => done.length === 2500);
      assert.deepEqual(done, range(0, 2500));
      assert.deepEqual(states(sink), range(0, 2500));
      await server.stop();
    }));

  test("sends a line again that the primary could not write, and drops one that it will never take", () =>
    sending(async ({ path, sender, send, done, refused }) => {
      const sink = new MemorySink();
      const server = await serve(path, sink);
      sink.failure = Object.assign(new Error("the disk is full"), { code: "write-failed" });
      await send(0, 10);
      await sender.send({ bytes: Buffer.from('{"element_id":""}'), offset: 10 });
      await send(11, 20);
      await until(() => Number(server.state().refused) > 20);
      assert.deepEqual([...done, ...refused], []);
      sink.failure = undefined;
      await until(() => done.length + refused.length === 20);
      assert.deepEqual(refused, [10]);
      assert.deepEqual(states(sink), [...range(0, 10), ...range(11, 20)]);
      await server.stop();
    }));

  test("holds no more than its bounds, and lets go of a send that waits when it is told to end", () =>
    sending(
      async ({ sender, send, ending }) => {
        let sent = false;
        const more = send(0, 1000).then(() => {
          sent = true;
        });
        await until(() => sender.unacked === 100);
        await new Promise((resolve) => setTimeout(resolve, 30));
        assert.deepEqual([sender.unacked, sent], [100, false]);
        ending.abort();
        await more;
        assert.equal(await sender.stop(), 100);
      },
      { maxHeldLines: 100 },
    ));

  test("waits at its end for the acks outstanding as long as the connection stands", () =>
    sending(async ({ path, sender, send, done }) => {
      const sink = new MemorySink();
      const server = await serve(path, sink);
      sink.holdAcks();
      await send(0, 50);
      await until(() => sink.events.length === 50);
      let ended = false;
      const stopped = sender.stop().then((unacked) => {
        ended = true;
        return unacked;
      });
      await new Promise((resolve) => setTimeout(resolve, 30));
      assert.equal(ended, false);
      sink.releaseAcks();
      assert.equal(await stopped, 0);
      assert.equal(done.length, 50);
      await server.stop();
    }));

  test("takes answers that it can't understand for a broken connection", () =>
    sending(async ({ path, send, done, said }) => {
      const clients: Socket[] = [];
      const nonsense = createServer((socket) => {
        clients.push(socket);
        socket.on("error", () => undefined);
        socket.once("data", () => socket.write("what?\n"));
      }).listen(path);
      await once(nonsense, "listening");
      await send(0, 5);
      await until(() => clients.length >= 3);
      assert.deepEqual(done, []);
      nonsense.close();
      for (const client of clients) client.destroy();
      await until(() => said.length > 0);
      const server = await serve(path, new MemorySink());
      await until(() => done.length === 5);
      await server.stop();
    }));
});
