// What everything that boots a container with systemd-nspawn needs: a control group for its systemd alone, the id of its first
// process, programs run inside, and its end. Nothing is left behind, and nothing else is touched.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
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

export interface Cgroups {
  readonly paths: readonly string[];
  /** Ends what still runs in them. @throws if something there cannot be ended */
  remove(): Promise<void>;
}

/**
 * Ends all that runs in its arguments, and removes them, once its standard input ends: also when whoever began it was killed. A
 * container does not end with its nspawn, nor nspawn with us.
 */
const GUARD = `trap '' INT TERM HUP
cat >/dev/null
for try in $(seq 400); do
  for cgroup; do find "$cgroup" -name cgroup.procs -exec cat {} +; done | xargs --no-run-if-empty kill -KILL
  for cgroup; do find "$cgroup" -depth -type d -exec rmdir {} ';'; done
  left=
  for cgroup; do [ ! -e "$cgroup" ] || left=yes; done
  [ "$left" ] || exit 0
  sleep 0.05
done
exit 1`;

/** A control group for this systemd alone: in a shared one it would take others' processes for its own. */
export async function makeCgroups(name: string): Promise<Cgroups> {
  const paths: string[] = [];
  for (const line of (await readFile("/proc/self/mounts", "utf8")).split("\n")) {
    const [, path = "", type, options = ""] = line.split(" ");
    if (type !== "cgroup2" && !(type === "cgroup" && options.includes("name=systemd"))) continue;
    await mkdir(join(path, name), { recursive: true });
    paths.push(join(path, name));
  }
  // In a group of its own it does not hear a Ctrl-C.
  const guard = spawn("sh", ["-c", GUARD, "sh", ...paths], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  const ended = once(guard, "exit");
  return {
    paths,
    async remove() {
      guard.stdin.end();
      const [code] = await ended;
      if (code !== 0) throw new Error(`something still runs in ${paths.join(" or ")}`);
    },
  };
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
