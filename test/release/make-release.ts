// A release from a checkout: sources as committed, packages, one folder, two tarballs. The same commit, compiler and Node
// give the same bytes wherever it is made.
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type ReleasePlatform, thisHost } from "../../shared/require-platform.js";
import { assembleRelease } from "./assemble-release.js";
import { installModules, installRuntime } from "./install-modules.js";
import { type Packed, packFolder } from "./pack-folder.js";
import { ReleaseError } from "./release-error.js";
import { takeSources } from "./take-sources.js";

export interface ReleaseOptions {
  /** The checkout. */
  project: string;
  /** Holds `node_modules` with the compiler and the types. */
  tools: string;
  /** Where the tarballs go. */
  out: string;
  /** Where compiled packages are kept for the next release. */
  cache: string;
  dirty: boolean;
  /** Install and compile the packages though they are kept. */
  fresh: boolean;
  /** Make the second tarball too. */
  runtime: boolean;
  signal: AbortSignal;
  say(line: string): void;
}

/** @throws ReleaseError */
export async function makeRelease(options: ReleaseOptions): Promise<Packed[]> {
  const work = await mkdtemp(join(tmpdir(), "isochron-release-"));
  try {
    return await makeIn(work, options);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function makeIn(work: string, options: ReleaseOptions): Promise<Packed[]> {
  const { project, tools, out, dirty, runtime, signal, say } = options;
  const folder = join(work, "sources");
  await mkdir(folder);
  const sources = await takeSources({ project, folder, dirty, signal });
  const files = await listFiles(folder);
  await symlink(join(tools, "node_modules"), join(folder, "node_modules"));
  const platform = thisPlatform();
  const top = `isochron-${sources.version}`;
  const pack = (parent: string, name: string): Promise<Packed> => {
    const file = join(out, `${name}-${sources.version}-${platform.platform}.tar.gz`);
    return packFolder({ parent, top, seconds: sources.commitSeconds, file, signal });
  };
  const install = { ...options, sources: folder, platform: platform.platform };

  say(`${top}: packages, compiled if they are not kept in ${options.cache} (some minutes)`);
  const modules = await installModules(install);
  say(`${top}: the program`);
  const release = join(work, "release", top);
  await mkdir(release, { recursive: true });
  await assembleRelease({ sources, files, platform, modules, tools, folder: release, signal });
  const packed = [await pack(join(work, "release"), "isochron")];
  if (!runtime) return packed;

  say(`${top}: the runtime of models`);
  const beside = join(work, "runtime", top, "shared", "embed", "runtime");
  await mkdir(beside, { recursive: true });
  const from = join(await installRuntime(install), "node_modules");
  await cp(from, join(beside, "node_modules"), { recursive: true, verbatimSymlinks: true });
  return [...packed, await pack(join(work, "runtime"), "isochron-runtime")];
}

function thisPlatform(): ReleasePlatform {
  const { os, arch, nodeVersion, nodeAbi, glibc } = thisHost();
  if (glibc === undefined) {
    const hint = "make releases on Debian, the oldest that they are for";
    throw new ReleaseError("native-module", "this machine's C library is not glibc", { hint });
  }
  const platform = `${os}-${arch}-node${nodeVersion.split(".")[0]}-glibc${glibc}`;
  return { platform, os, arch, node_abi: nodeAbi, glibc };
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort();
}
