// The volume a root lies on: a folder of a btrfs that is there already, or a sparse file with btrfs in it, loop-mounted
// on the root. The file gets its final name only once it is formatted, and a root that hides files is never mounted over.
import { mkdir, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { execa } from "execa";
import { isBtrfs } from "./btrfs.js";
import { RootLayout } from "./layout.js";
import { holderOf, mountAt } from "./read-mounts.js";
import { StoreError } from "./store-error.js";

/** What a stream sent by someone else could carry must not become a program, a device or a setuid file here. */
const SAFE_OPTIONS = ["nosuid", "nodev", "noexec"] as const;
const MOUNT_OPTIONS = [...SAFE_OPTIONS, "compress=zstd"] as const;

/**
 * Makes the file `<root>.btrfs` of `sizeBytes` (sparse: it takes space as it fills), formats it and mounts it on `root`.
 *
 * @throws StoreError `exists` if there is such a file, `in-use` if `root` is not an empty folder, `command-failed`
 */
export async function createLoopVolume(root: string, sizeBytes: number): Promise<void> {
  const file = new RootLayout(resolve(root)).loopFile;
  if (await isThere(file)) {
    throw new StoreError("exists", `there is a volume at ${file} already`, {
      hint: `to go on with it, leave out --loop; to start over, umount ${root} and remove ${file}`,
    });
  }
  await requireEmptyFolder(root);
  await formatFile(file, sizeBytes);
  await mountLoop(file, root);
}

/**
 * Sees to it that `root` lies on btrfs, mounting its loop file again where it has one.
 *
 * @throws StoreError `missing`, `not-btrfs`, `in-use`, `command-failed`
 */
export async function ensureMounted(root: string): Promise<void> {
  const file = new RootLayout(resolve(root)).loopFile;
  if (await isThere(file)) {
    if (await isMountPoint(root)) return;
    await requireEmptyFolder(root);
    await mountLoop(file, root);
    return;
  }
  if (!(await isThere(root))) {
    throw new StoreError("missing", `there is no folder ${root}`, { hint: "make the store with `init --root`" });
  }
  if (await isBtrfs(root)) return;
  throw new StoreError("not-btrfs", `${root} does not lie on btrfs, and a store needs it`, {
    hint: "give --root a folder on btrfs, or use `init --loop 4G` to make a volume in a file beside it",
  });
}

/** Which of nosuid, nodev and noexec the mount that holds `root` lacks. Loop volumes lack none. */
export async function missingMountOptions(root: string): Promise<string[]> {
  const mount = await holderOf(await realpath(root));
  return SAFE_OPTIONS.filter((option) => !mount?.options.includes(option));
}

async function isMountPoint(root: string): Promise<boolean> {
  if (!(await isThere(root))) return false;
  const mount = await mountAt(await realpath(root));
  if (mount === undefined || mount.type === "btrfs") return mount !== undefined;
  throw new StoreError("not-btrfs", `${root} is a mount point of ${mount.type}, not of btrfs`, {
    hint: `umount ${root}, or choose another --root`,
  });
}

async function requireEmptyFolder(root: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o755 });
  if (await mountAt(await realpath(root))) {
    throw new StoreError("in-use", `${root} is a mount point already`, {
      hint: "leave out --loop to use what is mounted there, or choose another --root",
    });
  }
  if ((await readdir(root)).length > 0) {
    throw new StoreError("in-use", `${root} is not empty, and mounting a volume on it would hide what is in it`, {
      hint: "move its files away, or choose another --root",
    });
  }
}

async function formatFile(file: string, sizeBytes: number): Promise<void> {
  // A crash leaves `.new`, which the next try writes over; `file` is never half formatted.
  const beside = `${file}.new`;
  try {
    const handle = await open(beside, "w", 0o600);
    try {
      await handle.truncate(sizeBytes);
      await runTool("mkfs.btrfs", ["-q", beside], "btrfs-progs");
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (cause) {
    await rm(beside, { force: true });
    throw cause;
  }
}

async function mountLoop(file: string, root: string): Promise<void> {
  await runTool("mount", ["-o", ["loop", ...MOUNT_OPTIONS].join(","), file, root], "mount");
}

async function runTool(program: string, args: string[], debianPackage: string): Promise<void> {
  const result = await execa(program, args, { env: { LC_ALL: "C" }, stdin: "ignore", reject: false });
  if (!result.failed) return;
  if (result.code === "ENOENT") {
    throw new StoreError("command-failed", `the program ${program} is not installed`, {
      cause: result,
      hint: `install it: apt-get install ${debianPackage}`,
    });
  }
  const lines = result.stderr.trim().split("\n");
  throw new StoreError("command-failed", `${program} failed: ${lines[0] || result.shortMessage}`, {
    cause: result,
    hint: process.geteuid?.() === 0 ? "does this machine allow loop devices? see `losetup -f`" : "run as root",
  });
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
