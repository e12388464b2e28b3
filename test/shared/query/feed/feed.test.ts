// Both ends of the feed on real sockets: what either does about the other's absence, age, silence and lies.
import assert from "node:assert/strict";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { createLogger } from "../../../../shared/log.js";
import { FeedFollower } from "../../../../shared/query/feed/follow-feed.js";
import { QueryFeed } from "../../../../shared/query/feed/serve-feed.js";
import type { PrimaryHead, Promoted } from "../../../../shared/query/query-message.js";
import { NewsTeller } from "../../../../shared/query/tell-news.js";
import { eventually } from "../../../support/drive-fleet.js";
import { withFolder } from "../../../support/with-folder.js";

const A = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d03";
const STRANGE = "1c0d7d6f-63a1-4c73-8b66-2a7a7a4d0e14";
const HELLO = { op: "hello", feed: 1, version: "0.1.0", pid: 4242 };

interface Daemon {
  socketPath: string;
  teller: NewsTeller;
  feed: QueryFeed;
  answered: [string, Promoted][];
  log: string[];
}

async function withDaemon(use: (daemon: Daemon) => Promise<void>, pingMs = 60_000): Promise<void> {
  await withFolder(async (folder) => {
    const lines: string[] = [];
    const log = createLogger("info", (line) => lines.push(line) > 0);
    const answered: [string, Promoted][] = [];
    const teller = new NewsTeller({ log, onAnswered: (store, promoted) => answered.push([store, promoted]) });
    const socketPath = join(folder, "feed.sock");
    const user = { name: "queries", gid: process.getegid?.() ?? 0 };
    const isKnown = (store: string) => store === A;
    const feed = new QueryFeed({ socketPath, user, version: "9.9.9", teller, isKnown, log, pingMs });
    await feed.start();
    try {
      await use({ socketPath, teller, feed, answered, log: lines });
    } finally {
      await feed.stop();
    }
  });
}

/** A service by hand. */
class Line {
  readonly socket: Socket;
  readonly heard: Record<string, unknown>[] = [];
  answersPings = false;
  #closed = false;

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => {
      this.#closed = true;
    });
    createInterface({ input: this.socket }).on("line", (line) => this.#hear(JSON.parse(line)));
  }

  #hear(line: Record<string, unknown>): void {
    this.heard.push(line);
    if (this.answersPings && line.op === "ping") this.say({ op: "pong" });
  }

  say(line: object): void {
    this.socket.write(`${JSON.stringify(line)}\n`);
  }

  async hears(wanted: object): Promise<void> {
    const text = JSON.stringify(wanted);
    await eventually(
      async () => this.heard.some((line) => JSON.stringify(line) === text),
      () => `${text} is not among ${JSON.stringify(this.heard)}`,
    );
  }

  async isClosed(): Promise<void> {
    if (!this.#closed) await once(this.socket, "close");
  }
}

test("the socket is the group's, and a service that says hello is told what is remembered", async () => {
  await withDaemon(async ({ socketPath, teller, feed, answered }) => {
    assert.equal((await stat(socketPath)).mode & 0o777, 0o660);
    assert.equal(feed.state().connected, false);
    teller.promoted(A, 7);
    const service = new Line(socketPath);
    service.say(HELLO);
    await service.hears({ op: "promoted", store: A, generation: 7 });
    assert.deepEqual(service.heard[0], { op: "welcome", feed: 1, version: "9.9.9", pid: process.pid });
    const { connected, pid, version, problem } = feed.state();
    assert.deepEqual([connected, pid, version, problem], [true, 4242, "0.1.0", null]);
    service.say({ op: "answered", store: A, generation: 7, size: 70 });
    await eventually(
      async () => answered.length > 0,
      () => "no answer was heard",
    );
    assert.deepEqual(answered, [[A, { generation: 7, size: 70 }]]);
    service.socket.destroy();
    await eventually(
      async () => !feed.state().connected,
      () => "it still counts as connected",
    );
  });
});

test("a service of another version is told so in words, and is not connected", async () => {
  await withDaemon(async ({ socketPath, feed, log }) => {
    const service = new Line(socketPath);
    service.say({ ...HELLO, feed: 2, more: "words of a later version" });
    await service.isClosed();
    assert.match(String(service.heard[0]?.reason), /daemon \(9\.9\.9\) speaks version 1 .* \(0\.1\.0\) 2: .*restart/);
    await eventually(
      async () => log.some((line) => /refused.*speaks version 1/.test(line)),
      () => log.join(""),
    );
    assert.equal(feed.state().connected, false);
  });
});

test("a second service is refused while the first is alive, and takes its place once that says nothing", async () => {
  await withDaemon(async ({ socketPath, feed, log }) => {
    const first = new Line(socketPath);
    first.answersPings = true;
    first.say(HELLO);
    await first.hears({ op: "ping" });
    const second = new Line(socketPath);
    second.say({ ...HELLO, pid: 4343 });
    await second.isClosed();
    assert.match(String(second.heard[0]?.reason), /another query service \(pid 4242\) is connected/);
    first.answersPings = false;
    await eventually(
      async () => log.some((line) => /refused.*pid 4242/.test(line)),
      () => log.join(""),
    );
    // It asks again, as services do; the first no longer answers its pings.
    await eventually(
      async () => {
        const again = new Line(socketPath);
        again.say({ ...HELLO, pid: 4343 });
        await eventually(
          async () => again.heard.length > 0,
          () => "nothing is said to it",
        );
        if (again.heard[0]?.op === "welcome") return true;
        await again.isClosed();
        return false;
      },
      () => "the second is never taken",
    );
    await first.isClosed();
    assert.equal(feed.state().pid, 4343);
  }, 1000);
});

test("a service that hangs is given up, and the log says why", async () => {
  await withDaemon(async ({ socketPath, feed, log }) => {
    const service = new Line(socketPath);
    service.say(HELLO);
    await service.isClosed();
    await eventually(
      async () => !feed.state().connected,
      () => "it still counts as connected",
    );
    assert.match(String(feed.state().problem), /has said nothing for/);
    assert.match(log.join(""), /no longer connected reason=".*said nothing/);
  }, 200);
});

test("who sends what is not of the feed, or a line without an end, is cut off; of unknown stores nothing is heard", async () => {
  await withDaemon(async ({ socketPath, answered, log }) => {
    for (const bytes of [
      "GET / HTTP/1.1\r\n\r\n",
      `${JSON.stringify({ op: "answered", store: A, generation: 1, size: 1 })}\n`,
      "x".repeat(70_000),
      `${JSON.stringify(HELLO)}\n${JSON.stringify({ op: "answered", store: A, generation: -1, size: 1 })}\n`,
      `${JSON.stringify(HELLO)}\n{"op":"answered","store":"${"a".repeat(100_000)}","generation":1,"size":1}\n`,
    ]) {
      const service = new Line(socketPath);
      service.socket.write(bytes);
      await service.isClosed();
    }
    const service = new Line(socketPath);
    service.say(HELLO);
    service.say({ op: "answered", store: STRANGE, generation: 1, size: 1 });
    service.say({ op: "answered", store: A, generation: 2, size: 2 });
    await eventually(
      async () => answered.length > 0,
      () => log.join(""),
    );
    assert.deepEqual(answered, [[A, { generation: 2, size: 2 }]]);
    service.socket.destroy();
  });
});

interface FakeEngine {
  promoted(store: string, generation: number): Promise<Promoted>;
  setPrimaryHead(store: string, head: PrimaryHead): void;
  catchUp(onAnswered?: (store: string, answered: Promoted) => void): Promise<void>;
}

test("a follower finds what was promoted by itself each time it connects, and says when it is not connected", async () => {
  const heads: PrimaryHead[] = [];
  let onDisk = 3;
  const engine: FakeEngine = {
    promoted: async (_store, generation) => ({ generation, size: generation * 10 }),
    setPrimaryHead: (_store, head) => heads.push(head),
    catchUp: async (onAnswered) => onAnswered?.(A, { generation: onDisk, size: onDisk * 10 }),
  };
  const lines: string[] = [];
  const log = createLogger("info", (line) => lines.push(line) > 0);
  await withDaemon(async ({ socketPath, teller, feed, answered }) => {
    const follower = new FeedFollower({ socketPath, engine, version: "0.1.0", log, mostDelayMs: 50 });
    assert.deepEqual([follower.state().connected, follower.state().problem], [false, "it has not connected yet"]);
    follower.start();
    const hears = (generation: number) =>
      eventually(
        async () => answered.at(-1)?.[1].generation === generation,
        () => `${JSON.stringify(answered)}\n${lines.join("")}`,
      );
    await hears(3);
    teller.setPrimaryHead(A, { size: 99, atMs: 5, generation: 4 });
    teller.promoted(A, 4);
    await hears(4);
    assert.deepEqual(heads, [{ size: 99, atMs: 5, generation: 4 }]);
    onDisk = 6;
    await feed.stop();
    await eventually(
      async () => !follower.state().connected,
      () => "it still counts as connected",
    );
    assert.notEqual(follower.state().problem, null);
    await feed.start();
    await hears(6);
    assert.equal(follower.state().connected, true);
    await follower.stop();
  });
});

test("a follower that is refused says why, once, and goes on asking, and looking by itself", async () => {
  await withFolder(async (folder) => {
    const socketPath = join(folder, "feed.sock");
    let asked = 0;
    let looked = 0;
    const daemon = createServer((socket) => {
      asked += 1;
      socket.end(`${JSON.stringify({ op: "refused", feed: 0, reason: "the daemon is older" })}\n`);
      socket.on("error", () => undefined);
      socket.resume();
    });
    daemon.listen(socketPath);
    await once(daemon, "listening");
    const lines: string[] = [];
    const log = createLogger("info", (line) => lines.push(line) > 0);
    const engine: FakeEngine = {
      promoted: () => Promise.reject(new Error("never asked")),
      setPrimaryHead: () => undefined,
      catchUp: async () => {
        looked += 1;
        throw new Error("not even the stores can be read");
      },
    };
    const follower = new FeedFollower({ socketPath, engine, version: "0.1.0", log, mostDelayMs: 20 });
    follower.start();
    await eventually(
      async () => asked > 5,
      () => "it gave up",
    );
    assert.equal(follower.state().problem, "the daemon is older");
    assert.ok(looked > 3);
    assert.equal(lines.filter((line) => line.includes("the daemon is older")).length, 1);
    await follower.stop();
    await new Promise((resolve) => daemon.close(resolve));
  });
});
