// The bare Debian that every host of the fleet starts from, made once and kept: debootstrap with sshd and Python, and beside
// it an apt archive of what the roles will install, so that a run needs no network. Keyed by all that it is made of; an image
// that was cut short is made again.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { findMirror } from "./find-mirror.js";

export interface HostImage {
  /** The root of a bare host. */
  root: string;
  /** A flat apt archive. */
  packages: string;
}

export interface ImageOptions {
  suite: "bookworm" | "trixie";
  say: (line: string) => void;
}

const CACHE = process.env.ISOCHRON_TEST_CACHE ?? "/var/cache/isochron-test";
/** What a bare host has: a Debian of the least size, its systemd, sshd and Python. */
const ON_THE_HOST = "systemd,systemd-sysv,dbus,openssh-server,python3,iproute2";
/** What the roles install, and what the steps record. */
const IN_THE_ARCHIVE = "python3-apt btrfs-progs zstd e2fsprogs mount openvswitch-switch tree sl";
/** Debian 13 has a Node that is new enough. */
const OF_SUITE = { bookworm: "", trixie: " nodejs" };
/** To be raised when this file makes something else of the same packages. */
const RECIPE = 1;

/** Where the hosts see the archive. */
export const ARCHIVE_ON_HOSTS = "/srv/packages";

/** @throws if a step of making it fails, with the end of its output */
export async function buildImage({ suite, say }: ImageOptions): Promise<HostImage> {
  const archived = IN_THE_ARCHIVE + OF_SUITE[suite];
  const key = createHash("sha256")
    .update(JSON.stringify([RECIPE, suite, ON_THE_HOST, archived]))
    .digest("hex");
  const home = join(CACHE, `${suite}-${key.slice(0, 12)}`);
  const image = { root: join(home, "root"), packages: join(home, "packages") };
  if (existsSync(home)) return image;
  say(`making the image of ${suite} in ${home}; later runs find it there`);
  const making = `${home}.${process.pid}`;
  const mirror = await findMirror(suite);
  await mkdir(CACHE, { recursive: true });
  try {
    const parts = { root: join(making, "root"), packages: join(making, "packages") };
    await makeImage(parts, { suite, mirror, archived });
    await rename(making, home).catch((error: NodeJS.ErrnoException) => {
      // Another run has made the same meanwhile.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return image;
}

interface MadeOf {
  suite: string;
  mirror: string;
  archived: string;
}

async function makeImage({ root, packages }: HostImage, { suite, mirror, archived }: MadeOf): Promise<void> {
  await mkdir(root, { recursive: true });
  await run("debootstrap", ["--variant=minbase", `--include=${ON_THE_HOST}`, suite, root, mirror]);
  await downloadPackages(root, packages, archived);
  await makeBare(root);
}

/** With all that they depend on and the bare host has not. */
async function downloadPackages(root: string, packages: string, archived: string): Promise<void> {
  await run("chroot", [root, "apt-get", "-q", "update"]);
  const install = ["apt-get", "-q", "-y", "--no-install-recommends", "--download-only", "install"];
  await run("chroot", [root, ...install, ...archived.split(" ")]);
  await mkdir(packages);
  const downloads = join(root, "var/cache/apt/archives");
  for (const name of await readdir(downloads)) {
    if (name.endsWith(".deb")) await run("mv", [join(downloads, name), packages]);
  }
  const { stdout } = await run("dpkg-scanpackages", ["--multiversion", "."], packages);
  await writeFile(join(packages, "Packages"), `${stdout}\n`);
}

/** Nothing that two hosts would share by mistake: no host keys, no machine id. apt knows the archive, and no network. */
async function makeBare(root: string): Promise<void> {
  for (const name of await readdir(join(root, "etc/ssh"))) {
    if (name.startsWith("ssh_host_")) await rm(join(root, "etc/ssh", name));
  }
  await writeFile(join(root, "etc/machine-id"), "");
  await rm(join(root, "var/lib/apt/lists"), { recursive: true });
  await mkdir(join(root, "var/lib/apt/lists/partial"), { recursive: true });
  await writeFile(join(root, "etc/apt/sources.list"), `deb [trusted=yes] file:${ARCHIVE_ON_HOSTS} ./\n`);
  await rm(join(root, "etc/resolv.conf"), { force: true });
  await mkdir(join(root, ARCHIVE_ON_HOSTS));
  await run("systemctl", [`--root=${root}`, "enable", "systemd-networkd.service", "ssh.service"]);
}

async function run(program: string, args: string[], cwd = "/"): Promise<{ stdout: string }> {
  const env = { LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" };
  const result = await execa(program, args, { cwd, env, stdin: "ignore", reject: false, all: true });
  if (!result.failed) return { stdout: result.stdout };
  const log = join(args.find((arg) => existsSync(join(arg, "debootstrap"))) ?? "/", "debootstrap/debootstrap.log");
  const more = existsSync(log) ? await readFile(log, "utf8") : "";
  throw new Error(`${program} failed: ${result.shortMessage}\n${`${more}${result.all}`.slice(-4000)}`);
}
