// The production packages of a release: installed by the lock file's hashes, native code compiled here and not taken from
// anybody's server, and of each package only what is loaded. Compiled for every processor of the architecture, not for this
// machine's: a release must not end with an illegal instruction on an older one.
import { constants, copyFile, cp, mkdir, readdir, readFile, readlink, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileModules } from "./compile-modules.js";
import { keepFolder } from "./keep-folder.js";
import { isKept, type LockFile, NATIVE_MODULES, runtimePackages } from "./plan-modules.js";
import { ReleaseError } from "./release-error.js";
import { runStep } from "./run-step.js";

export interface InstallOptions {
  /** The release's sources. */
  sources: string;
  /** The platform's name; part of what the packages are made of. */
  platform: string;
  cache: string;
  fresh: boolean;
  signal: AbortSignal;
}

const NETWORK_HINT = "check the network, then run this again";

/** Resolves with a folder that holds `node_modules` and nothing else. */
export async function installModules(options: InstallOptions): Promise<string> {
  const { sources, platform, cache, fresh, signal } = options;
  const lockText = await readFile(join(sources, "package-lock.json"), "utf8");
  const compiler = await runStep("cc", ["--version"], {
    cwd: sources,
    signal,
    hint: "apt-get install build-essential",
  });
  const madeOf = [lockText, platform, process.version, compiler, ...(await ownText())];
  return keepFolder({ cache, name: "modules", madeOf, fresh }, async (folder) => {
    const work = join(folder, "work");
    await mkdir(work);
    for (const path of ["package.json", "package-lock.json", "shared/dbus/without-usocket"]) {
      await cp(join(sources, path), join(work, path), { recursive: true });
    }
    // Not `npm ci`: it refuses a lock file that lacks another platform's optional packages.
    const install = ["install", "--omit=dev", "--no-save", "--ignore-scripts", "--prefer-offline"];
    await runStep("npm", install, { cwd: work, signal, hint: NETWORK_HINT });
    await compileModules({ folder: work, names: Object.keys(NATIVE_MODULES), cache, fresh, signal });
    await strip(work, signal);
    const packages = runtimePackages(JSON.parse(lockText) as LockFile);
    await copyPackages(packages, work, folder);
    await rm(work, { recursive: true });
  });
}

/** The runtime of models, for the second tarball. Resolves with a folder that holds `node_modules` and nothing else. */
export async function installRuntime(options: InstallOptions): Promise<string> {
  const { sources, platform, cache, fresh, signal } = options;
  const runtime = join(sources, "shared", "embed", "runtime");
  const lockText = await readFile(join(runtime, "package-lock.json"), "utf8");
  const madeOf = [lockText, platform, ...(await ownText())];
  return keepFolder({ cache, name: "runtime", madeOf, fresh }, async (folder) => {
    const work = join(folder, "work");
    await cp(runtime, work, { recursive: true });
    await runStep("npm", ["ci", "--ignore-scripts", "--prefer-offline"], { cwd: work, signal, hint: NETWORK_HINT });
    const drop = ["drop-other-platforms.js"];
    await runStep(process.execPath, drop, { cwd: work, signal, hint: "make the release --without-runtime" });
    await copyPackages(runtimePackages(JSON.parse(lockText) as LockFile), work, folder);
    await rm(work, { recursive: true });
  });
}

/** Another way of making them makes other packages. */
async function ownText(): Promise<string[]> {
  const files = ["./install-modules.js", "./compile-modules.js", "./plan-modules.js"];
  return Promise.all(files.map((file) => readFile(fileURLToPath(new URL(file, import.meta.url)), "utf8")));
}

/** Symbols are of use to a debugger only. */
async function strip(work: string, signal: AbortSignal): Promise<void> {
  const files = Object.entries(NATIVE_MODULES).map(([name, file]) => join(work, "node_modules", name, file));
  await runStep("strip", ["--strip-unneeded", ...files], { cwd: work, signal, hint: "apt-get install binutils" });
}

async function copyPackages(packages: readonly string[], from: string, to: string): Promise<void> {
  for (const path of packages) {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    if (await linkPackage(join(from, path), join(to, path))) continue;
    const files = await listFiles(join(from, path));
    if (!files.includes("package.json")) {
      throw new ReleaseError("lock-file", `${path} was not installed`, { hint: "run this again with --fresh" });
    }
    for (const file of files.filter((file) => isKept(name, file))) {
      await mkdir(dirname(join(to, path, file)), { recursive: true });
      await copyFile(join(from, path, file), join(to, path, file), constants.COPYFILE_EXCL);
    }
  }
}

/** A package of the project's own is a link to where it lies; the release has both. */
async function linkPackage(from: string, to: string): Promise<boolean> {
  const target = await readlink(from).catch(() => undefined);
  if (target === undefined) return false;
  await mkdir(dirname(to), { recursive: true });
  await symlink(target, to);
  return true;
}

/** Paths below the package's folder, without those of packages within it: they are packages of their own. */
async function listFiles(folder: string, below = ""): Promise<string[]> {
  const entries = await readdir(join(folder, below), { withFileTypes: true });
  const lists = entries.map(async (entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) return path === "node_modules" ? [] : listFiles(folder, path);
    return entry.isFile() ? [path] : [];
  });
  return (await Promise.all(lists)).flat();
}
