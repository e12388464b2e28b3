// The one folder of a release: what was compiled, its packages, and what an operator installs beside them. The paths are
// those of a checkout, so every command in the README holds for both. No tests, no sources, no tools.
import { chmod, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ReleasePlatform } from "../../shared/require-platform.js";
import { runStep } from "./run-step.js";
import type { Sources } from "./take-sources.js";

export interface AssembleOptions {
  sources: Sources;
  /** Paths of what git knows, below the sources' folder. */
  files: readonly string[];
  platform: ReleasePlatform;
  /** Holds `node_modules` of the production packages. */
  modules: string;
  /** Holds `node_modules` with the compiler and the types. */
  tools: string;
  /** What to make. */
  folder: string;
  signal: AbortSignal;
}

/** What is compiled. */
const PARTS = ["primary", "replica", "shared"];

export async function assembleRelease(options: AssembleOptions): Promise<void> {
  const { sources, files, platform, modules, tools, folder, signal } = options;
  const compiled = await compile(sources.folder, tools, signal);
  for (const part of PARTS) {
    const from = join(compiled, part);
    await cp(from, join(folder, "dist", part), { recursive: true, filter: (path) => !path.endsWith(".map") });
  }
  for (const bin of ["primary", "replica"]) await chmod(join(folder, "dist", bin, "main.js"), 0o755);
  await cp(join(modules, "node_modules"), join(folder, "node_modules"), { recursive: true, verbatimSymlinks: true });
  for (const file of files.filter(isInstalled)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await cp(join(sources.folder, file), join(folder, file));
  }
  await writePackage(sources, folder);
  const release = { version: sources.version, commit: sources.commit, ...platform };
  await writeFile(join(folder, "release.json"), `${JSON.stringify(release, null, 2)}\n`);
}

/** D-Bus policies, units, alert rules, the package that stands for another, what `npm run add-runtime` needs, and what to read. */
function isInstalled(file: string): boolean {
  if (file.startsWith("test/")) return false;
  if (file === "LICENSE" || file === "README.md") return true;
  if (file.startsWith("shared/dbus/without-usocket/") || file.startsWith("shared/embed/runtime/")) return true;
  if (file.startsWith("ansible/")) return file === "ansible/roles/common/files/isochron-alerts.yml";
  return /\.(conf|service|socket|target)$|\/README\.md$/.test(file);
}

/** Not the tests, which are in no release. More checkers would each learn the types of the packages for themselves. */
async function compile(sources: string, tools: string, signal: AbortSignal): Promise<string> {
  const out = join(sources, "dist");
  const project = join(sources, "tsconfig.release.json");
  await writeFile(project, JSON.stringify({ extends: "./tsconfig.json", include: PARTS }));
  const compiler = join(tools, "node_modules", "typescript", "bin", "tsc");
  const args = [compiler, "-p", project, "--outDir", out, "--incremental", "false", "--checkers", "1"];
  await runStep(process.execPath, args, { cwd: sources, signal, hint: "mend the errors above" });
  return out;
}

/** Without what only a checkout can do. `add-runtime` stays: it is what the bins name where a model's runtime is missing. */
async function writePackage({ folder: from, version }: Sources, folder: string): Promise<void> {
  const all = JSON.parse(await readFile(join(from, "package.json"), "utf8")) as Record<string, unknown>;
  const { name, description, license, type, engines, bin, dependencies } = all;
  const scripts = { "add-runtime": (all.scripts as Record<string, string>)["add-runtime"] };
  const kept = { name, version, description, license, private: true, type, engines, bin, scripts, dependencies };
  await writeFile(join(folder, "package.json"), `${JSON.stringify(kept, null, 2)}\n`);
}
