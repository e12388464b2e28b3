// Runs test files on the next long-term Node as well, from the npm package that carries its binary. Only for files that
// load no native module: those are compiled for the Node that runs the rest.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { installNode, OTHER_NODE } from "./install-node.js";
import type { Counts } from "./run-files.js";

/** A Node that cannot be had counts as one failure. */
export async function runOnOtherNode(files: string[]): Promise<Counts> {
  process.stdout.write(`on Node ${OTHER_NODE}\n`);
  const folder = await mkdtemp(join(tmpdir(), "isochron-node-"));
  try {
    const node = await installNode(folder, OTHER_NODE);
    const args = ["--test", "--test-reporter=tap", ...files];
    const { stdout } = await execa(node, args, { reject: false, stdin: "ignore", maxBuffer: 64 * 1024 * 1024 });
    const counts = {
      passed: countOf(stdout, "pass"),
      failed: countOf(stdout, "fail"),
      skipped: countOf(stdout, "skipped"),
    };
    process.stdout.write(counts.failed > 0 ? `${stdout}\n` : `  ok   ${counts.passed} tests\n`);
    return counts;
  } catch (error) {
    process.stdout.write(`  FAIL Node ${OTHER_NODE} cannot be had: ${(error as Error).message}\n`);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** From the summary at the end of TAP output, `# pass 12`. A summary that is not there is a failure. */
function countOf(tap: string, what: "pass" | "fail" | "skipped"): number {
  const match = new RegExp(`^# ${what} (\\d+)$`, "m").exec(tap);
  if (!match) throw new Error(`its test run gave no summary: ${tap.slice(-500)}`);
  return Number(match[1]);
}
