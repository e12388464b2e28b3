// Which packages and files a release has.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { isKept, type LockFile, NATIVE_MODULES, runtimePackages } from "./plan-modules.js";

describe("the packages of a release", () => {
  test("are those that are reached from the project, each where Node would look for it", () => {
    const lock: LockFile = {
      packages: {
        "": { dependencies: { a: "1", b: "1" } },
        "node_modules/a": { dependencies: { c: "2" } },
        "node_modules/a/node_modules/c": { dependencies: { b: "1" } },
        "node_modules/b": { optionalDependencies: { absent: "1" } },
        "node_modules/c": {},
        "node_modules/dev": { dependencies: { c: "1" } },
      },
    };
    assert.deepEqual(runtimePackages(lock), ["node_modules/a", "node_modules/a/node_modules/c", "node_modules/b"]);
  });

  test("leave out what compiles a package, with all that only it needs", () => {
    const lock: LockFile = {
      packages: {
        "": { dependencies: { a: "1" } },
        "node_modules/a": { dependencies: { "prebuild-install": "1", shared: "1" } },
        "node_modules/prebuild-install": { dependencies: { deep: "1", shared: "1" } },
        "node_modules/deep": {},
        "node_modules/shared": {},
      },
    };
    assert.deepEqual(runtimePackages(lock), ["node_modules/a", "node_modules/shared"]);
  });

  test("are refused where the lock file lacks one, or the code that ssh2 is fast by", () => {
    assert.throws(() => runtimePackages({ packages: { "": { dependencies: { a: "1" } } } }), /has no a/);
    const lock: LockFile = {
      packages: {
        "": { dependencies: { ssh2: "1" } },
        "node_modules/ssh2": { optionalDependencies: { "cpu-features": "1" } },
      },
    };
    assert.throws(() => runtimePackages(lock), /has no cpu-features, which node_modules\/ssh2 needs/);
  });

  test("of this project hold every dependency, everything native, and nothing of development", async () => {
    const lock = JSON.parse(await readFile("package-lock.json", "utf8")) as LockFile;
    const project = JSON.parse(await readFile("package.json", "utf8")) as Record<string, Record<string, string>>;
    const packages = runtimePackages(lock);
    const wanted = [...Object.keys(project.dependencies ?? {}), ...Object.keys(NATIVE_MODULES)];
    for (const name of wanted) assert.ok(packages.includes(`node_modules/${name}`), name);
    for (const name of Object.keys(project.devDependencies ?? {}))
      assert.ok(!packages.includes(`node_modules/${name}`), name);
  });
});

describe("the files of a package", () => {
  test("are what is loaded, and its licenses", () => {
    for (const path of [
      "package.json",
      "lib/index.js",
      "dist/doc/x.cjs",
      "LICENSE.md",
      "lib/test/needed.js",
      "src/index.js",
    ])
      assert.ok(isKept("plain", path), path);
  });

  test("are no tests, examples, types, maps or papers", () => {
    for (const path of [
      "test/a.js",
      "examples/b.js",
      "index.d.ts",
      "dist/x.js.map",
      "README.md",
      ".github/ci.yml",
      ".eslintrc.js",
    ])
      assert.ok(!isKept("plain", path), path);
  });

  test("are of what was compiled the result only", () => {
    for (const [name, path] of Object.entries(NATIVE_MODULES)) assert.ok(isKept(name, path));
    for (const path of [
      "build/Release/test_extension.node",
      "build/config.gypi",
      "deps/sqlite3/sqlite3.c",
      "src/a.js",
      "binding.gyp",
    ])
      assert.ok(!isKept("better-sqlite3", path), path);
    assert.ok(!isKept("ssh2", "lib/protocol/crypto/build/Release/obj.target/sshcrypto.node"));
    assert.ok(!isKept("ssh2", "lib/protocol/crypto/src/binding.cc"));
    assert.ok(isKept("ssh2", "lib/protocol/crypto/poly1305.js"));
  });
});
