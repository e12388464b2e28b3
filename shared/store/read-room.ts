// What is free on a volume, data and metadata apart. A btrfs whose metadata is full can take no byte more, and hardly
// delete one, while statfs still shows room for data. Read from sysfs: no process is started, and no root needed.
import { readdirSync, readFileSync } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { freeSpace } from "./btrfs.js";
import { holderOf } from "./read-mounts.js";

const SYSFS = "/sys/fs/btrfs";
const SECTOR_BYTES = 512;

export interface Room {
  freeBytes: number;
  totalBytes: number;
  /** What metadata can still take, with what is not allocated yet; `undefined` where the kernel does not say. */
  metadataFreeBytes: number | undefined;
}

/** A volume's room. Its place in sysfs is looked up once. */
export class VolumeRoom {
  readonly #path: string;
  #sysfs: Promise<string | undefined> | undefined;

  /** `path`: any folder on the volume. */
  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<Room> {
    this.#sysfs ??= findSysfs(this.#path);
    const sysfs = await this.#sysfs;
    return {
      ...(await freeSpace(this.#path)),
      metadataFreeBytes: sysfs === undefined ? undefined : readIfThere(sysfs),
    };
  }
}

/** The filesystem's folder in sysfs, by the device that is mounted; `undefined` where sysfs does not show it. */
async function findSysfs(path: string): Promise<string | undefined> {
  try {
    const mount = await holderOf(await realpath(path));
    const device = basename(await realpath(mount?.source ?? ""));
    for (const uuid of await readdir(SYSFS)) {
      const dir = join(SYSFS, uuid);
      if (await stat(join(dir, "devices", device)).catch(() => undefined)) return dir;
    }
  } catch {
    // A container without sysfs, or a filesystem that no device file stands for.
  }
  return undefined;
}

function readIfThere(sysfs: string): number | undefined {
  try {
    return readMetadataFree(sysfs);
  } catch {
    // Unmounted meanwhile, or a kernel that names these files otherwise.
    return undefined;
  }
}

/**
 * Free in what metadata has, and what it could still be given: each byte of it takes `ratio` bytes of the devices. Read
 * without leaving the turn: sysfs never waits for a disk, and each of these 20 files would else cost four round trips to
 * the thread pool.
 */
function readMetadataFree(sysfs: string): number {
  const allocation = join(sysfs, "allocation");
  const kinds = readdirSync(allocation, { withFileTypes: true }).filter((one) => one.isDirectory());
  // Small volumes may hold data and metadata in the same block groups.
  const name = kinds.some((kind) => kind.name === "metadata") ? "metadata" : "mixed";
  const metadata = (file: string) => readNumber(join(allocation, name, file));
  const allocated = sum(kinds.map((kind) => readNumber(join(allocation, kind.name, "disk_total"))));
  const devices = join(sysfs, "devices");
  const sectors = sum(readdirSync(devices).map((device) => readNumber(join(devices, device, "size"))));
  const unallocated = Math.max(0, sectors * SECTOR_BYTES - allocated);
  const total = metadata("total_bytes");
  const ratio = total > 0 ? metadata("disk_total") / total : 1;
  const taken = sum(["bytes_used", "bytes_pinned", "bytes_reserved", "bytes_readonly"].map(metadata));
  const free = total - taken - readNumber(join(allocation, "global_rsv_size"));
  return Math.max(0, free) + Math.floor(unallocated / ratio);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

function readNumber(path: string): number {
  return Number(readFileSync(path, "utf8"));
}
