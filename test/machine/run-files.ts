// Runs test files, each in a process of its own, and says how each test went as soon as its file is done.
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";

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
/** A file that takes longer hangs: it is ended and counts as failed. */
const FILE_TIMEOUT_MS = 15 * 60_000;

/** Compiled test files whose path holds one of `words`, listed from the sources: one whose source is gone never runs. */
export async function listTests(project: string, words: readonly string[]): Promise<string[]> {
  const sources = await readdir(join(project, "test"), { recursive: true });
  return sources
    .filter((source) => source.endsWith(".test.ts"))
    .filter((source) => words.length === 0 || words.some((word) => source.includes(word)))
    .sort()
    .map((source) => join(project, "dist", "test", source.replace(/\.ts$/, ".js")));
}

export async function runFiles(files: string[], timeoutMs = FILE_TIMEOUT_MS): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  if (files.length === 0) return counts;
  let shown = "";
  const show = (file: string | undefined, line: string) => {
    if (file && file !== shown) process.stdout.write(`${relative(process.cwd(), file)}\n`);
    shown = file ?? shown;
    process.stdout.write(`${line}\n`);
  };
  const stream = run({ files, concurrency: CONCURRENCY, timeout: timeoutMs });
  stream.on("test:pass", ({ name, file, nesting, skip, details }) => {
    // A file, like a suite, is only what its tests are in.
    if (details.type === "suite" || files.includes(name)) return;
    const skipped = skip !== undefined && skip !== false;
    counts[skipped ? "skipped" : "passed"] += 1;
    show(file, `${indent(nesting)}${skipped ? "skip" : "ok"}   ${name}${typeof skip === "string" ? `: ${skip}` : ""}`);
  });
  stream.on("test:fail", ({ name, file, nesting, details }) => {
    // That a test within failed has been said, and counted, there.
    if ((details.error as { failureType?: string }).failureType === "subtestsFailed") return;
    counts.failed += 1;
    show(file, `${indent(nesting)}FAIL ${name}\n${inspect(details.error.cause ?? details.error)}`);
  });
  stream.on("test:stderr", ({ message }) => process.stderr.write(message));
  stream.on("test:stdout", ({ message }) => process.stdout.write(message));
  for await (const _ of stream);
  return counts;
}

function indent(nesting: number): string {
  return "  ".repeat(nesting + 1);
}
