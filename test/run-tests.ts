// `npm test`: the linter with the import rules, then every test file, then in CI the format's tests on the next Node;
// `npm test -- WORD` runs the files whose path holds WORD. Ends with one line of counts.
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { listTests, runFiles } from "./machine/run-files.js";
import { runOnOtherNode } from "./machine/run-on-other-node.js";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const IN_CI = process.env.CI === "true";

const words = process.argv.slice(2);
const tests = await listTests(PROJECT, words);
const counts = { passed: 0, failed: 0, skipped: 0 };

if (words.length === 0) counts.failed += await lint();
add(await runFiles(tests));
if (IN_CI && words.length === 0) add(await runOnOtherNode(tests.filter((file) => file.includes("/shared/format/"))));

process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
const ranNone = counts.passed + counts.failed === 0;
process.exitCode = counts.failed > 0 || ranNone || (IN_CI && counts.skipped > 0) ? 1 : 0;

function add(more: typeof counts): void {
  counts.passed += more.passed;
  counts.failed += more.failed;
  counts.skipped += more.skipped;
}

/** How many of its checks failed: 0 or 1. */
async function lint(): Promise<number> {
  process.stdout.write("biome check\n");
  const { exitCode } = await execa("node_modules/.bin/biome", ["check", "--error-on-warnings"], {
    cwd: PROJECT,
    reject: false,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (exitCode === 0) return 0;
  process.stdout.write("  FAIL biome check\n");
  return 1;
}
