import assert from "node:assert/strict";
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { execa } from "execa";
import { sha256Hex } from "../../../shared/format/hash.js";
import { addModel } from "../../../shared/models/add-model.js";
import { hashFile } from "../../../shared/models/hash-file.js";
import { checkModel } from "../../../shared/models/model-store.js";
import { modelFiles, writeFiles } from "../../support/model-files.js";
import { program, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";
import { type ZipEntry, zipBytes } from "../../support/zip-bytes.js";

test("a wheel that Python's own packer wrote gives the model inside its package", async (t) => {
  await withPythonArchive(t, "mini_model/data/mini", "mini_model-1.0-py3-none-any.whl", async (root, archive) => {
    const { model, archiveSha256, changed } = await add(root, archive, await hashFile(archive));
    assert.deepEqual([changed, model.name, archiveSha256], [true, "mini", await hashFile(archive)]);
    await checkModel(model);
    assert.equal((await add(root, archive)).changed, false);
    assert.deepEqual(await readdir(join(root, "models")), [model.id]);
  });
});

test("a zip with the model at its top is called after itself", async (t) => {
  await withPythonArchive(t, "", "mini.zip", async (root, archive) => {
    assert.equal((await add(root, archive)).model.name, "mini");
  });
});

test("an archive with another digest is not opened", async () => {
  await withFolder(async (root) => {
    const archive = join(root, "mini.zip");
    await writeFile(archive, "not a zip");
    const said = sha256Hex("another");
    await assert.rejects(add(root, archive, said), { code: "digest-mismatch", message: /mini\.zip/ });
    await assert.rejects(add(root, archive), { code: "unsafe-archive" });
    assert.deepEqual(await readdir(join(root, "models")), []);
  });
});

const MAX_BYTES = 3 * 1024 * 1024;
const SYMLINK = 0o120777;
const DEVICE = 0o020666;

const HOSTILE: Record<string, ZipEntry[]> = {
  "climbs out": [{ name: "../../etc/passwd", content: "x" }],
  "names an absolute path": [{ name: "/etc/passwd", content: "x" }],
  "climbs out with backslashes": [{ name: "a\\..\\..\\x", content: "x" }],
  "has a link": [{ name: "tokenizer", content: "/etc/shadow", mode: SYMLINK }],
  "has a device": [{ name: "null", content: "", mode: DEVICE }],
  "has one name twice": [{ name: "config.json", content: "{}" }],
};

for (const [what, entries] of Object.entries(HOSTILE)) {
  test(`an archive that ${what} is refused whole, and leaves nothing`, async () => {
    await refuses([...goodEntries(), ...entries], { code: "unsafe-archive" });
  });
}

test("a bomb is stopped where the archive's own word about its size ends, and at the bound", async () => {
  const zeros = Buffer.alloc(4 * 1024 * 1024);
  const model = (says?: ZipEntry["says"]): ZipEntry[] => [
    ...goodEntries().filter(({ name }) => !name.endsWith(".onnx")),
    { name: "model.onnx", content: zeros, ...(says && { says }) },
  ];
  await refuses(model({ size: 1000 }), { code: "unsafe-archive", message: /too many bytes/ });
  await refuses(model(), { code: "too-large" });
});

test("content that is not what its checksum says, or is encrypted, is refused", async () => {
  const changed = (says: ZipEntry["says"]): ZipEntry[] =>
    goodEntries().map((entry) => (entry.name === "tokenizer.json" ? { ...entry, ...(says && { says }) } : entry));
  await refuses(changed({ crc: 1 }), { code: "unsafe-archive", message: /checksum/ });
  await refuses(changed({ encrypted: true }), { code: "unsafe-archive", message: /encrypted/ });
});

test("an archive of too many entries is refused by what it says, before they are read", async () => {
  const many = Array.from({ length: 20_001 }, (_, i) => ({ name: `f${i}`, content: "" }));
  await refuses(many, { code: "unsafe-archive", message: /20001 entries/ });
});

function goodEntries(): ZipEntry[] {
  return Object.entries(modelFiles()).map(([name, content]) => ({ name, content }));
}

async function refuses(entries: ZipEntry[], expected: object): Promise<void> {
  await withFolder(async (folder) => {
    const archive = join(folder, "mini.zip");
    await writeFile(archive, zipBytes(entries));
    const root = join(folder, "root");
    await assert.rejects(add(root, archive), expected);
    assert.deepEqual(await readdir(join(root, "models")), []);
    assert.deepEqual((await readdir(folder)).sort(), ["mini.zip", "root"]);
  });
}

/** An archive that Python's zipfile packed, the model below `inside`. */
async function withPythonArchive(
  t: TestContext,
  inside: string,
  name: string,
  body: (root: string, archive: string) => Promise<void>,
): Promise<void> {
  if (!(await requirePart(t, program("python3", "python3")))) return;
  await withFolder(async (folder) => {
    const content = join(folder, "content");
    await writeFiles(join(content, inside), modelFiles());
    await writeFiles(content, { "mini_model-1.0.dist-info/METADATA": "Name: mini-model\n" });
    const made = join(folder, "made.zip");
    const top = await readdir(content);
    await execa("python3", ["-m", "zipfile", "-c", made, ...top], { cwd: content, stdin: "ignore" });
    await mkdir(join(folder, "out"));
    await rename(made, join(folder, "out", name));
    await body(join(folder, "root"), join(folder, "out", name));
  });
}

function add(root: string, source: string, sha256?: string) {
  return addModel({ root, source, sha256, maxBytes: MAX_BYTES, signal: new AbortController().signal });
}
