// Which packages and which of their files a release has, told from package-lock.json and paths alone. What only helps to
// install or to compile stays out; what is loaded must never be left out, nor a license.

export interface LockFile {
  packages: Record<string, LockEntry>;
}

export interface LockEntry {
  version?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

/** Packages with code to compile, and where its result lies in them. */
export const NATIVE_MODULES: Readonly<Record<string, string>> = {
  "better-sqlite3": "build/Release/better_sqlite3.node",
  "cpu-features": "build/Release/cpufeatures.node",
  "hnswlib-node": "build/Release/addon.node",
  ssh2: "lib/protocol/crypto/build/Release/sshcrypto.node",
};

/** Packages whose files are compiled into them, or decide how they are compiled. */
export const COMPILED_WITH: Readonly<Record<string, readonly string[]>> = {
  "cpu-features": ["buildcheck", "nan"],
  "hnswlib-node": ["node-addon-api"],
  ssh2: ["nan"],
};

/** Dependencies that are used while a package is installed, and never again. */
const BUILD_ONLY = new Set(["buildcheck", "nan", "node-addon-api", "prebuild-install"]);

/** Folders of packages that are never loaded, where they lie at a package's top. */
const LEFT_OUT_FOLDERS = new Set([
  ".github",
  "bench",
  "benchmark",
  "benchmarks",
  "docs",
  "example",
  "examples",
  "test",
  "tests",
]);
/** In packages with code to compile: that code. */
const NATIVE_SOURCES = new Set(["build", "deps", "src"]);
const LEFT_OUT_FILES =
  /\.(map|[cm]?ts|tsbuildinfo|md|markdown|c|cc|cpp|h|hpp|gypi?|mk|o|a|tgz)$|^\.(eslint|prettier|npm|travis|editorconfig|nycrc)/i;
const LICENSES = /^(licen[cs]e|copying|notice)/i;

/** Paths of the packages that run: all that can be reached from the project over what is not there to build only. */
export function runtimePackages(lock: LockFile): string[] {
  const found = new Set<string>();
  const waiting = [""];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const { dependencies = {}, optionalDependencies = {} } = lock.packages[path] ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (BUILD_ONLY.has(name)) continue;
      const next = whereFound(lock, path, name);
      if (next === undefined && name in optionalDependencies && !(name in NATIVE_MODULES)) continue;
      if (next === undefined) throw new Error(`package-lock.json has no ${name}, which ${path || "the project"} needs`);
      if (found.has(next)) continue;
      found.add(next);
      waiting.push(next);
    }
  }
  return [...found].sort();
}

/** Whether a release has this file of a package; `path` is below the package's folder. */
export function isKept(packageName: string, path: string): boolean {
  const compiled = NATIVE_MODULES[packageName];
  if (path === compiled) return true;
  const [top = ""] = path.split("/");
  const isInFolder = top !== path;
  if (isInFolder && LEFT_OUT_FOLDERS.has(top)) return false;
  if (compiled !== undefined && (path.includes("build/") || NATIVE_SOURCES.has(top))) return false;
  const file = path.slice(path.lastIndexOf("/") + 1);
  return LICENSES.test(file) || !LEFT_OUT_FILES.test(file);
}

/** Whether it is no source of its package, but came of compiling it; `path` is below the package's folder. */
export function isMadeByCompiling(path: string): boolean {
  return /(^|\/)build\/|^buildcheck\.gypi$/.test(path);
}

/** As Node looks for it: in `node_modules` beside the package that asks, then in each above. */
function whereFound(lock: LockFile, from: string, name: string): string | undefined {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))) {
    const path = `${at === "" ? "" : `${at}/`}node_modules/${name}`;
    if (lock.packages[path]) return path;
    if (at === "") return undefined;
  }
}
