// What a terminal must never get from an event: no command may pass it on, whichever part of an answer it stands in.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createAdmitter } from "../../../primary/admit/admit-event.js";
import { IngestSocket } from "../../../primary/sources/lines/ingest-socket.js";
import { visible, visibleLines } from "../../../shared/cli/visible.js";
import { createLogger } from "../../../shared/log.js";
import { MemorySink, silentLog } from "../../primary/sources/memory-sink.js";
import { flipByte, StoreBuilder } from "../../support/build-store.js";
import { startQueryChild } from "../../support/query-child.js";
import { runCli } from "../../support/run-cli.js";
import { withFolder } from "../../support/with-folder.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d06";
/** Title of the window, C1 control, right-to-left override, isolate, left-to-right mark, and a line of its own. */
const HOSTILE = "x\u001b]0;pwned\u0007\u009b31m\u202e\u2066\u200e\nhint: run this";
const ACTED_ON = /[^\P{Cc}\n]|\p{Cf}|^hint: run this/mu;

function assertHarmless(output: { stdout: string; stderr: string }): void {
  for (const text of [output.stdout, output.stderr]) assert.doesNotMatch(text, ACTED_ON, JSON.stringify(text));
  assert.match(output.stdout + output.stderr, /\\u\{1b\}\]0;pwned/);
}

test("control characters are shown, and lines after the first pass for none of ours", () => {
  assert.equal(visible("a\u001b[31mb\n\u009b\u202e"), "a\\u{1b}[31mb\\u{a}\\u{9b}\\u{202e}");
  assert.equal(visibleLines("a\nhint: b\u0007"), "a\n  hint: b\\u{7}");
});

test("no answer of a query sends what an event holds to the terminal as it is; JSON is left alone", async () => {
  await withFolder(async (root) => {
    const builder = await StoreBuilder.create({ root, uuid: UUID });
    const names = { element: `interface:${HOSTILE}`, type: HOSTILE, action: HOSTILE, actor: HOSTILE, reason: HOSTILE };
    await builder.seal([0, 1].map((n) => ({ ...names, state: { [HOSTILE]: `${HOSTILE}${n}` } })));
    await mkdir(join(root, "run"));
    const socketPath = join(root, "run", "query.sock");
    const log = createLogger("error", () => true);
    const queries = await startQueryChild({ root, socketPath, indexProcesses: 1, daemon: "replica", log });
    try {
      // On a busy disk a start does not wait for all of the first catch-up.
      await queries.promoted(UUID, 1);
      for (const args of [
        ["chain", names.element],
        ["timeline"],
        ["event", "1"],
        ["state", names.element],
        ["search", "pwned"],
        ["chain", "interface:y"],
      ]) {
        assertHarmless(await runCli("replica", [...args, "--root", root]));
      }
      const { stdout } = await runCli("replica", ["event", "1", "--json", "--root", root]);
      assert.equal((JSON.parse(stdout.split("\n")[0] as string) as { actor: string }).actor, HOSTILE);
      assert.ok(stdout.includes("\u202e"));
    } finally {
      await queries.stop();
    }
  });
});

test("verify names the element of the first bad place without its control characters", async () => {
  await withFolder(async (root) => {
    const builder = await StoreBuilder.create({ root, uuid: UUID });
    await builder.seal([{ element: HOSTILE, state: {} }]);
    const tree = builder.layout.generation(1);
    const verify = ["verify", "--dir", tree.dir, "--key", builder.signer.vkey];
    assertHarmless(await runCli("replica", [...verify, "--element", HOSTILE]));
    await flipByte(tree.payloadsSegment(0), 40);
    const found = await runCli("replica", verify);
    assert.equal(found.exitCode, 3);
    assertHarmless(found);
  });
});

test("ingest says why a line was refused without the line's control characters", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "s");
    const server = new IngestSocket({ path, admit: createAdmitter(), sink: new MemorySink(), log: silentLog });
    await server.start(new AbortController().signal);
    try {
      const line = { element_id: "a", element_type: "T", action: "b", priority: HOSTILE };
      const input = `${JSON.stringify(line)}\n`;
      const refused = await runCli("primary", ["ingest", "-", "--socket", path], { input });
      assert.equal(refused.exitCode, 2);
      assertHarmless(refused);
    } finally {
      await server.stop();
    }
  });
});
