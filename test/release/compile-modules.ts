// Packages with native code, compiled where they were installed; or given what came of the very same sources, compiler, Node
// and flags before, in another release or in a checkout. What is given is never another than compiling here would make.
import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rename } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { hashFile } from "../../shared/models/hash-file.js";
import { thisHost } from "../../shared/require-platform.js";
import { keepFolder } from "./keep-folder.js";
import { COMPILED_WITH, isMadeByCompiling, NATIVE_MODULES } from "./plan-modules.js";
import { ReleaseError } from "./release-error.js";
import { runStep } from "./run-step.js";

export interface CompileOptions {
  /** Holds `node_modules` with the packages, none of whose scripts has run. */
  folder: string;
  names: readonly string[];
  /** Flags of C++ besides those of a release, by the package's name. */
  more?: Readonly<Record<string, readonly string[]>>;
  /** Where results are kept. */
  cache: string;
  /** Compile though the result is kept. */
  fresh: boolean;
  /** Told of one that cannot be compiled; throws if it is not to be done without. */
  onFailure?: (name: string, error: Error) => void;
  signal: AbortSignal;
}

/** @throws ReleaseError step-failed, native-module */
export async function compileModules(options: CompileOptions): Promise<void> {
  const { folder, names, signal, onFailure } = options;
  const headers = await findHeaders();
  const tools = await versionsOf(["cc", "c++", "npm"], folder, signal);
  const compileOne = async (name: string) => {
    await compileModule(name, tools, headers, options).catch((error: Error) => {
      if (!onFailure || signal.aborted) throw error;
      onFailure(name, error);
    });
  };
  // Where Node's headers have to be fetched first, one must not find what another has fetched by half.
  if (headers) await Promise.all(names.map(compileOne));
  else for (const name of names) await compileOne(name);
}

/** With Node's headers beside Node nothing need be downloaded to compile against it. */
async function findHeaders(): Promise<string | undefined> {
  const prefix = dirname(dirname(process.execPath));
  return readFile(join(prefix, "include", "node", "node_api.h")).then(
    () => prefix,
    () => undefined,
  );
}

async function versionsOf(programs: readonly string[], cwd: string, signal: AbortSignal): Promise<string[]> {
  const hint = "apt-get install build-essential";
  return Promise.all(programs.map((program) => runStep(program, ["--version"], { cwd, signal, hint, env: COMPILERS })));
}

async function compileModule(
  name: string,
  tools: readonly string[],
  headers: string | undefined,
  options: CompileOptions,
): Promise<void> {
  const { folder, more = {}, signal } = options;
  const flags = more[name] ?? [];
  const file = join(folder, "node_modules", name, NATIVE_MODULES[name] as string);
  const madeOf = [JSON.stringify(thisHost()), ...tools, ...flags, await hashSources(folder, name), await ownText()];
  const kept = await keepFolder({ ...options, name: `native-${name}${flags.join("")}`, madeOf }, async (place) => {
    await compile(folder, name, flags, headers, signal);
    await copyFile(file, join(place, `${await hashFile(file)}.node`));
  });
  await putInPlace(kept, file);
  await tryLoading(name, file, signal);
}

/** Whatever this shell's environment names: it is not what the result is kept under. */
const COMPILERS = { CC: "cc", CXX: "c++", CPPFLAGS: "", LDFLAGS: "" };

/** By content, not by version: a package that was changed by hand is another. */
async function hashSources(folder: string, name: string): Promise<string> {
  const find = createRequire(join(folder, "node_modules", name, "package.json"));
  const places = [name, ...(COMPILED_WITH[name] ?? [])].map((part) =>
    part === name ? join(folder, "node_modules", name) : dirname(find.resolve(`${part}/package.json`)),
  );
  const hash = createHash("sha256");
  for (const place of places) {
    const files = await readdir(place, { recursive: true, withFileTypes: true });
    const paths = files.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    for (const path of paths.sort()) {
      const below = path.slice(place.length + 1);
      if (isMadeByCompiling(below)) continue;
      hash.update(`${below}\0${await hashFile(path)}\0`);
    }
  }
  return hash.digest("hex");
}

/** Another way of compiling them makes others. */
async function ownText(): Promise<string> {
  return readFile(fileURLToPath(import.meta.url), "utf8");
}

async function compile(
  folder: string,
  name: string,
  flags: readonly string[],
  headers: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  // Else asserts and debug information would hold the folder's name, and each build be another.
  const same = `-g0 -ffile-prefix-map=${folder}=.`;
  const env = {
    ...COMPILERS,
    // SQLite is all of the C, is made for -O2, and takes a third longer to compile with -O3.
    CFLAGS: `-O2 ${same}`,
    CXXFLAGS: ["-O3", ...flags, same].join(" "),
    JOBS: String(availableParallelism()),
    npm_config_build_from_source: "true",
    ...(headers ? { npm_config_nodedir: headers } : {}),
  };
  const hint = "apt-get install build-essential python3; check the network";
  await runStep("npm", ["rebuild", name], { cwd: folder, signal, env, hint });
}

/** Beside and renamed: what runs from the folder goes on with the file that it has. */
async function putInPlace(kept: string, file: string): Promise<void> {
  const [found = ""] = await readdir(kept);
  const path = join(kept, found);
  if (found !== `${await hashFile(path)}.node`) {
    const hint = `rm -r ${kept}, then run this again`;
    throw new ReleaseError("native-module", `${path} is not what was compiled: its hash is another`, { hint });
  }
  await mkdir(dirname(file), { recursive: true });
  await copyFile(path, `${file}.new`);
  await rename(`${file}.new`, file);
}

/** ssh2 does without its own when it could not be compiled: slower, and nobody would know. */
async function tryLoading(name: string, file: string, signal: AbortSignal): Promise<void> {
  const load = ["-e", "process.dlopen({ exports: {} }, process.argv[1])", file];
  const hint = `${name} was not compiled: see that cc and make work`;
  await runStep(process.execPath, load, { cwd: dirname(file), signal, hint });
}
