// Commands whose reader goes away, as `| head -1` does.
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { createAdmitter } from "../../../primary/admit/admit-event.js";
import { IngestSocket } from "../../../primary/sources/lines/ingest-socket.js";
import { MemorySink, silentLog } from "../../primary/sources/memory-sink.js";
import { flipByte, StoreBuilder, someEvents } from "../../support/build-store.js";
import { binPath } from "../../support/run-cli.js";
import { withFolder } from "../../support/with-folder.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d05";

function start(role: "primary" | "replica", args: string[]): ChildProcessByStdio<Writable, Readable, Readable> {
  const env = { ...process.env, ISOCHRON_CONFIG: "/dev/null", NO_COLOR: "1" };
  return spawn(process.execPath, [binPath(role), ...args], { env, stdio: "pipe" });
}

test("ingest keeps every event, though nobody reads its acks any more", async () => {
  await withFolder(async (folder) => {
    const sink = new MemorySink();
    const path = join(folder, "s");
    const server = new IngestSocket({ path, admit: createAdmitter(), sink, log: silentLog });
    await server.start(new AbortController().signal);
    try {
      const child = start("primary", ["ingest", "-", "--json", "--socket", path]);
      const said = text(child.stderr);
      const event = (n: number) => `{"element_id":"e:${n}","element_type":"T","action":"a"}\n`;
      child.stdin.write(event(0));
      await once(child.stdout, "data");
      child.stdout.destroy();
      for (let n = 1; n <= 500; n += 1) {
        child.stdin.write(event(n));
        // Acks in many writes: the first after the end of the reader tells of it, the later ones must not fail either.
        if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      child.stdin.end();
      const [code] = (await once(child, "close")) as [number | null];
      assert.match(await said, /^501 written, 0 duplicates, 0 refused/);
      assert.equal(code, 0);
      assert.equal(sink.events.length, 501);
    } finally {
      await server.stop();
    }
  });
});

test("verify of a store that was tampered with ends with 3, whether or not anyone reads the finding", async () => {
  await withFolder(async (root) => {
    const builder = await StoreBuilder.create({ root, uuid: UUID });
    await builder.seal(someEvents(10, 2, undefined));
    const tree = builder.layout.generation(1);
    await flipByte(tree.payloadsSegment(0), 40);
    for (const more of [[], ["--json"]]) {
      const child = start("replica", ["verify", "--dir", tree.dir, "--key", builder.signer.vkey, ...more]);
      child.stdout.destroy();
      const said = text(child.stderr);
      const [code] = (await once(child, "close")) as [number | null];
      assert.equal(code, 3, await said);
    }
  });
});
