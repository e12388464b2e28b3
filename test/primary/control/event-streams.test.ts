// Durable events over the control socket, from a real bus and ledger to real HTTP clients.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { ControlServer } from "../../../primary/control/control-server.js";
import { MAX_STREAMS } from "../../../primary/control/event-streams.js";
import { until } from "../../support/until.js";
import { withFolder } from "../../support/with-folder.js";
import { appendMany, type BusLedger, range, withBus } from "../bus/bus-ledger.js";

interface Line {
  seq?: number;
  hash?: string;
  element_id?: string;
  state_snapshot?: unknown;
  lost?: { first_seq: number; last_seq: number; events: number };
}

interface Serving extends BusLedger {
  socketPath: string;
  control: ControlServer;
  /** The answer to GET /v1/events with this query. */
  get(query?: string): Promise<IncomingMessage>;
}

async function serving(body: (parts: Serving) => Promise<void>, history?: { maxEvents: number; maxBytes: number }) {
  await withFolder((folder) =>
    withBus(
      async (parts) => {
        const socketPath = join(folder, "control.sock");
        const refuse = () => Promise.reject(new Error("not asked for"));
        const orders = { resync: refuse, pause: refuse, resume: refuse, drain: refuse };
        const fills = { reembed: refuse, hold: refuse };
        const others = { seal: refuse, status: refuse, metrics: refuse };
        const control = new ControlServer({ ...others, orders, fills, keys: { rotate: refuse }, events: parts.bus });
        await control.start(socketPath);
        const get = async (query = "") => {
          const asked = request({ socketPath, path: `/v1/events${query}`, agent: false }).end();
          const [response] = (await once(asked, "response")) as [IncomingMessage];
          response.on("error", () => undefined);
          return response;
        };
        try {
          await body({ ...parts, socketPath, control, get });
        } finally {
          await control.stop();
        }
      },
      history ? { history } : {},
    ),
  );
}

/** The lines of a stream, as they come. */
function linesOf(response: IncomingMessage): Line[] {
  const lines: Line[] = [];
  let rest = "";
  response.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() as string;
    lines.push(...parts.map((part) => JSON.parse(part) as Line));
  });
  return lines;
}

const parsed = (answer: string) =>
  answer
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
const seqsOf = (lines: readonly Line[]) => lines.map(({ seq }) => seq);

/** Every sequence number, as an event or as lost, in order: fails where one is missing or stands twice. */
function account(lines: readonly Line[]): { events: number; lost: number; next: number } {
  const sum = { events: 0, lost: 0, next: 0 };
  for (const { seq, lost } of lines) {
    assert.equal(lost ? lost.first_seq : seq, sum.next);
    if (lost) assert.equal(lost.events, lost.last_seq - lost.first_seq + 1);
    sum.next = (lost ? lost.last_seq : (seq as number)) + 1;
    sum[lost ? "lost" : "events"] += lost ? lost.events : 1;
  }
  return sum;
}

describe("GET /v1/events", () => {
  test("answers with the events in memory, each in full, with the hash that its ack had", () =>
    serving(async ({ bus, get }) => {
      const acks = await appendMany(bus, 700);
      const response = await get();
      assert.match(response.headers["content-type"] ?? "", /application\/jsonl/);
      const lines = parsed(await text(response));
      assert.deepEqual(
        lines.map(({ hash }) => hash),
        acks.map(({ hash }) => hash),
      );
      assert.deepEqual(
        [lines[4]?.seq, lines[4]?.element_id, lines[4]?.state_snapshot],
        [4, "interface:eth1", { mtu: 1504 }],
      );
      assert.deepEqual(seqsOf(parsed(await text(await get("?after=690")))), range(691, 700));
      assert.equal(await text(await get("?after=now")), "");
      assert.equal(await text(await get("?after=99999")), "");
    }));

  test("tells what is asked for and no longer in memory", () =>
    serving(
      async ({ bus, get }) => {
        await appendMany(bus, 500);
        const lines = parsed(await text(await get("?after=99")));
        assert.deepEqual(lines[0], { lost: { first_seq: 100, last_seq: 399, events: 300 } });
        assert.deepEqual(seqsOf(lines.slice(1)), range(400, 500));
        assert.deepEqual(seqsOf(parsed(await text(await get()))), range(400, 500));
      },
      { maxEvents: 100, maxBytes: 1 << 30 },
    ));

  test("with follow goes on with what comes, history first, without a gap", () =>
    serving(async ({ bus, get }) => {
      await appendMany(bus, 100);
      const [all, some, live] = [
        linesOf(await get("?follow=true")),
        linesOf(await get("?follow=true&after=49")),
        linesOf(await get("?follow=true&after=now")),
      ];
      await appendMany(bus, 1000);
      await until(() => all.length === 1100 && some.length === 1050 && live.length === 1000);
      assert.deepEqual(seqsOf(all), range(0, 1100));
      assert.deepEqual(seqsOf(some), range(50, 1100));
      assert.deepEqual(seqsOf(live), range(100, 1100));
    }));

  test("gives only the types and elements that fit", () =>
    serving(async ({ bus, get }) => {
      const live = linesOf(await get("?follow=true&element=*:eth2&type=Net*"));
      await appendMany(bus, 30);
      await appendMany(bus, 30, { elementType: "Disk" });
      await appendMany(bus, 3);
      await until(() => live.at(-1)?.seq === 62);
      assert.deepEqual(new Set(live.map(({ element_id }) => element_id)), new Set(["interface:eth2"]));
      assert.equal(live.length, 11);
      assert.equal(parsed(await text(await get("?type=Disk"))).length, 30);
    }));

  test("is refused for parameters that it does not know or that are wrong", () =>
    serving(async ({ get }) => {
      for (const query of ["?after=x", "?after=-1", "?follow=maybe", "?from=3", "?type="]) {
        const response = await get(query);
        assert.equal(response.statusCode, 400, query);
        assert.equal((JSON.parse(await text(response)) as { code: string }).code, "bad-request");
      }
    }));

  test("serves a bounded number of readers, and the next one when one of them is gone", () =>
    serving(async ({ bus, get }) => {
      const open = await Promise.all(Array.from({ length: MAX_STREAMS }, () => get("?follow=true")));
      const refused = await get("?follow=true");
      assert.equal(refused.statusCode, 503);
      assert.equal((JSON.parse(await text(refused)) as { code: string }).code, "too-many-watchers");
      open[0]?.destroy();
      await until(() => bus.state().subscribers.length < MAX_STREAMS);
      assert.equal((await get()).statusCode, 200);
    }));
});

describe("a reader of events that does not keep up", () => {
  test("costs a bounded amount of memory, holds up nobody, and is told exactly what it lost", () =>
    serving(async ({ bus, get }) => {
      const slow = await get("?follow=true&after=now");
      slow.pause();
      const quick = linesOf(await get("?follow=true&after=now"));
      const stateJson = JSON.stringify("x".repeat(2000));
      const most = { events: 0, bytes: 0 };
      for (let round = 0; round < 40; round += 1) {
        await appendMany(bus, 500, { stateJson });
        const { queued_events, queued_bytes } = bus.state().subscribers[0] as {
          queued_events: number;
          queued_bytes: number;
        };
        most.events = Math.max(most.events, queued_events);
        most.bytes = Math.max(most.bytes, queued_bytes);
      }
      await until(() => quick.length === 20_000);
      assert.deepEqual(account(quick), { events: 20_000, lost: 0, next: 20_000 });
      assert.ok(most.events <= 4096 && most.bytes <= 8 * 1024 * 1024, JSON.stringify(most));
      assert.ok(most.bytes > 4 * 1024 * 1024, JSON.stringify(most));
      const late = linesOf(slow);
      slow.resume();
      await until(() => late.at(-1)?.seq === 19_999);
      const { events, lost } = account(late);
      assert.equal(events + lost, 20_000);
      assert.ok(lost > 10_000, String(lost));
    }));

  test("does not keep the primary from stopping; one that keeps up gets its last events and a clean end", () =>
    serving(async ({ bus, control, get }) => {
      const stuck = await get("?follow=true");
      stuck.pause();
      const response = await get("?follow=true");
      const lines = linesOf(response);
      const ended = once(response, "end");
      // Several times what the socket holds, and far less than is read in the time that the stop gives.
      await appendMany(bus, 500, { stateJson: JSON.stringify("x".repeat(2000)) });
      await control.stop();
      await ended;
      assert.equal(response.complete, true);
      assert.deepEqual(account(lines), { events: 500, lost: 0, next: 500 });
      assert.equal(bus.state().subscribers.length, 0);
      await assert.rejects(text(stuck), { message: "aborted" }, "it was never stuck");
    }));
});
