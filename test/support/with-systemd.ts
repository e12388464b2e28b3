// A real systemd: this machine's own files, booted by systemd-nspawn as a container with its own processes, network and bus. All
// it writes goes to memory. It boots to a target of the test's own, with a bus and nothing else: no service of this machine
// starts. Ended by the id of its first process.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { endNspawn, enterNamespaces, leaderOf, makeCgroups, NSPAWN_PARTS } from "./nspawn.js";
import { type Part, program, requirePart } from "./require-part.js";
import { withFolder } from "./with-folder.js";

export interface Systemd {
  /** D-Bus address of its system bus, from outside. */
  readonly address: string;
  /** Its first process, as this machine numbers it. */
  readonly pid: number;
  /** Runs a program inside; resolves whatever its exit code is. */
  run(...command: string[]): Promise<{ exitCode: number | undefined; stdout: string; stderr: string }>;
  systemctl(...args: string[]): Promise<void>;
}

const INIT: Part = {
  name: "systemd",
  howToGet: "apt-get install systemd dbus",
  isThere: () => ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"].some((path) => existsSync(path)),
};
export const SYSTEMD_PARTS = [...NSPAWN_PARTS, INIT, program("dbus-daemon", "dbus")];
const TARGET = "isochron-test.target";
const PATIENCE_MS = 120_000;

/** Whether a systemd can be booted here; else the test is skipped. */
export async function requireSystemd(t: TestContext): Promise<boolean> {
  for (const part of SYSTEMD_PARTS) if (!(await requirePart(t, part))) return false;
  return true;
}

/**
 * Boots with `units` (file name and text; `DefaultDependencies=no` is theirs to say) beside the machine's, runs `body`. `binds`:
 * folders of this machine, by where they are seen inside.
 */
export async function withSystemd<T>(
  units: Record<string, string>,
  body: (systemd: Systemd) => Promise<T>,
  binds: Record<string, string> = {},
): Promise<T> {
  return withFolder(async (folder) => {
    await writeUnits(join(folder, "units"), units);
    const name = `isochron-test-${process.pid}-${folder.slice(-6)}`.replace(/[^A-Za-z0-9-]/g, "0");
    const cgroups = await makeCgroups(name);
    const nspawn = startNspawn(folder, name, cgroups.paths, binds);
    let leader: number | undefined;
    try {
      leader = await waitForBus(nspawn);
      return await body(inside(leader));
    } finally {
      await endNspawn(nspawn, leader);
      await cgroups.remove();
    }
  });
}

async function writeUnits(folder: string, units: Record<string, string>): Promise<void> {
  const alone = "[Unit]\nDefaultDependencies=no\n";
  const all = {
    [TARGET]: `${alone}Requires=dbus.socket\nWants=dbus.service\nAllowIsolate=yes\n`,
    // By default they want the machine's own boot.
    "dbus.service.d/alone.conf": alone,
    "dbus.socket.d/alone.conf": alone,
    ...units,
  };
  for (const [path, text] of Object.entries(all)) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

/** In a mount namespace of its own, which takes overlay and memory along when it ends. */
function startNspawn(
  folder: string,
  name: string,
  cgroups: readonly string[],
  binds: Record<string, string>,
): ChildProcess {
  const bound = Object.entries(binds).map(([inside, outside]) => `--bind=${outside}:${inside}`);
  const script = `set -e
    for cgroup in ${cgroups.join(" ")}; do echo $$ >"$cgroup/cgroup.procs"; done
    mkdir box && mount -t tmpfs -o mode=755 tmpfs box
    mkdir -p box/upper/usr/lib/systemd/system box/work box/root
    cp -r units/. box/upper/usr/lib/systemd/system/
    mount -t overlay -o lowerdir=/,upperdir=box/upper,workdir=box/work overlay box/root
    exec systemd-nspawn --quiet --directory=box/root --machine=${name} --private-network --register=no --keep-unit \\
      --link-journal=no --resolv-conf=off --timezone=off --console=pipe ${bound.join(" ")} \\
      --boot systemd.unit=${TARGET} systemd.show_status=no systemd.log_target=console`;
  return spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", script], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Resolves with the first process once its bus takes connections and its target is reached. */
async function waitForBus(nspawn: ChildProcess): Promise<number> {
  let log = "";
  for (const stream of [nspawn.stdout, nspawn.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-16 * 1024);
    });
  }
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline && nspawn.exitCode === null && nspawn.signalCode === null) {
    const leader = await leaderOf(nspawn.pid as number);
    if (leader !== undefined && (await isUp(leader))) return leader;
    await sleep(50);
  }
  throw new Error(`systemd did not boot: ${log}`);
}

async function isUp(leader: number): Promise<boolean> {
  const { exitCode } = await inside(leader).run("systemctl", "is-active", "--quiet", TARGET, "dbus.service");
  return exitCode === 0;
}

function inside(leader: number): Systemd {
  const run = async (...command: string[]) => {
    const [program = "", ...args] = [...enterNamespaces(leader), ...command];
    const options = { reject: false, stdin: "ignore", timeout: PATIENCE_MS } as const;
    const { exitCode, stdout, stderr } = await execa(program, args, options);
    return { exitCode, stdout, stderr };
  };
  return {
    address: `unix:path=/proc/${leader}/root/run/dbus/system_bus_socket`,
    pid: leader,
    run,
    async systemctl(...args) {
      const { exitCode, stderr } = await run("systemctl", ...args);
      if (exitCode !== 0) throw new Error(`systemctl ${args.join(" ")} failed: ${stderr}`);
    },
  };
}
