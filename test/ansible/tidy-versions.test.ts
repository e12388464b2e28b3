// What the roles bring beside what is in use, and what they take away again: tried on folders of this machine, in one run.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { stringify } from "yaml";
import { hashFile } from "../../shared/models/hash-file.js";
import { missingPart, program } from "../support/require-part.js";

const ROLES = fileURLToPath(new URL("../../../ansible/roles", import.meta.url));
const VERSION = "0.3.0";
const missing = await missingPart([program("ansible-playbook", "ansible")]);

describe("a host that another version comes to", { skip: missing ?? false }, () => {
  let folder: string;
  let prefix: string;
  let runtime: string;
  let said: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "isochron-test-"));
    prefix = join(folder, "opt");
    runtime = join(prefix, VERSION, "shared/embed/runtime");
    for (const version of ["0.1.0", "0.2.0", VERSION]) await makeVersion(version);
    await mkdir(join(prefix, "nodes", "of-nobody.part"), { recursive: true });
    await mkdir(join(prefix, "0.4.0.part"));
    // Not the version in use: no service of this machine is restarted.
    await symlink("0.2.0", join(prefix, "current"));
    said = await play(await packRuntime());
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function makeVersion(version: string): Promise<void> {
    const node = join(prefix, "nodes", `of-${version}`, "bin", "node");
    await mkdir(join(node, ".."), { recursive: true });
    await writeFile(node, "");
    await mkdir(join(prefix, version));
    await symlink(node, join(prefix, version, "node"));
    // What comes next must be newer, and the clock of a file system ticks every few milliseconds.
    const clock = join(folder, "clock");
    do await writeFile(clock, "");
    while ((await stat(clock)).ctimeMs <= (await stat(join(prefix, version))).ctimeMs);
  }

  /** Beside an older one that is in its place, and what a run that was cut has left of another. */
  async function packRuntime(): Promise<{ archive: string; sha256: string }> {
    const files = join(folder, "isochron-0.3.0/shared/embed/runtime/node_modules/onnx");
    await mkdir(files, { recursive: true });
    await writeFile(join(files, "new.js"), "");
    const archive = join(folder, "runtime.tar.gz");
    await execa("tar", ["-czf", archive, "-C", folder, "isochron-0.3.0"]);
    const sha256 = await hashFile(archive);
    await mkdir(join(runtime, "node_modules", "onnx"), { recursive: true });
    await writeFile(join(runtime, "node_modules", "onnx", "old.js"), "");
    await writeFile(join(runtime, "node_modules", ".sha256"), `${"0".repeat(64)}\n`);
    const cut = join(runtime, `node_modules.${sha256.slice(0, 16)}.part`, "onnx");
    await mkdir(cut, { recursive: true });
    await writeFile(join(cut, "of-another-archive.js"), "");
    return { archive, sha256 };
  }

  async function play({ archive, sha256 }: { archive: string; sha256: string }): Promise<string> {
    const tasks = ["runtime", "tidy"].map((name) => ({
      name,
      "ansible.builtin.include_role": { name: "common", tasks_from: name },
    }));
    const vars = {
      isochron_prefix: prefix,
      isochron_version: VERSION,
      isochron_runtime: archive,
      isochron_runtime_sha256: sha256,
    };
    const file = join(folder, "play.yml");
    await writeFile(file, stringify([{ hosts: "localhost", connection: "local", gather_facts: false, vars, tasks }]));
    const env = { ANSIBLE_ROLES_PATH: ROLES, ANSIBLE_LOCAL_TEMP: folder, ANSIBLE_REMOTE_TEMP: folder };
    return (await execa("ansible-playbook", ["-i", "localhost,", file], { cwd: folder, env, stdin: "ignore" })).stdout;
  }

  test("has the runtime of models in the place of the one before, with nothing of that nor of a run that was cut", async () => {
    assert.deepEqual((await readdir(join(runtime, "node_modules"), { recursive: true })).sort(), [
      ".sha256",
      "onnx",
      "onnx/new.js",
    ]);
    assert.deepEqual(await readdir(runtime), ["node_modules"]);
  });

  test("keeps the newest version beside the one in use, and the Node.js of both", async () => {
    assert.deepEqual((await readdir(prefix)).sort(), ["0.2.0", VERSION, "current", "nodes"]);
    assert.deepEqual((await readdir(join(prefix, "nodes"))).sort(), ["of-0.2.0", `of-${VERSION}`]);
    assert.equal(await readlink(join(prefix, VERSION, "node")), join(prefix, "nodes", `of-${VERSION}`, "bin", "node"));
  });

  test("is told what was removed", () => {
    for (const gone of ["nodes/of-0.1.0", "nodes/of-nobody.part", "0.1.0", "0.4.0.part"]) {
      assert.match(said, new RegExp(`changed: .*item=${join(prefix, gone)}\\)`), said);
    }
  });
});
