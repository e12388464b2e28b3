// Loaded before a test file, in its process: one that its tests have left open is ended soon after the last of them, as a
// failure that names what kept it. Else such a file says nothing until its time is over. No test that still runs is cut short.
import { readFileSync } from "node:fs";
import { after } from "node:test";
import { isMainThread } from "node:worker_threads";

/** Enough for any tidying up on a busy machine. */
const GRACE_MS = 30_000;
const HERE = new URL(import.meta.url);
const graceMs = Number(HERE.searchParams.get("graceMs") ?? GRACE_MS);

/** Words for Node's command line. */
export function endWithTests(graceMs = GRACE_MS): string[] {
  const url = new URL(HERE);
  url.searchParams.set("graceMs", String(graceMs));
  return ["--import", url.href];
}

const isTestFile = process.env.NODE_TEST_CONTEXT !== undefined && process.execArgv.includes(HERE.href);

if (isTestFile && isMainThread) {
  // What a test forks is no test file.
  process.execArgv.splice(process.execArgv.indexOf(HERE.href) - 1, 2);
  after(() => {
    setTimeout(endWithWords, graceMs).unref();
  });
}

function endWithWords(): void {
  const children = childrenOf(process.pid);
  process.stderr.write(
    `its tests are over, and it is kept open by ${process.getActiveResourcesInfo().sort().join(", ")}\n` +
      children.map(({ pid, command }) => `  its child ${pid}: ${command}\n`).join(""),
  );
  for (const { pid } of children) process.kill(pid, "SIGKILL");
  process.exit(1);
}

function childrenOf(pid: number): { pid: number; command: string }[] {
  const ids = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  return ids.filter((id) => id !== "").map((id) => ({ pid: Number(id), command: commandOf(id) }));
}

/** Nothing of one that has ended and is not yet waited for. */
function commandOf(id: string): string {
  return readFileSync(`/proc/${id}/cmdline`, "utf8").replaceAll("\0", " ").trim();
}
