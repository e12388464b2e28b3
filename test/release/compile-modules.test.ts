// What is compiled once and what again: tried with a package of one line of C under the name of a real one.
import assert from "node:assert/strict";
import { appendFile, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";
import { hashFile } from "../../shared/models/hash-file.js";
import { program, requirePart } from "../support/require-part.js";
import { withFolder } from "../support/with-folder.js";
import { type CompileOptions, compileModules } from "./compile-modules.js";
import { COMPILED_WITH, NATIVE_MODULES } from "./plan-modules.js";

const NAME = "cpu-features";
const FILE = NATIVE_MODULES[NAME] as string;

describe("a module of native code", () => {
  test("is compiled once for the same sources, wherever they lie, and the result is taken from then on", (t) =>
    withPackages(t, async ({ compile, install, count, fileOf }) => {
      const [one, another] = [await install("one"), await install("another/place")];
      await compile(one);
      await compile(another);
      assert.equal(await count(), 1);
      assert.equal(await hashFile(fileOf(one)), await hashFile(fileOf(another)));
      assert.equal(
        (createRequire(import.meta.url)(fileOf(another)) as { toString(): string }).toString(),
        "[object Object]",
      );
      await compile(another, { fresh: true });
      assert.equal(await count(), 2);
    }));

  test("is compiled again when its sources, a package that goes into it or a flag are others, and not for what compiling left", (t) =>
    withPackages(t, async ({ compile, install, count }) => {
      const folder = await install("one");
      await compile(folder);
      await writeFile(join(folder, "node_modules", NAME, "build", "more.o"), "left");
      await compile(folder);
      assert.equal(await count(), 1);
      await appendFile(join(folder, "node_modules", NAME, "module.c"), "/* by hand */\n");
      await compile(folder);
      assert.equal(await count(), 2);
      await appendFile(join(folder, "node_modules", "nan", "nan.h"), "/* later */\n");
      await compile(folder);
      assert.equal(await count(), 3);
      await compile(folder, { more: { [NAME]: ["-fwrapv"] } });
      assert.equal(await count(), 4);
      await compile(folder);
      assert.equal(await count(), 4);
    }));

  test("that was changed where it is kept is refused, with the folder that has to go", (t) =>
    withPackages(t, async ({ compile, install, cache }) => {
      const folder = await install("one");
      await compile(folder);
      const [kept = ""] = await readdir(cache);
      const [file = ""] = await readdir(join(cache, kept));
      await appendFile(join(cache, kept, file), "x");
      await assert.rejects(compile(folder), { code: "native-module", hint: new RegExp(`rm -r .*${kept}`) });
    }));

  test("that cannot be compiled ends it, unless it can be done without", (t) =>
    withPackages(t, async ({ compile, install, cache }) => {
      const folder = await install("one");
      await writeFile(join(folder, "node_modules", NAME, "module.c"), "no C\n");
      await assert.rejects(compile(folder), { code: "step-failed" });
      const told: string[] = [];
      await compile(folder, { onFailure: (name) => told.push(name) });
      assert.deepEqual([told, await readdir(cache)], [[NAME], []]);
    }));
});

interface Packages {
  cache: string;
  /** A folder with the packages as npm leaves them that runs no scripts. */
  install(place: string): Promise<string>;
  compile(folder: string, more?: Partial<CompileOptions>): Promise<void>;
  /** How often the compiler ran. */
  count(): Promise<number>;
  fileOf(folder: string): string;
}

async function withPackages(
  t: Parameters<typeof requirePart>[0],
  body: (packages: Packages) => Promise<void>,
): Promise<void> {
  if (!(await requirePart(t, program("cc", "build-essential")))) return;
  await withFolder(async (folder) => {
    const cache = join(folder, "cache");
    const runs = join(folder, "runs");
    const made = join(folder, "made");
    await writeFile(runs, "");
    await mkdir(made);
    await writeFile(join(made, "package.json"), JSON.stringify({ private: true, allowScripts: { [NAME]: true } }));
    for (const name of [NAME, ...(COMPILED_WITH[NAME] ?? [])]) await makePackage(made, name, runs);
    await body({
      cache,
      install: async (place) => {
        await cp(made, join(folder, place), { recursive: true });
        return join(folder, place);
      },
      compile: (at, more) =>
        compileModules({
          ...{ folder: at, names: [NAME], cache, fresh: false, signal: new AbortController().signal },
          ...more,
        }),
      count: async () => (await readFile(runs, "utf8")).length,
      fileOf: (at) => join(at, "node_modules", NAME, FILE),
    });
  });
}

async function makePackage(folder: string, name: string, runs: string): Promise<void> {
  const place = join(folder, "node_modules", name);
  await mkdir(place, { recursive: true });
  await writeFile(join(place, `${name}.h`), "");
  const steps = ["mkdir -p build/Release", `cc -shared -fPIC $CXXFLAGS -o ${FILE} module.c`, `printf x >>${runs}`];
  const scripts = name === NAME ? { install: steps.join(" && ") } : {};
  await writeFile(join(place, "package.json"), JSON.stringify({ name, version: "1.0.0", scripts }));
  if (name !== NAME) return;
  const code = "void *napi_register_module_v1(void *env, void *exports) { (void)env; return exports; }\n";
  await writeFile(join(place, "module.c"), code);
}
