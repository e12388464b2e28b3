// One host of the fleet: a bare Debian on an overlay of the image, booted by systemd-nspawn, with an address and a sshd of its
// own. It can be rebooted, cut off the network and wiped; what it wrote is there after a reboot, as on any host.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { type Cgroups, endNspawn, enterNamespaces, leaderOf, makeCgroups } from "../support/nspawn.js";
import { ARCHIVE_ON_HOSTS, type HostImage } from "./build-image.js";
import { BRIDGE, LOOP_DEVICES, pathInZone, type Zone } from "./start-zone.js";

/** A block device of the host's own. */
export interface HostDisk {
  device: string;
  /** Where its administrator has mounted it, as btrfs; left out, it is as it came. */
  mountedOn?: string;
}

export interface HostOptions {
  name: string;
  address: string;
  zone: Zone;
  image: HostImage;
  /** May log in as root. */
  adminKey: string;
  disk?: HostDisk;
}

export interface Ran {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}

const PATIENCE_MS = 120_000;
/** However this process ends, no host outlives it. */
const ENDS_WITH_US = ["setpriv", "--pdeathsig", "KILL"];

export class NspawnHost {
  readonly name: string;
  readonly address: string;
  /** Public host key of its sshd, once it is installed. */
  hostKey: string | undefined;
  readonly #options: HostOptions;
  #nspawn: ChildProcess | undefined;
  #leader: number | undefined;
  #cgroups: Cgroups | undefined;
  #log = "";
  /** What its administrator brings again after a wipe. */
  #brought: [path: string, folder: string][] = [];

  /** Where its administrator has mounted a volume before. */
  get mountedOn(): string | undefined {
    return this.#options.disk?.mountedOn;
  }

  constructor(options: HostOptions) {
    this.name = options.name;
    this.address = options.address;
    this.#options = options;
  }

  /** A disk as the image has it: all that was on it before is gone. */
  async install(): Promise<void> {
    const { zone, image, adminKey, disk } = this.#options;
    const home = pathInZone(zone, this.name);
    const script = `set -e
      if [ -d '${home}' ]; then umount '${home}/root' '${home}'; fi
      mkdir -p '${home}' && mount -t tmpfs -o mode=755 tmpfs '${home}'
      cd '${home}' && mkdir upper work root
      mount -t overlay -o 'lowerdir=${image.root},upperdir=upper,workdir=work' overlay root
      cd root
      printf '%s\\n' '${this.name}' >etc/hostname
      printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n' '${this.name}' >etc/hosts
      mkdir -p -m 700 root/.ssh && printf '%s\\n' '${adminKey}' >root/.ssh/authorized_keys
      printf '[Match]\\nName=host0\\n[Network]\\nAddress=%s/24\\nLinkLocalAddressing=no\\n' '${this.address}' \\
        >etc/systemd/network/10-host0.network
      ssh-keygen -A -f . >/dev/null
      { ${disk ? eraseDisk(disk) : ":"}
      } >&2
      cat etc/ssh/ssh_host_ed25519_key.pub`;
    const [program = "", ...args] = [...zone.inside, "sh", "-c", script];
    const { stdout } = await execa(program, args, { stdin: "ignore" });
    this.hostKey = stdout.trim().split(" ").slice(0, 2).join(" ");
    for (const [path, folder] of this.#brought) await this.#copy(path, folder);
  }

  async boot(): Promise<void> {
    const { zone, image } = this.#options;
    const machine = `isochron-${process.pid}-${this.name}`;
    this.#cgroups = await makeCgroups(machine);
    const loops = Array.from({ length: LOOP_DEVICES }, (_, n) => {
      return `--bind=${pathInZone(zone, "devices", `loop${n}`)}:/dev/loop${n}`;
    });
    const options = [
      ...["--quiet", "--boot", "--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off"],
      ...["--timezone=off", "--console=pipe", `--machine=${machine}`, `--hostname=${this.name}`],
      ...[`--directory=${pathInZone(zone, this.name, "root")}`, `--network-bridge=${BRIDGE}`],
      ...[`--bind-ro=${image.packages}:${ARCHIVE_ON_HOSTS}`, "--bind=/dev/loop-control", ...loops],
    ];
    const [nsenter = "", ...into] = zone.inside;
    const script = `for cgroup in ${this.#cgroups.paths.join(" ")}; do echo $$ >"$cgroup/cgroup.procs"; done; exec "$@"`;
    const nspawn = spawn(nsenter, [...into, "sh", "-c", script, "sh", ...ENDS_WITH_US, "systemd-nspawn", ...options], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [nspawn.stdout, nspawn.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString()).slice(-16 * 1024);
      });
    }
    this.#nspawn = nspawn;
    await this.#waitForBoot(nspawn);
  }

  /** Copies a file or a folder of this machine into a folder of the host. */
  async put(path: string, folder: string): Promise<void> {
    this.#brought.push([path, folder]);
    await this.#copy(path, folder);
  }

  /** Runs a program on the host; resolves whatever its exit code is. */
  async run(...command: string[]): Promise<Ran> {
    if (this.#leader === undefined) throw new Error(`${this.name} is not up`);
    const [program = "", ...args] = [...enterNamespaces(this.#leader), ...command];
    const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8" };
    const options = { reject: false, stdin: "ignore", timeout: PATIENCE_MS, env, extendEnv: false } as const;
    const { exitCode, stdout, stderr } = await execa(program, args, options);
    return { exitCode, stdout, stderr };
  }

  /** @throws unless it ends with 0 */
  async must(...command: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(...command);
    if (exitCode !== 0)
      throw new Error(`${this.name}: ${command.join(" ")} ended with ${exitCode}: ${stderr}${stdout}`);
    return stdout;
  }

  /** An orderly shutdown, then another boot of the same disk. */
  async reboot(): Promise<void> {
    await this.run("systemctl", "poweroff", "--no-block");
    const nspawn = this.#nspawn;
    if (nspawn && nspawn.exitCode === null && nspawn.signalCode === null) await once(nspawn, "exit");
    await this.powerOff();
    await this.boot();
  }

  /** Packets vanish; nobody is told. */
  async unplug(): Promise<void> {
    await this.must("ip", "link", "set", "host0", "down");
  }

  async plug(): Promise<void> {
    await this.must("networkctl", "up", "host0");
    await this.must("networkctl", "reconfigure", "host0");
  }

  /** At once, as a power cut. */
  async powerOff(): Promise<void> {
    if (this.#nspawn) await endNspawn(this.#nspawn, this.#leader);
    this.#nspawn = undefined;
    this.#leader = undefined;
    await this.#cgroups?.remove();
    this.#cgroups = undefined;
  }

  async #copy(path: string, folder: string): Promise<void> {
    const { zone } = this.#options;
    const [program = "", ...args] = [...zone.inside, "cp", "-r", path, pathInZone(zone, this.name, "root", folder)];
    await execa(program, args, { stdin: "ignore" });
  }

  async #waitForBoot(nspawn: ChildProcess): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (performance.now() < deadline && nspawn.exitCode === null && nspawn.signalCode === null) {
      this.#leader ??= await leaderOf(nspawn.pid as number);
      if (this.#leader !== undefined && (await this.#isUp())) return;
      await sleep(100);
    }
    throw new Error(`${this.name} did not boot: ${this.#log}`);
  }

  async #isUp(): Promise<boolean> {
    const up = ["systemctl", "is-active", "--quiet", "multi-user.target", "ssh.service", "systemd-networkd.service"];
    return (await this.run(...up)).exitCode === 0;
  }
}

/**
 * In the shell of `install`, at the root of the host. A unit and not a line of /etc/fstab: in a container systemd passes over
 * lines that name a device. The kernel may take a while to let go of what a host had mounted that lost its power.
 */
function eraseDisk({ device, mountedOn }: HostDisk): string {
  const erase = `timeout 20 sh -c 'until wipefs --all --quiet ${device}; do sleep 0.1; done'`;
  if (mountedOn === undefined) return erase;
  const unit = `${mountedOn.slice(1).replaceAll("/", "-")}.mount`;
  const lines = [
    ...["[Mount]", `What=${device}`, `Where=${mountedOn}`, "Type=btrfs"],
    ...["Options=nosuid,nodev,noexec,compress=zstd", "[Install]", "WantedBy=local-fs.target"],
  ];
  return `${erase}
      mkfs.btrfs --quiet ${device} >/dev/null
      printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")} >etc/systemd/system/${unit}
      systemctl --quiet --root=. enable ${unit}`;
}
