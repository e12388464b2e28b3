// Runs test files, each in a process of its own, and says how each test went as soon as its file is done.
import { readdir } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";
import { endWithTests } from "./end-with-tests.js";
import { measureRun } from "./measure-run.js";

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Files at once: one more than the smallest machine has processors, because tests wait for disks, daemons and slow lines for
 * a third of their time.
 */
const CONCURRENCY = 3;
/** Files that do little but wait, for lines and for watchdogs: they are run beside the others, one after the other. */
export const WAITING = ["pipeline/services", "pipeline/network", "pipeline/slow-line"];
/** Long ones, begun first: else the run would end with one of them alone, and a processor idle. */
export const LONG = ["release/build-release", "pipeline/crash", "pipeline/hostile-stream", "pipeline/fleet-links"];
/** A file that takes longer hangs: it is ended and counts as failed. The longest takes a sixth of it. */
const FILE_TIMEOUT_MS = 20 * 60_000;

/** Compiled test files whose path holds one of `words`, listed from the sources: one whose source is gone never runs. */
export async function listTests(project: string, words: readonly string[]): Promise<string[]> {
  const sources = await readdir(join(project, "test"), { recursive: true });
  return sources
    .filter((source) => source.endsWith(".test.ts"))
    .filter((source) => words.length === 0 || words.some((word) => source.includes(word)))
    .sort()
    .map((source) => join(project, "dist", "test", source.replace(/\.ts$/, ".js")));
}

export interface RunOptions {
  timeoutMs?: number;
  /** How long a file may stay open once its tests are over. */
  graceMs?: number;
}

export async function runFiles(files: readonly string[], options: RunOptions = {}): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const [waiting, others] = parted(files, WAITING);
  const [long, short] = parted(others, LONG);
  const queue = [...long, ...short];
  // Node hands its own options on to the processes of the files.
  const handedOn = process.execArgv.length;
  process.execArgv.push(...endWithTests(options.graceMs));
  const measure = measureRun();
  const lane = async (from: string[]) => {
    for (let file = from.shift(); file !== undefined; file = from.shift()) {
      const sinceMs = performance.now();
      await runFile(file, options, counts);
      measure.file(basename(file, ".test.js"), performance.now() - sinceMs);
    }
  };
  await Promise.all([lane(waiting), ...Array.from({ length: CONCURRENCY }, () => lane(queue))]);
  process.execArgv.length = handedOn;
  process.stdout.write(`${measure.say()}\n`);
  return counts;
}

/** Files of these names, in the order of the names; and all others. */
function parted(files: readonly string[], names: readonly string[]): [named: string[], others: string[]] {
  const named = names.flatMap((name) => files.filter((file) => file.endsWith(`/${name}.test.js`)));
  return [named, files.filter((file) => !named.includes(file))];
}

/** Adds to `counts`, and prints what there is to say once the file is done: others run beside it. */
async function runFile(file: string, { timeoutMs = FILE_TIMEOUT_MS }: RunOptions, counts: Counts): Promise<void> {
  const lines = [relative(process.cwd(), file)];
  const stream = run({ files: [file], timeout: timeoutMs });
  stream.on("test:pass", ({ name, nesting, skip, details }) => {
    // A file, like a suite, is only what its tests are in.
    if (details.type === "suite" || name === file) return;
    const skipped = skip !== undefined && skip !== false;
    counts[skipped ? "skipped" : "passed"] += 1;
    lines.push(`${indent(nesting)}${skipped ? "skip" : "ok"}   ${name}${typeof skip === "string" ? `: ${skip}` : ""}`);
  });
  stream.on("test:fail", ({ name, nesting, details }) => {
    // That a test within failed has been said, and counted, there.
    if ((details.error as { failureType?: string }).failureType === "subtestsFailed") return;
    counts.failed += 1;
    lines.push(`${indent(nesting)}FAIL ${name}\n${inspect(details.error.cause ?? details.error)}`);
  });
  stream.on("test:stderr", ({ message }) => lines.push(message.trimEnd()));
  stream.on("test:stdout", ({ message }) => lines.push(message.trimEnd()));
  for await (const _ of stream);
  process.stdout.write(`${lines.join("\n")}\n`);
}

function indent(nesting: number): string {
  return "  ".repeat(nesting + 1);
}
