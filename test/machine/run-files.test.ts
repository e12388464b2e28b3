// The runner of `npm test`, in a process of its own: Node runs no test files from within one.
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { eventually } from "../support/eventually.js";
import { withFolder } from "../support/with-folder.js";
import { LONG, type RunOptions, WAITING } from "./run-files.js";

const RUNNER = new URL("./run-files.js", import.meta.url).href;
const FILES = {
  good: 'test("a", () => {}); test("b", () => {}); test("c", { skip: "no disk" }, () => {});',
  bad: 'test("d", () => { throw new Error("not so"); });',
  open: `test("e", () => {
    const child = spawn("sleep", ["600"], { stdio: "ignore" });
    writeFileSync(new URL("pid", import.meta.url), String(child.pid));
    createServer().listen(0);
  });`,
  slow: 'test("f", () => new Promise((done) => setTimeout(done, 400)));',
  stuck: 'test("g", () => new Promise(() => setInterval(() => {}, 1000)));',
};
const HEAD = `import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
`;

/** What a run of these files says, and its counts. */
async function runThem(folder: string, names: (keyof typeof FILES)[], options: RunOptions) {
  const paths = names.map((name) => join(folder, `${name}.mjs`));
  for (const [i, name] of names.entries()) await writeFile(paths[i] as string, HEAD + FILES[name]);
  const runner = join(folder, "run.mjs");
  const script = `import { runFiles } from ${JSON.stringify(RUNNER)};
    process.stderr.write(JSON.stringify(await runFiles(${JSON.stringify(paths)}, ${JSON.stringify(options)})));`;
  const env = { NODE_TEST_CONTEXT: undefined };
  await writeFile(runner, script);
  const { stdout, stderr } = await execa(process.execPath, [runner], { env, cwd: folder });
  return { text: stdout, counts: JSON.parse(stderr) as unknown };
}

test("each file's tests stand below its name, and every outcome is counted", () =>
  withFolder(async (folder) => {
    const { text, counts } = await runThem(folder, ["good", "bad"], {});
    assert.deepEqual(counts, { passed: 2, failed: 1, skipped: 1 });
    assert.match(text, /^good\.mjs\n {2}ok {3}a\n {2}ok {3}b\n {2}skip {3}c: no disk$/m);
    assert.match(text, /^bad\.mjs\n {2}FAIL d\n.*not so/m);
    assert.match(text, /^\d+ s, processors idle for \d+ % of it; longest: (?:(?:good|bad)\.mjs \d+ s(?:, |$)){2}/m);
  }));

test("a file that its tests leave open fails soon, with what keeps it open, and takes its processes along", () =>
  withFolder(async (folder) => {
    const { text, counts } = await runThem(folder, ["open"], { graceMs: 50 });
    assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 0 });
    const pid = await readFile(join(folder, "pid"), "utf8");
    assert.match(text, new RegExp(`its tests are over, .*ProcessWrap.*TCPServerWrap\\n +its child ${pid}: sleep 600`));
    // A dead one that nobody has waited for yet has none.
    await eventually(
      async () => (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")) === "",
      () => "it still runs",
    );
  }));

test("a test that takes longer than that is not cut short; one that hangs is ended when its time is over", () =>
  withFolder(async (folder) => {
    const { counts } = await runThem(folder, ["slow"], { graceMs: 1 });
    assert.deepEqual(counts, { passed: 1, failed: 0, skipped: 0 });
    const stuck = await runThem(folder, ["stuck"], { timeoutMs: 1000 });
    assert.deepEqual(stuck.counts, { passed: 0, failed: 1, skipped: 0 });
    assert.match(stuck.text, /FAIL .*stuck\.mjs\n.*timed out after 1000ms/s);
  }));

test("the files that are known to wait or to be long are there", async () => {
  const sources = await readdir(new URL("../../../test/", import.meta.url), { recursive: true });
  for (const name of [...WAITING, ...LONG]) assert.ok(sources.includes(`${name}.test.ts`), name);
});
