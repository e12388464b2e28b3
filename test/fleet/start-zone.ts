// A network of its own for the hosts of the fleet, and the place where their files lie: a namespace with a bridge, memory, and
// block devices that are files in it. All of it ends with one process, which ends when we do, however we end.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

export interface Zone {
  /** Process whose namespaces the hosts are in. */
  readonly pid: number;
  /** Seen in the zone's mount namespace only. */
  readonly folder: string;
  /** Words before a program that run it in the zone's network: where Ansible stands. */
  readonly onNetwork: readonly string[];
  /** The same, with the zone's mounts. */
  readonly inside: readonly string[];
  stop(): Promise<void>;
}

export const BRIDGE = "isochron0";
const GATEWAY = "10.77.0.1/24";
/** Loop devices that each host sees. Nodes of devices that are not there yet cost nothing. */
export const LOOP_DEVICES = 128;

/** `folder` is made; what the hosts write under it is in memory. */
export async function startZone(folder: string): Promise<Zone> {
  await mkdir(folder, { recursive: true });
  const script = `set -e
    mount -t tmpfs -o mode=755 tmpfs '${folder}'
    mkdir '${folder}/devices' '${folder}/disks'
    for n in $(seq 0 ${LOOP_DEVICES - 1}); do mknod '${folder}/devices/loop'$n b 7 $n; done
    ip link set lo up
    ip link add ${BRIDGE} type bridge
    ip address add ${GATEWAY} dev ${BRIDGE}
    ip link set ${BRIDGE} up
    trap '' INT TERM
    echo ready
    cat >/dev/null
    cat '${folder}/disks/attached' 2>/dev/null | xargs --no-run-if-empty losetup --detach`;
  const args = ["--mount", "--net", "--propagation", "private", "sh", "-c", script];
  const holder = spawn("unshare", args, { stdio: ["pipe", "pipe", "pipe"] });
  const pid = await ready(holder);
  const enter = ["nsenter", "--target", String(pid)];
  return {
    pid,
    folder,
    onNetwork: [...enter, "--net", "--"],
    inside: [...enter, "--mount", "--net", "--"],
    async stop() {
      const ended = holder.exitCode === null && holder.signalCode === null ? once(holder, "exit") : undefined;
      holder.stdin?.end();
      await ended;
    },
  };
}

/** An empty block device for a host, and its path, which is the same on the host. The zone's end takes it away. */
export async function attachDisk(zone: Zone, name: string, size: string): Promise<string> {
  const script = `set -e
    truncate --size=${size} '${pathInZone(zone, "disks", name)}'
    losetup --find --show '${pathInZone(zone, "disks", name)}' | tee -a '${pathInZone(zone, "disks", "attached")}'`;
  const [program = "", ...args] = [...zone.inside, "sh", "-c", script];
  return (await execa(program, args, { stdin: "ignore" })).stdout.trim();
}

export function pathInZone(zone: Zone, ...parts: string[]): string {
  return join(zone.folder, ...parts);
}

/** `unshare` without --fork becomes the shell, so its id is that of the process in the namespaces. */
async function ready(holder: ChildProcess): Promise<number> {
  let complaint = "";
  holder.stderr?.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  await new Promise<void>((resolve, reject) => {
    holder.stdout?.once("data", () => resolve());
    holder.once("exit", () => reject(new Error(`no network for the hosts: ${complaint}`)));
  });
  return holder.pid as number;
}
