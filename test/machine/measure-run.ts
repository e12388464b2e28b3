// What a run took: how long the processors had nothing to do, and which files were longest. More files at once help only where
// processors are idle.
import { readFileSync } from "node:fs";

const MOST_FILES = 8;

export interface RunMeasure {
  file(name: string, ms: number): void;
  /** One line. */
  say(): string;
}

export function measureRun(): RunMeasure {
  const sinceMs = performance.now();
  const before = processorTimes();
  const files: { name: string; ms: number }[] = [];
  return {
    file: (name, ms) => files.push({ name, ms }),
    say() {
      const after = processorTimes();
      const idle = (after.idle - before.idle) / Math.max(1, after.all - before.all);
      const longest = files.sort((a, b) => b.ms - a.ms).slice(0, MOST_FILES);
      const named = longest.map(({ name, ms }) => `${name} ${seconds(ms)}`).join(", ");
      return `${seconds(performance.now() - sinceMs)}, processors idle for ${Math.round(idle * 100)} % of it; longest: ${named}`;
    },
  };
}

/** Of all processors together, since the machine's start; waiting for a disk is idling. */
function processorTimes(): { idle: number; all: number } {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, ...others] = line.split(/ +/).slice(1).map(Number);
  // Of the others the last two are counted among the first two as well.
  const all = [user, nice, system, idle, iowait, ...others.slice(0, 3)].reduce((sum, ticks) => sum + ticks, 0);
  return { idle: idle + iowait, all };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
