// Whether a process, or one that it has started, waits in the kernel for a device (state D of proc(5)): a slow or a dead disk. A
// restart cures none of that, and the next process would wait for the same disk.
import { readdirSync, readFileSync } from "node:fs";

/**
 * Looks at all threads of `pid` and of its descendants. Not asynchronous on purpose: when the disk does not answer, every
 * thread that could do it waits for the disk. /proc is memory.
 */
export function waitsForKernel(pid: number = process.pid): boolean {
  const threads = listNames(`/proc/${pid}/task`);
  return threads.some((thread) => {
    const folder = `/proc/${pid}/task/${thread}`;
    if (stateOf(read(`${folder}/stat`)) === "D") return true;
    return read(`${folder}/children`)
      .split(" ")
      .some((child) => /^\d+$/.test(child) && waitsForKernel(Number(child)));
  });
}

/** The letter behind the name, which may hold blanks and brackets itself. */
function stateOf(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(")") + 1).trim()[0];
}

/** Empty for a process or thread that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function listNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
