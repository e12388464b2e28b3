// The ingest socket over real Unix sockets, against a ledger in memory.
import assert from "node:assert/strict";
import { once } from "node:events";
import { stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { createAdmitter } from "../../../../primary/admit/admit-event.js";
import { type AckLine, type AckRefusal, eventsOf } from "../../../../primary/sources/lines/format-ack.js";
import { IngestSocket, type IngestSocketOptions } from "../../../../primary/sources/lines/ingest-socket.js";
import { until } from "../../../support/until.js";
import { withFolder } from "../../../support/with-folder.js";
import { MemorySink, silentLog } from "../memory-sink.js";

interface Serving {
  path: string;
  sink: MemorySink;
  socket: IngestSocket;
}

async function serving(body: (serving: Serving) => Promise<void>, options: Partial<IngestSocketOptions> = {}) {
  await withFolder(async (folder) => {
    const sink = new MemorySink();
    const path = join(folder, "ingest.sock");
    const socket = new IngestSocket({
      path,
      admit: createAdmitter(),
      sink,
      log: silentLog,
      stopGraceMs: 200,
      ...options,
    });
    await socket.start(new AbortController().signal);
    try {
      await body({ path, sink, socket });
    } finally {
      await socket.stop();
    }
  });
}

function event(n: number, more: object = {}): string {
  return `${JSON.stringify({ element_id: `interface:eth${n}`, element_type: "If", action: "modified", ...more })}\n`;
}

async function send(path: string, lines: string): Promise<AckLine[]> {
  const client = connect({ path, allowHalfOpen: true });
  client.end(lines);
  return parseAcks(await text(client));
}

function parseAcks(answer: string): AckLine[] {
  return answer
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as AckLine);
}

async function connected(path: string): Promise<Socket> {
  const client = connect({ path, allowHalfOpen: true });
  await once(client, "connect");
  return client;
}

describe("the ingest socket", () => {
  test("acks every line in order, refuses bad ones by line, and keeps the good ones around them", () =>
    serving(
      async ({ path, sink, socket }) => {
        const tooLong = `${JSON.stringify({ element_id: "x".repeat(9000) })}\n`;
        const lines = [
          event(1),
          "not json\n",
          "\n",
          event(2, { actor: 5 }),
          tooLong,
          event(3),
          "  \r\n",
          event(4).trimEnd(),
        ];
        const acks = await send(path, lines.join(""));
        const short = acks.map((ack) =>
          "error" in ack ? [ack.line, ack.error.code, ack.error.field] : [ack.line, "seq" in ack && ack.seq],
        );
        assert.deepEqual(short, [
          [1, 0],
          [2, "not-json", undefined],
          [4, "wrong-type", "actor"],
          [5, "line-too-long", undefined],
          [6, 1],
          [8, 2],
        ]);
        assert.deepEqual(
          sink.events.map(({ elementId }) => elementId),
          ["interface:eth1", "interface:eth3", "interface:eth4"],
        );
        await until(() => socket.state().connections === 0);
        assert.deepEqual(socket.state(), { path, connections: 0, lines: 8, written: 3, duplicates: 0, refused: 3 });
      },
      { maxLineBytes: 4096 },
    ));

  test("gives a retried key its first ack, marked as a duplicate", () =>
    serving(async ({ path, sink }) => {
      const [first, again] = (await send(path, event(1, { idempotency_key: "k" }).repeat(2))) as [AckLine, AckLine];
      assert.deepEqual(again, { ...first, line: 2, duplicate: true });
      assert.equal(sink.events.length, 1);
    }));

  test("answers the lines that the ledger fails to write with its error, and goes on", () =>
    serving(async ({ path, sink }) => {
      sink.failure = Object.assign(new Error("the disk is full"), { code: "write-failed", hint: "make room" });
      const [ack] = await send(path, event(1));
      assert.deepEqual(ack, {
        line: 1,
        error: { code: "write-failed", reason: "the disk is full", hint: "make room" },
      });
      sink.failure = undefined;
      assert.equal((await send(path, event(1))).length, 1);
    }));

  test("carries many lines over one connection with one ack for each", () =>
    serving(async ({ path, sink }) => {
      const count = 20_000;
      const acks = await send(path, Array.from({ length: count }, (_, n) => event(n)).join(""));
      assert.deepEqual(
        acks.map(({ line }) => line),
        Array.from({ length: count }, (_, n) => n + 1),
      );
      assert.equal(sink.events.length, count);
    }));

  test("stops reading while the ledger has no room", () =>
    serving(async ({ path, sink, socket }) => {
      sink.fill();
      const answer = send(path, Array.from({ length: 5000 }, (_, n) => event(n)).join(""));
      await until(() => socket.state().lines === 1);
      await new Promise((resolve) => setTimeout(resolve, 30));
      assert.equal(socket.state().lines, 1);
      assert.equal(sink.events.length, 0);
      sink.makeRoom();
      assert.equal((await answer).length, 5000);
    }));

  test("reads no more than its bound of unacked lines", () =>
    serving(
      async ({ path, sink }) => {
        sink.holdAcks();
        const answer = send(path, Array.from({ length: 500 }, (_, n) => event(n)).join(""));
        await until(() => sink.events.length === 10);
        await new Promise((resolve) => setTimeout(resolve, 30));
        assert.equal(sink.events.length, 10);
        sink.releaseAcks();
        assert.equal((await answer).length, 500);
      },
      { maxUnacked: 10 },
    ));

  test("stops reading from a client that does not read its acks, and loses none of them", () =>
    serving(async ({ path, sink }) => {
      const count = 60_000;
      const client = await connected(path);
      client.pause();
      client.end(Array.from({ length: count }, (_, n) => event(n)).join(""));
      await until(() => sink.events.length > 0);
      let before = -1;
      while (before !== sink.events.length) {
        before = sink.events.length;
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      assert.ok(before > 0 && before < count, `${before} events were read`);
      assert.equal(parseAcks(await text(client)).length, count);
      assert.equal(sink.events.length, count);
    }));

  test("writes what it has read when the client vanishes, and serves the next one", () =>
    serving(async ({ path, sink, socket }) => {
      sink.holdAcks();
      const client = await connected(path);
      client.write(Array.from({ length: 100 }, (_, n) => event(n)).join(""));
      await until(() => sink.events.length === 100);
      client.destroy();
      sink.releaseAcks();
      await until(() => socket.state().connections === 0);
      assert.equal(socket.state().written, 100);
      assert.equal((await send(path, event(1))).length, 1);
    }));

  test("sends the outstanding acks before it stops", () =>
    serving(
      async ({ path, sink, socket }) => {
        sink.holdAcks();
        const client = await connected(path);
        client.write(event(1) + event(2));
        await until(() => sink.events.length === 2);
        const stopped = socket.stop();
        setTimeout(() => sink.releaseAcks(), 20);
        assert.equal(parseAcks(await text(client)).length, 2);
        await stopped;
        await assert.rejects(connected(path));
      },
      { stopGraceMs: 60_000 },
    ));
});

const cloudEvent = (id: string) => ({ specversion: "1.0", source: "/s", type: "t.created", id });

describe("CloudEvents on the ingest socket", () => {
  test("are acked as other lines are; a batch has one answer with an ack or a refusal for each of its events", () =>
    serving(async ({ path, sink, socket }) => {
      const batch = [cloudEvent("a"), { ...cloudEvent("b"), type: 5 }, cloudEvent("c"), cloudEvent("a")];
      const lines = [event(1), `${JSON.stringify(cloudEvent("a"))}\n`, `${JSON.stringify(batch)}\n`, "[]\n", event(2)];
      const acks = await send(path, lines.join(""));
      const first = acks[1] as { seq: number; hash: string };
      assert.deepEqual(
        acks.map(({ line }) => line),
        [1, 2, 3, 4, 5],
      );
      const [again, refused, written, twice] = (acks[2] as { events: Record<string, unknown>[] }).events;
      assert.deepEqual(again, { seq: first.seq, hash: first.hash, duplicate: true });
      assert.deepEqual(twice, again);
      const { code, field, value } = (refused as { error: AckRefusal }).error;
      assert.deepEqual([code, field, value], ["wrong-type", "type", "5"]);
      assert.equal(written?.seq, 2);
      assert.deepEqual(acks[3], { line: 4, events: [] });
      assert.equal(sink.events.length, 4);
      await until(() => socket.state().connections === 0);
      assert.deepEqual(socket.state(), { path, connections: 0, lines: 5, written: 4, duplicates: 2, refused: 1 });
    }));

  test("that the ledger fails to write are refused one by one, and a batch sent again writes what is missing", () =>
    serving(async ({ path, sink }) => {
      const line = `${JSON.stringify([cloudEvent("a"), cloudEvent("b")])}\n`;
      sink.failure = Object.assign(new Error("the disk is full"), { code: "write-failed" });
      const outcomes = async () => {
        const events = (await send(path, line)).flatMap(eventsOf);
        return events.map((ack) => ("error" in ack ? ack.error.code : ack.duplicate === true));
      };
      assert.deepEqual(await outcomes(), ["write-failed", "write-failed"]);
      sink.failure = undefined;
      await send(path, `${JSON.stringify(cloudEvent("a"))}\n`);
      assert.deepEqual(await outcomes(), [true, false]);
    }));

  test("of batches count against the bound of unacked events, and wait for the ledger's room", () =>
    serving(
      async ({ path, sink, socket }) => {
        sink.holdAcks();
        const batch = (round: number) =>
          `${JSON.stringify(Array.from({ length: 100 }, (_, n) => cloudEvent(`${round}.${n}`)))}\n`;
        const answer = send(path, Array.from({ length: 20 }, (_, round) => batch(round)).join(""));
        await until(() => sink.events.length === 300);
        await new Promise((resolve) => setTimeout(resolve, 30));
        assert.equal(sink.events.length, 300);
        sink.fill();
        sink.releaseAcks();
        await until(() => socket.state().written === 300);
        await new Promise((resolve) => setTimeout(resolve, 30));
        assert.equal(sink.events.length, 300);
        sink.makeRoom();
        assert.equal((await answer).length, 20);
        assert.equal(sink.events.length, 2000);
      },
      { maxUnacked: 250 },
    ));
});

describe("the socket file", () => {
  test("has mode 0660 and is gone after a stop", () =>
    serving(async ({ path, socket }) => {
      assert.equal((await stat(path)).mode & 0o777, 0o660);
      await socket.stop();
      await assert.rejects(stat(path));
    }));

  test("of a live server is refused", () =>
    serving(async ({ path }) => {
      const second = new IngestSocket({ path, admit: createAdmitter(), sink: new MemorySink(), log: silentLog });
      await assert.rejects(second.start(new AbortController().signal), { code: "socket-in-use" });
      assert.equal((await send(path, event(1))).length, 1);
    }));

  test("of a dead server is replaced", () =>
    withFolder(async (folder) => {
      const path = join(folder, "s");
      const dead = createServer().listen(`${path}.old`);
      await once(dead, "listening");
      const { rename } = await import("node:fs/promises");
      await rename(`${path}.old`, path);
      dead.close();
      await once(dead, "close");
      assert.ok((await stat(path)).isSocket());
      const socket = new IngestSocket({ path, admit: createAdmitter(), sink: new MemorySink(), log: silentLog });
      await socket.start(new AbortController().signal);
      assert.equal((await send(path, event(1))).length, 1);
      await socket.stop();
    }));

  test("is never put in the place of another file, and never cut short", () =>
    withFolder(async (folder) => {
      const start = (path: string) =>
        new IngestSocket({ path, admit: createAdmitter(), sink: new MemorySink(), log: silentLog }).start(
          new AbortController().signal,
        );
      await writeFile(join(folder, "file"), "kept");
      await assert.rejects(start(join(folder, "file")), { code: "not-a-socket" });
      await assert.rejects(start(join(folder, "x".repeat(120))), { code: "socket-path-too-long" });
      await assert.rejects(start(join(folder, "missing", "s")), { code: "socket-folder-missing" });
    }));
});
