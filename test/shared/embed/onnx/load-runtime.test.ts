import assert from "node:assert/strict";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { loadRuntime, runtimeVersion } from "../../../../shared/embed/onnx/load-runtime.js";
import { MODEL_RUNTIME, requirePart } from "../../../support/require-part.js";
import { withFolder } from "../../../support/with-folder.js";

const RUNTIME = new URL("../../../../../shared/embed/runtime/", import.meta.url);

test("the runtime that is installed is the one the project names, and it loads", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  const wanted = JSON.parse(await readFile(new URL("package.json", RUNTIME), "utf8"));
  const runtime = loadRuntime();
  assert.equal(runtime.version, wanted.dependencies["onnxruntime-node"]);
  assert.equal(runtimeVersion(), runtime.version);
  const tensor = new runtime.Tensor("int64", new BigInt64Array([1n, 2n]), [1, 2]);
  assert.deepEqual([tensor.type, [...tensor.dims]], ["int64", [1, 2]]);
});

test("without the runtime there is no version, and loading names the command that adds it", async () => {
  await withFolder(async (folder) => {
    assert.equal(runtimeVersion(folder), undefined);
    assert.throws(() => loadRuntime(folder), { code: "runtime-missing", hint: /: npm run add-runtime$/ });
  });
});

test("ISOCHRON_RUNTIME names another folder", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  const before = process.env.ISOCHRON_RUNTIME;
  t.after(() => {
    if (before === undefined) delete process.env.ISOCHRON_RUNTIME;
    else process.env.ISOCHRON_RUNTIME = before;
  });
  await withFolder(async (folder) => {
    process.env.ISOCHRON_RUNTIME = folder;
    assert.throws(() => loadRuntime(), { code: "runtime-missing", message: new RegExp(`installed in ${folder}$`) });
    await symlink(new URL("node_modules", RUNTIME), join(folder, "node_modules"));
    assert.equal(typeof loadRuntime().version, "string");
  });
});

test("a runtime made for other machines counts as none", async () => {
  await withFolder(async (folder) => {
    await layRuntime(folder, "otheros/other");
    assert.equal(runtimeVersion(folder), undefined);
  });
});

test("a library that does not load is told with its reason", async () => {
  await withFolder(async (folder) => {
    await layRuntime(folder, `${process.platform}/${process.arch}`);
    assert.equal(runtimeVersion(folder), "1.2.3");
    assert.throws(() => loadRuntime(folder), {
      code: "runtime-missing",
      message: /cannot be loaded: .*file too short/,
    });
  });
});

/** What an install leaves behind, with an empty library. */
async function layRuntime(folder: string, machine: string): Promise<void> {
  const onnx = join(folder, "node_modules", "onnxruntime-node");
  const tokenizers = join(folder, "node_modules", "@huggingface", "tokenizers");
  const library = join(onnx, "bin", "napi-v6", machine);
  await mkdir(library, { recursive: true });
  await mkdir(tokenizers, { recursive: true });
  await writeFile(join(onnx, "package.json"), JSON.stringify({ version: "1.2.3", main: "index.js" }));
  await writeFile(join(tokenizers, "package.json"), "{}");
  await writeFile(join(library, "binding.node"), "");
  await writeFile(join(onnx, "index.js"), `require("./bin/napi-v6/${machine}/binding.node");`);
}
