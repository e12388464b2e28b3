// What the roles bring beside what is in use, and what they take away again: in one run, on a host of its own with a systemd.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { stringify } from "yaml";
import { hashFile } from "../../shared/models/hash-file.js";
import { enterNamespaces } from "../support/nspawn.js";
import { missingPart, program } from "../support/require-part.js";
import { SYSTEMD_PARTS, type Systemd, withSystemd } from "../support/with-systemd.js";

const ROLES = fileURLToPath(new URL("../../../ansible/roles", import.meta.url));
const VERSION = "0.3.0";
/** Where the host has the test's folder. */
const INSIDE = "/srv/host";
const SERVICES = ["isochron-replica.service", "isochron-replica-queries.service"];
const missing = await missingPart([program("ansible-playbook", "ansible"), ...SYSTEMD_PARTS]);

describe("a host that another version comes to", { skip: missing ?? false }, () => {
  let folder: string;
  let prefix: string;
  let runtime: string;
  let said: string;
  /** When each service became active, in microseconds, before and after. */
  let startedBefore: number[] = [];
  let startedAfter: number[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "isochron-test-"));
    prefix = join(folder, "opt");
    runtime = join(prefix, VERSION, "shared/embed/runtime");
    for (const version of ["0.1.0", "0.2.0", VERSION]) await makeVersion(version);
    await mkdir(join(prefix, "nodes", "of-nobody.part"), { recursive: true });
    await mkdir(join(prefix, "0.4.0.part"));
    await symlink(VERSION, join(prefix, "current"));
    const sha256 = await packRuntime();
    await withSystemd(
      {},
      async (host) => {
        await startServices(host);
        startedBefore = await startTimes(host);
        said = await play(host, sha256);
        startedAfter = await startTimes(host);
      },
      { [INSIDE]: folder, "/srv/roles": ROLES },
    );
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function makeVersion(version: string): Promise<void> {
    const bin = join("nodes", `of-${version}`, "bin");
    await mkdir(join(prefix, bin), { recursive: true });
    await writeFile(join(prefix, bin, "node"), "");
    await mkdir(join(prefix, version));
    await symlink(join(INSIDE, "opt", bin, "node"), join(prefix, version, "node"));
    // What comes next must be newer, and the clock of a file system ticks every few milliseconds.
    const clock = join(folder, "clock");
    do await writeFile(clock, "");
    while ((await stat(clock)).ctimeMs <= (await stat(join(prefix, version))).ctimeMs);
  }

  /** Beside an older one that is in its place, and what a run that was cut has left of another. */
  async function packRuntime(): Promise<string> {
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
    return sha256;
  }

  async function startServices({ run, systemctl }: Systemd): Promise<void> {
    // Those of the machine that the test runs on are seen here as well.
    await run("sh", "-c", "rm -f /etc/systemd/system/isochron-*");
    const text = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sleep infinity\n";
    for (const name of SERVICES) await run("sh", "-c", `printf '${text}' >/etc/systemd/system/${name}`);
    await systemctl("daemon-reload");
    await systemctl("start", ...SERVICES);
  }

  async function startTimes({ run }: Systemd): Promise<number[]> {
    const asked = SERVICES.map((name) =>
      run("systemctl", "show", "--value", "-p", "ActiveEnterTimestampMonotonic", name),
    );
    return (await Promise.all(asked)).map(({ stdout }) => Number(stdout));
  }

  async function play({ pid }: Systemd, sha256: string): Promise<string> {
    const tasks = ["runtime", "tidy"].map((name) => ({
      name,
      "ansible.builtin.include_role": { name: "common", tasks_from: name },
    }));
    const vars = {
      isochron_prefix: join(INSIDE, "opt"),
      isochron_version: VERSION,
      isochron_runtime: join(INSIDE, "runtime.tar.gz"),
      isochron_runtime_sha256: sha256,
    };
    const tasksOfHost = [{ hosts: "localhost", connection: "local", gather_facts: false, vars, tasks }];
    await writeFile(join(folder, "play.yml"), stringify(tasksOfHost));
    const env = [
      "ANSIBLE_ROLES_PATH=/srv/roles",
      `ANSIBLE_LOCAL_TEMP=${INSIDE}/tmp`,
      `ANSIBLE_REMOTE_TEMP=${INSIDE}/tmp`,
    ];
    const command = ["env", "LC_ALL=C.UTF-8", ...env, "ansible-playbook", "-i", "localhost,", join(INSIDE, "play.yml")];
    const [program = "", ...args] = [...enterNamespaces(pid), ...command];
    return (await execa(program, args, { stdin: "ignore" })).stdout;
  }

  test("has the runtime of models in the place of the one before, with nothing of that nor of a run that was cut", async () => {
    assert.deepEqual((await readdir(join(runtime, "node_modules"), { recursive: true })).sort(), [
      ".sha256",
      "onnx",
      "onnx/new.js",
    ]);
    assert.deepEqual(await readdir(runtime), ["node_modules"]);
  });

  test("has restarted what had the old one open, the daemon before its query service", () => {
    for (const [i, time] of startedAfter.entries()) assert.ok(time > (startedBefore[i] ?? Infinity), SERVICES[i]);
    assert.ok((startedAfter[0] ?? 0) < (startedAfter[1] ?? 0));
  });

  test("keeps the newest version beside the one in use, and the Node.js of both", async () => {
    assert.deepEqual((await readdir(prefix)).sort(), ["0.2.0", VERSION, "current", "nodes"]);
    assert.deepEqual((await readdir(join(prefix, "nodes"))).sort(), ["of-0.2.0", `of-${VERSION}`]);
    const node = await readlink(join(prefix, VERSION, "node"));
    assert.equal(node, join(INSIDE, "opt", "nodes", `of-${VERSION}`, "bin", "node"));
  });

  test("is told what was removed", () => {
    for (const gone of ["nodes/of-0.1.0", "nodes/of-nobody.part", "0.1.0", "0.4.0.part"]) {
      assert.match(said, new RegExp(`changed: .*item=${join(INSIDE, "opt", gone)}\\)`), said);
    }
  });
});
