// What everything that boots a container with systemd-nspawn needs: a control group for its systemd alone, the id of its first
// process, programs run inside, and its end. Nothing is left behind, and nothing else is touched.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { type Part, program, ROOT } from "./require-part.js";

const OVERLAYFS: Part = {
  name: "overlayfs",
  howToGet: "modprobe overlay",
  isThere: async () => {
    await execa("modprobe", ["overlay"], { reject: false, stdin: "ignore" });
    return (await readFile("/proc/filesystems", "utf8")).includes("\toverlay\n");
  },
};

/** What booting a systemd on an overlay takes. */
export const NSPAWN_PARTS: readonly Part[] = [ROOT, OVERLAYFS, program("systemd-nspawn", "systemd-container")];

/** A control group for this systemd alone: in a shared one it would take others' processes for its own. */
export async function makeCgroups(name: string): Promise<string[]> {
  const cgroups: string[] = [];
  for (const line of (await readFile("/proc/self/mounts", "utf8")).split("\n")) {
    const [, path = "", type, options = ""] = line.split(" ");
    if (type !== "cgroup2" && !(type === "cgroup" && options.includes("name=systemd"))) continue;
    await mkdir(join(path, name), { recursive: true });
    cgroups.push(join(path, name));
  }
  return cgroups;
}

/** From the leaves up; the kernel lets go of ended processes a little later. */
export async function removeCgroup(path: string): Promise<void> {
  if (!existsSync(path)) return;
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  }
  for (let tries = 0; ; tries += 1) {
    try {
      return await rmdir(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EBUSY" || tries === 200) throw error;
      await sleep(25);
    }
  }
}

/** The child of nspawn that is process 1 of its own process namespace. */
export async function leaderOf(nspawnPid: number): Promise<number | undefined> {
  const children = await readFile(`/proc/${nspawnPid}/task/${nspawnPid}/children`, "utf8").catch(() => "");
  for (const child of children.split(" ").filter((id) => id !== "")) {
    const status = await readFile(`/proc/${child}/status`, "utf8").catch(() => "");
    if (/^NSpid:.*\t1$/m.test(status)) return Number(child);
  }
  return undefined;
}

/** The words before a program that run it inside the container of this first process. */
export function enterNamespaces(leader: number): string[] {
  return ["nsenter", "--target", String(leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--"];
}

/** Process 1 first: all others end with it, and nspawn after it. */
export async function endNspawn(nspawn: ChildProcess, leader: number | undefined): Promise<void> {
  const first = leader ?? (await leaderOf(nspawn.pid as number));
  const ended = nspawn.exitCode === null && nspawn.signalCode === null ? once(nspawn, "exit") : undefined;
  if (!ended) return;
  if (first !== undefined) process.kill(first, "SIGKILL");
  else nspawn.kill("SIGKILL");
  await ended;
}
