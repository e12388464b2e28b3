// What is mounted where, from /proc/self/mountinfo (proc_pid_mountinfo(5)): asked of the kernel, never guessed.
import { readFile } from "node:fs/promises";

export interface Mount {
  mountPoint: string;
  /** Filesystem type, such as `btrfs`. */
  type: string;
  /** Device or other source, such as `/dev/loop0`. */
  source: string;
  /** Options of this mount, such as `nosuid`. */
  options: string[];
}

/** The mount whose mount point is `path` (no symlinks in it): the topmost if there are several. */
export async function mountAt(path: string): Promise<Mount | undefined> {
  return (await readMounts()).findLast((mount) => mount.mountPoint === path);
}

/** The mount that holds `path` (no symlinks in it). */
export async function holderOf(path: string): Promise<Mount | undefined> {
  let holder: Mount | undefined;
  for (const mount of await readMounts()) {
    const folder = mount.mountPoint === "/" ? "/" : `${mount.mountPoint}/`;
    if (!`${path}/`.startsWith(folder)) continue;
    if (!holder || mount.mountPoint.length >= holder.mountPoint.length) holder = mount;
  }
  return holder;
}

async function readMounts(): Promise<Mount[]> {
  return parseMountInfo(await readFile("/proc/self/mountinfo", "utf8"));
}

/** Mounts in the order in which they were made. */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    // Optional fields stand between the mount options and a lone dash; there may be none or several.
    const [before = "", after = ""] = line.split(" - ");
    const fields = before.split(" ");
    const [type = "", source = ""] = after.split(" ");
    if (fields.length < 6 || type === "") continue;
    mounts.push({
      mountPoint: unescapeOctal(fields[4] as string),
      type,
      source: unescapeOctal(source),
      options: (fields[5] as string).split(","),
    });
  }
  return mounts;
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
