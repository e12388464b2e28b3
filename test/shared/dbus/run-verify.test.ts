import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { VerifyRunner, type VerifyTarget } from "../../../shared/dbus/run-verify.js";
import { eventually } from "../../support/drive-fleet.js";
import { withFolder } from "../../support/with-folder.js";

const SIGNAL = new AbortController().signal;

interface Verifier {
  runner: VerifyRunner;
  /** Command lines that it was started with. */
  started(): Promise<string[][]>;
}

/** A verifier that notes its arguments and then does what `body` says, as a process of its own. */
async function withVerifier(
  body: string,
  more: Partial<VerifyTarget>,
  use: (verifier: Verifier) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const bin = join(folder, "main.js");
    const notes = join(folder, "started");
    await writeFile(notes, "");
    const note = `require("fs").appendFileSync(${JSON.stringify(notes)}, JSON.stringify(process.argv.slice(2)) + "\\n");`;
    await writeFile(bin, `${note}\n${body}`);
    const runner = new VerifyRunner({ bin, root: "/root of it", keys: [], generation: () => 1, ...more });
    const started = async () => {
      const lines = (await readFile(notes, "utf8")).split("\n").filter((line) => line !== "");
      return lines.map((line) => JSON.parse(line) as string[]);
    };
    await use({ runner, started });
  });
}

const FOUND = 'console.log(JSON.stringify({ verdict: "tampered" })); process.exit(3);';

test("a finding is the answer, whatever its verdict, and the arguments cannot become options", async () => {
  await withVerifier(FOUND, { keys: ["host1+abc"] }, async ({ runner, started }) => {
    assert.equal(await runner.run("--config=/etc/x", SIGNAL), '{"verdict":"tampered"}');
    assert.deepEqual(await started(), [
      ["verify", "--json", "--root=/root of it", "--key=host1+abc", "--store=--config=/etc/x"],
    ]);
  });
});

test("a verification that came to nothing is an error with the verifier's words", async () => {
  await withVerifier('console.error("error: no such store"); process.exit(1);', {}, async ({ runner }) => {
    await assert.rejects(runner.run(undefined, SIGNAL), { code: "verify-failed", message: "error: no such store" });
  });
});

test("a bad verdict on a generation that was replaced meanwhile is come to again on the new one", async () => {
  let generation = 0;
  const next = () => {
    generation += 1;
    return Math.min(generation, 3);
  };
  // Asked before and after each run: 1 and 2 differ, 3 and 3 do not.
  await withVerifier(FOUND, { generation: next }, async ({ runner, started }) => {
    assert.equal(await runner.run(undefined, SIGNAL), '{"verdict":"tampered"}');
    assert.equal((await started()).length, 2);
  });
});

test("one verification runs at a time, and a stop ends it", async () => {
  await withVerifier("setTimeout(() => {}, 600_000);", {}, async ({ runner, started }) => {
    const stopping = new AbortController();
    const first = runner.run(undefined, stopping.signal);
    await assert.rejects(runner.run(undefined, SIGNAL), { code: "busy" });
    await eventually(
      async () => (await started()).length === 1,
      () => "it was not started",
    );
    stopping.abort(Object.assign(new Error("the daemon is stopping"), { code: "stopping" }));
    await assert.rejects(first, { code: "stopping" });
    await assert.rejects(runner.run(undefined, AbortSignal.abort(new Error("not begun"))), /not begun/);
  });
});
