// A volume without room, and events that need some: random text, which nothing compresses much.
import { rm, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { execa } from "execa";
import { syncFilesystem } from "../../shared/store/btrfs.js";
import type { FleetEvent } from "./drive-fleet.js";

const LEFT_BYTES = 4 * 1024 * 1024;

/** Fills the volume that `path` lies on with a file there. A few MiB stay: enough to begin, too little to end. */
export async function fillVolume(path: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  await execa("fallocate", ["-l", String(bavail * bsize - LEFT_BYTES), path]);
}

export async function makeRoom(path: string): Promise<void> {
  await rm(path);
  // What was freed can be used only after a commit.
  await syncFilesystem(dirname(path));
}

/** `count` events of about 200 kB each. */
export function bigEvents(count: number): FleetEvent[] {
  const noise = () => Array.from({ length: 20_000 }, () => Math.random().toString(36).slice(2, 12)).join("");
  return Array.from({ length: count }, (_, i) => ({
    element_id: `file:${i}`,
    element_type: "File",
    action: "modified",
    state_snapshot: { content: noise() },
  }));
}
