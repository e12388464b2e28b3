// What differs between two local subvolumes, as this machine's own kernel sees it: `btrfs send --no-data` of one against
// the other, read back by `receive --dump`. About 4 ms for a small difference, whatever the size of the subvolumes.
import { basename } from "node:path";
import { execa } from "execa";
import { StoreError } from "./store-error.js";

export interface Change {
  /** `update_extent`, `truncate`, `mkfile`, `rename`, `unlink` and so on. */
  operation: string;
  /** Path below the subvolume. */
  path: string;
  /** `offset`, `len`, `size`, `dest` and so on; `dest` is below the subvolume too. */
  values: Record<string, string>;
}

/** @throws StoreError `command-failed` */
export async function* listChanges(parent: string, path: string): AsyncGenerator<Change> {
  const options = { env: { LC_ALL: "C" }, buffer: { stdout: false, stderr: true } } as const;
  const send = execa("btrfs", ["send", "-q", "--no-data", "-p", parent, path], { ...options, encoding: "buffer" });
  const dump = execa("btrfs", ["receive", "--dump"], options);
  const ended = send.pipe(dump);
  // Awaited below; a failure while lines are still read must not count as unhandled.
  ended.catch(() => undefined);
  const prefix = `./${basename(path)}/`;
  try {
    for await (const line of dump) yield parseChange(line, prefix);
    await ended;
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError("command-failed", `${path} could not be compared with ${parent}`, { cause });
  }
}

/** `update_extent   ./timing/entries/0.jsonl   offset=4096 len=322` */
function parseChange(line: string, prefix: string): Change {
  const [operation = "", path = "", ...rest] = line.trim().split(/\s+/);
  const below = (name: string) => (name.startsWith(prefix) ? name.slice(prefix.length) : name);
  const values: Record<string, string> = {};
  for (const pair of rest) {
    const at = pair.indexOf("=");
    if (at > 0) values[pair.slice(0, at)] = below(pair.slice(at + 1));
  }
  return { operation, path: below(path), values };
}
