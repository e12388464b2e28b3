// The ingest command as a process of its own, against a real socket.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { createAdmitter } from "../../../primary/admit/admit-event.js";
import { IngestSocket } from "../../../primary/sources/lines/ingest-socket.js";
import { withFolder } from "../../support/with-folder.js";
import { MemorySink, silentLog } from "../sources/memory-sink.js";

const COMMAND = new URL("../../../primary/commands/ingest.js", import.meta.url).href;
const RUN = `
import yargs from "yargs";
import { ingestCommand } from ${JSON.stringify(COMMAND)};
await yargs(process.argv.slice(1)).command(ingestCommand((argv) => String(argv.store))).parseAsync();`;

async function ingest(args: string[], input = ""): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", RUN, "--", "ingest", ...args], {
    cwd: new URL("../../../..", import.meta.url).pathname,
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await closed, stdout, stderr };
}

async function withServer(body: (path: string, folder: string, sink: MemorySink) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const sink = new MemorySink();
    const path = join(folder, "s");
    const server = new IngestSocket({ path, admit: createAdmitter(), sink, log: silentLog });
    await server.start(new AbortController().signal);
    try {
      await body(path, folder, sink);
    } finally {
      await server.stop();
    }
  });
}

const event = (n: number, more = "") => `{"element_id":"e:${n}","element_type":"T","action":"a"${more}}\n`;

describe("ingest", () => {
  test("sends a file, counts what was written, and ends with 0", () =>
    withServer(async (path, folder, sink) => {
      const file = join(folder, "events.jsonl");
      await writeFile(file, Array.from({ length: 3000 }, (_, n) => event(n)).join(""));
      const { code, stdout, stderr } = await ingest([file, "--socket", path]);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /^3000 written, 0 duplicates, 0 refused in [\d.]+ s \(\d+\/s\)\n$/);
      assert.equal(stdout, "");
      assert.equal(sink.events.length, 3000);
    }));

  test("names each refused line with field, value, reason and way out, keeps the others, and ends with 2", () =>
    withServer(async (path, folder, sink) => {
      const file = join(folder, "events.jsonl");
      await writeFile(file, event(1) + event(2, ',"priority":"urgent"') + event(3));
      const { code, stderr } = await ingest([file, "--store", path]);
      assert.equal(code, 2);
      assert.ok(
        stderr.includes(`${file}:2 field "priority" = urgent: there is no such priority (one of critical`),
        stderr,
      );
      assert.match(stderr, /2 written, 0 duplicates, 1 refused/);
      assert.equal(sink.events.length, 2);
    }));

  test("reads standard input, sets the actor of lines that name none, and prints acks as JSON lines", () =>
    withServer(async (path, _, sink) => {
      const input = `${event(1)}\n${event(2, ',"actor":"own"')}{}\n`.trimEnd();
      const { code, stdout } = await ingest(["-", "--socket", path, "--actor", "me", "--json"], input);
      assert.equal(code, 2);
      const acks = stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { line: number; seq?: number });
      assert.deepEqual(
        acks.map(({ line, seq }) => [line, seq]),
        [
          [1, 0],
          [3, 1],
          [4, undefined],
        ],
      );
      assert.deepEqual(
        sink.events.map(({ actor }) => actor),
        ["me", "own"],
      );
    }));

  test("counts the events of a batch one by one, and names a refused one by its place in it", () =>
    withServer(async (path, _, sink) => {
      const cloud = (id: string, more = "") => `{"specversion":"1.0","source":"/s","type":"t","id":"${id}"${more}}`;
      const input = `${event(1)}[${cloud("a")},${cloud("b", ',"time":"now"')},${cloud("c")}]\n${cloud("a")}\n`;
      const { code, stdout, stderr } = await ingest(["-", "--socket", path, "--json", "--actor", "me"], input);
      assert.equal(code, 2);
      assert.ok(stderr.includes(`<stdin>:2[1] field "time" = now: it is not an RFC 3339 time`), stderr);
      assert.match(stderr, /3 written, 1 duplicates, 1 refused/);
      const acks = stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { events?: unknown[] });
      assert.deepEqual(
        acks.map(({ events }) => events?.length),
        [undefined, 3, undefined],
      );
      assert.deepEqual(
        sink.events.map(({ actor }) => actor),
        ["me", "me", "me"],
      );
    }));

  test("says where to go on when the connection breaks, and ends with 1", () =>
    withFolder(async (folder) => {
      const path = join(folder, "s");
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.once("data", () => socket.end('{"line":1,"seq":0,"hash":"00"}\n'));
      }).listen(path);
      const { code, stderr } = await ingest(["-", "--socket", path], event(1) + event(2) + event(3));
      server.close();
      assert.equal(code, 1);
      assert.match(stderr, /1 of 3 lines sent have their ack\. Go on from <stdin>:2/);
    }));

  test("says that no primary is there, and how to start one", () =>
    withFolder(async (folder) => {
      const { code, stderr } = await ingest(["-", "--socket", join(folder, "none")], event(1));
      assert.equal(code, 1);
      assert.match(stderr, /no primary serves .*isochron-primary serve/);
      assert.equal((await ingest([join(folder, "no-file"), "--socket", join(folder, "none")])).code, 1);
    }));
});
