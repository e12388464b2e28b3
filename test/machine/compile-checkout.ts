// Run by prepare.sh: the native modules of this checkout, compiled as those of a release are, so that one which is made here
// next need not compile them again. Only hnswlib is another: for this machine's processor.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileModules } from "../release/compile-modules.js";
import { NATIVE_MODULES } from "../release/plan-modules.js";

const PROJECT = fileURLToPath(new URL("../../..", import.meta.url));
/** No release is made without them, but a checkout runs. */
const FASTER_WITH = ["cpu-features", "ssh2"];

const abort = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => abort.abort());

await compileModules({
  folder: PROJECT,
  names: Object.keys(NATIVE_MODULES),
  more: { "hnswlib-node": await flagsOfProcessor() },
  cache: join(PROJECT, "release", ".cache"),
  fresh: false,
  onFailure: (name, error) => {
    if (!FASTER_WITH.includes(name)) throw error;
    process.stderr.write(`${error.message}\nssh2 goes on without ${name}: it is slower\n`);
  },
  signal: abort.signal,
});

/** The distance loops of hnswlib use AVX2 only when told to: 1.3 to 1.5 times the speed. */
async function flagsOfProcessor(): Promise<string[]> {
  const processor = await readFile("/proc/cpuinfo", "utf8");
  return /\bavx2\b/.test(processor) ? ["-march=x86-64-v3"] : [];
}
