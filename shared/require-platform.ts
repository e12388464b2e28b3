// What both bins ask before they load anything else: can this machine's Node run this build? Without it a wrong one meets
// a syntax error in a dependency, or dlopen's words about an ABI. Must therefore parse on every Node from 14.8 on, as the
// bins themselves do, and import nothing but what is built in.
import { readFileSync } from "node:fs";

/** What a release was compiled for, as `release.json` has it. */
export interface ReleasePlatform {
  /** As in the tarball's name, such as `linux-x64-node20-glibc2.36`. */
  platform: string;
  os: string;
  arch: string;
  /** `process.versions.modules`: a native module loads under this one only. */
  node_abi: string;
  /** Of the machine that compiled: its native modules may want all of it. */
  glibc: string;
}

/** What there is here. */
export interface Host {
  os: string;
  arch: string;
  nodeVersion: string;
  nodeAbi: string;
  /** undefined on another C library, such as Alpine's. */
  glibc: string | undefined;
}

export interface PlatformProblem {
  message: string;
  hint: string;
}

/** As `engines` in package.json. */
const LEAST_NODE = "20.19";

/** Whether this Node can run this build. If not, says so on standard error and sets the exit code to 1. */
export function fitsHere(): boolean {
  const problem = platformProblem(readRelease(), thisHost());
  if (!problem) return true;
  process.stderr.write(`error: ${problem.message}\nhint: ${problem.hint}\n`);
  process.exitCode = 1;
  return false;
}

/** `release` is undefined in a checkout, whose native modules were compiled where they are. */
export function platformProblem(release: ReleasePlatform | undefined, host: Host): PlatformProblem | undefined {
  const { nodeVersion } = host;
  if (isLess(nodeVersion, LEAST_NODE)) {
    const message = `Node.js ${nodeVersion} is too old: Isochron needs ${LEAST_NODE} or later`;
    return {
      message,
      hint: `install Node.js ${nodeOf(release) ?? LEAST_NODE}, and see that \`node\` on the PATH is that one`,
    };
  }
  if (!release) return undefined;
  const hint = `install the release that \`npm run release\` makes on ${placeOf(host)}`;
  if (release.os !== host.os || release.arch !== host.arch) {
    return {
      message: `this release is for ${release.os} on ${release.arch}, and this is ${host.os} on ${host.arch}`,
      hint,
    };
  }
  if (release.node_abi !== host.nodeAbi) {
    const message = `this release is for Node.js ${nodeOf(release)} (ABI ${release.node_abi}), and this is ${nodeVersion} (ABI ${host.nodeAbi})`;
    return { message, hint: `run it with Node.js ${nodeOf(release)}, or ${hint}` };
  }
  if (host.glibc === undefined || isLess(host.glibc, release.glibc)) {
    const message = `this release needs glibc ${release.glibc} or later, and here is ${host.glibc ?? "another C library"}`;
    return { message, hint };
  }
  return undefined;
}

function readRelease(): ReleasePlatform | undefined {
  try {
    return JSON.parse(readFileSync(new URL("../../release.json", import.meta.url), "utf8")) as ReleasePlatform;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

export function thisHost(): Host {
  return {
    os: process.platform,
    arch: process.arch,
    nodeVersion: process.versions.node,
    nodeAbi: process.versions.modules,
    get glibc() {
      return glibcHere();
    },
  };
}

/** A tenth of what starting a command takes: asked where all else fits. */
function glibcHere(): string | undefined {
  // Else it asks for every network interface and open handle.
  (process.report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}

/** Its major version: `20` of `linux-x64-node20-glibc2.36`. */
function nodeOf(release: ReleasePlatform | undefined): string | undefined {
  return release && /-node(\d+)-/.exec(release.platform)?.[1];
}

function placeOf({ os, arch, nodeVersion, glibc }: Host): string {
  return `${os} on ${arch} with Node.js ${nodeVersion.split(".")[0]}${glibc === undefined ? "" : ` and glibc ${glibc} or older`}`;
}

/** Compares versions number by number: 2.4 is less than 2.36. */
function isLess(version: string, least: string): boolean {
  const ours = version.split(".").map(Number);
  for (const [index, number] of least.split(".").map(Number).entries()) {
    const our = ours[index] ?? 0;
    if (our !== number) return our < number;
  }
  return false;
}
