// `ingest FILE --follow` as users run it, a process of its own, while the file rotates and the primary comes and goes.
import assert from "node:assert/strict";
import { appendFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createAdmitter } from "../../../primary/admit/admit-event.js";
import { IngestSocket } from "../../../primary/sources/lines/ingest-socket.js";
import { runCli } from "../../support/run-cli.js";
import { RunningCommand } from "../../support/running-command.js";
import { until } from "../../support/until.js";
import { withFolder } from "../../support/with-folder.js";
import { MemorySink, silentLog } from "../sources/memory-sink.js";

const event = (n: number) => `{"element_id":"e:${n}","element_type":"T","action":"a","state_snapshot":${n}}\n`;
const events = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => event(from + i)).join("");

interface Following {
  file: string;
  path: string;
  sink: MemorySink;
  serve(): Promise<IngestSocket>;
  follow(...args: string[]): RunningCommand;
}

async function following(body: (parts: Following) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const [file, path, sink] = [join(folder, "events.jsonl"), join(folder, "s"), new MemorySink()];
    const servers: IngestSocket[] = [];
    const children: RunningCommand[] = [];
    const serve = async () => {
      const server = new IngestSocket({ path, admit: createAdmitter(), sink, log: silentLog, stopGraceMs: 200 });
      await server.start(new AbortController().signal);
      servers.push(server);
      return server;
    };
    const follow = (...args: string[]) => {
      const process = new RunningCommand("primary", ["ingest", file, "--follow", "--socket", path, ...args]);
      children.push(process);
      return process;
    };
    try {
      await body({ file, path, sink, serve, follow });
    } finally {
      for (const { child } of children) child.kill("SIGKILL");
      for (const server of servers) await server.stop();
    }
  });
}

const states = (sink: MemorySink) => sink.events.map(({ stateJson }) => Number(stateJson));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe("ingest --follow", () => {
  test("brings every line once: through rotation, restarts of the primary, and when the file is followed again", () =>
    following(async ({ file, sink, serve, follow }) => {
      await writeFile(file, events(0, 100));
      const first = await serve();
      const run = follow("--actor", "me", "--json");
      await until(() => sink.events.length === 100);

      await first.stop();
      await appendFile(file, events(100, 150));
      await rename(file, `${file}.1`);
      await writeFile(file, events(150, 200));
      await until(() => run.stderr.includes("waiting for it"));
      await serve();
      await until(() => sink.events.length === 200);
      await appendFile(file, events(200, 210));
      await until(() => sink.events.length === 210);
      assert.equal(await run.interrupt(), 0, run.stderr);
      assert.match(run.stderr, /connected again/);
      assert.match(run.stderr, /\d+ written, \d+ duplicates, 0 refused/);
      assert.deepEqual(states(sink), range(0, 210));
      assert.ok(sink.events.every(({ actor }) => actor === "me"));
      const acks = run.stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { file: string; offset: number });
      assert.equal(acks.length, 210);
      assert.deepEqual([acks[1]?.file, acks[1]?.offset], [file, event(0).length]);

      // Again, also by the rotated file's new name: nothing is written twice.
      const again = follow("--json");
      await until(() => again.stdout.split("\n").length > 60);
      assert.equal(await again.interrupt(), 0);
      assert.match(again.stderr, /0 written, 60 duplicates, 0 refused/);
      await rename(`${file}.1`, file);
      const old = follow("--json");
      await until(() => old.stdout.split("\n").length > 150);
      assert.equal(await old.interrupt(), 0);
      assert.match(old.stderr, /0 written, 150 duplicates, 0 refused/);
    }));

  test("names a refused line by its place, goes on, and ends with 2", () =>
    following(async ({ file, sink, serve, follow }) => {
      await serve();
      await writeFile(file, `${event(1)}{"element_id":"x"}\n${event(2)}`);
      const run = follow();
      await until(() => sink.events.length === 2 && run.stderr.includes("is missing"));
      assert.ok(
        run.stderr.includes(`${file}, byte ${event(1).length} field "element_type": it is missing`),
        run.stderr,
      );
      assert.equal(await run.interrupt(), 2);
    }));

  test("says how many lines have no ack when it is ended while the primary is away, and ends with 1", () =>
    following(async ({ file, sink, serve, follow }) => {
      await writeFile(file, events(0, 7));
      const server = await serve();
      sink.holdAcks();
      const run = follow();
      await until(() => sink.events.length === 7);
      const stopped = server.stop();
      await until(() => run.stderr.includes("waiting for it"));
      sink.releaseAcks();
      await stopped;
      assert.equal(await run.interrupt(), 1);
      assert.match(run.stderr, /7 lines have no ack; follow the file again/);
      await appendFile(file, event(7));
      await serve();
      const again = follow();
      await until(() => sink.events.length === 8);
      assert.deepEqual(states(sink), range(0, 8));
      assert.equal(await again.interrupt(), 0);
    }));

  test("waits at Ctrl-C for the acks outstanding", () =>
    following(async ({ file, sink, serve, follow }) => {
      await serve();
      await writeFile(file, events(0, 20));
      sink.holdAcks();
      const run = follow();
      await until(() => sink.events.length === 20);
      const code = run.interrupt();
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(run.child.exitCode, null);
      sink.releaseAcks();
      assert.equal(await code, 0);
      assert.match(run.stderr, /20 written, 0 duplicates/);
    }));

  test("passes over what is there with --from-end", () =>
    following(async ({ file, sink, serve, follow }) => {
      await serve();
      await writeFile(file, events(0, 20));
      const run = follow("--from-end");
      let n = 20;
      // Until it is at work, what is appended may still be passed over.
      while (sink.events.length === 0) {
        await appendFile(file, event(n));
        n += 1;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await until(() => states(sink).at(-1) === n - 1);
      const [first = 0] = states(sink);
      assert.ok(first >= 20);
      assert.deepEqual(states(sink), range(first, n));
      assert.equal(await run.interrupt(), 0);
    }));

  test("is refused without a file, and --from-end without --follow", async () => {
    for (const args of [
      ["-", "--follow"],
      ["x", "--from-end"],
    ]) {
      const { exitCode, stderr } = await runCli("primary", ["ingest", ...args], { input: "" });
      assert.equal(exitCode, 1);
      assert.match(stderr, /--follow/);
    }
  });
});
