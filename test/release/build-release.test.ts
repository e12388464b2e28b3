// A release, made twice from commits in two places, unpacked where nothing else of the project is, and used as an operator
// uses it. Native modules that are kept are not compiled again, which takes minutes: that another compilation gives the same
// bytes is seen by test:fleet, in CI.
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { hashFile } from "../../shared/models/hash-file.js";
import { installNode, OTHER_NODE } from "../machine/install-node.js";
import { expectConverged, ingest, mustRun, seal, someEvents } from "../support/drive-fleet.js";
import { makeModel } from "../support/make-model.js";
import { program, ROOT, requirePart } from "../support/require-part.js";
import { runCli } from "../support/run-cli.js";
import { withFleet } from "../support/start-fleet.js";
import { withVolume } from "../support/with-volume.js";

const PROJECT = fileURLToPath(new URL("../../..", import.meta.url));
const BUILDER = fileURLToPath(new URL("./build-release.js", import.meta.url));
/** So that two commits of the same files are the same commit. */
const COMMIT_ENV = {
  ...{ GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@b", GIT_AUTHOR_DATE: "1700000000 +0000" },
  ...{ GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@b", GIT_COMMITTER_DATE: "1700000000 +0000" },
  GIT_CONFIG_GLOBAL: "/dev/null",
};

let folder: string;
let checkout: string;
/** Of each build, the program's tarball and the runtime's. */
let first: string[];
let second: string[];
/** The unpacked release. */
let top: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "iso-release-"));
  checkout = await commitSources(join(folder, "one"));
  first = await build(checkout);
  const elsewhere = await commitSources(join(folder, "another", "place"));
  second = await build(elsewhere);
  await mkdir(join(folder, "opt"));
  await unpack(first[0] as string);
  top = join(folder, "opt", (await readdir(join(folder, "opt")))[0] as string);
});

after(() => rm(folder, { recursive: true, force: true }));

describe("the tarballs of a commit", () => {
  test("are the same bytes wherever they are made, with their digests beside them", async () => {
    assert.deepEqual(
      first.map((file) => basename(file)),
      second.map((file) => basename(file)),
    );
    for (const [index, file] of first.entries()) {
      assert.equal(await hashFile(file), await hashFile(second[index] as string), basename(file));
      await execa("sha256sum", ["--check", `${basename(file)}.sha256`], { cwd: join(checkout, "release") });
    }
  });

  test("are named by version, system, Node and C library, and hold one folder of root's", async () => {
    const { version } = JSON.parse(await readFile(join(PROJECT, "package.json"), "utf8")) as { version: string };
    const platform = /^linux-[a-z0-9]+-node\d+-glibc\d\.\d+$/;
    for (const [index, name] of ["isochron", "isochron-runtime"].entries()) {
      const file = basename(first[index] as string, ".tar.gz");
      assert.ok(file.startsWith(`${name}-${version}-`), file);
      assert.match(file.slice(`${name}-${version}-`.length), platform);
      const { stdout } = await execa("tar", ["--numeric-owner", "-tvzf", first[index] as string]);
      for (const line of stdout.split("\n")) {
        assert.match(line, new RegExp(` 0/0 .* isochron-${version.replaceAll(".", "\\.")}/`));
        assert.match(line, /^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x|lrwx\S{6}) /);
      }
    }
  });

  test("hold what runs and what an operator installs: no tests, sources, objects, tools, nor a path of where they were made", async () => {
    const files = await listFiles(top);
    const wanted = ["LICENSE", "README.md", "release.json", "primary/face/dev.isochron.Primary1.conf"];
    const alerts = "ansible/roles/common/files/isochron-alerts.yml";
    for (const file of [...wanted, alerts, "shared/dbus/dev.ovs.PortAgent1.service"])
      assert.ok(files.includes(file), file);
    const unwanted = files.filter(
      (file) =>
        /\.([cm]?ts|map|c|cc|cpp|h|o|a|gyp|mk|tsbuildinfo)$/.test(file) ||
        /^(test|dist\/test|node_modules\/(typescript|@biomejs|@types))\//.test(file),
    );
    assert.deepEqual(unwanted, []);
    const { stdout } = await execa("grep", ["-rlF", "-e", folder, "-e", PROJECT, top], { reject: false });
    assert.equal(stdout, "");
  });

  test("are not made from a tree that differs from its commit, unless that is asked for and told", async () => {
    const file = join(checkout, "new.txt");
    await writeFile(file, "not committed");
    try {
      const refused = await runBuilder(checkout);
      assert.equal(refused.exitCode, 1);
      assert.match(refused.stderr, /not what the commit says:\n\?\? new\.txt\nhint: commit or stash/);
      const out = join(folder, "dirty");
      const { stdout, stderr } = await runBuilder(checkout, "--dirty", "--without-runtime", "--out", out);
      assert.match(stdout, /isochron-\d+\.\d+\.\d+-dirty\.[0-9a-f]{9}-linux-/, stderr);
    } finally {
      await rm(file);
    }
  });
});

describe("an unpacked release", () => {
  test("records on a primary, pushes to a replica and answers there", async (t) => {
    if (!(await requirePart(t, ROOT)) || !(await requirePart(t, program("sshd", "openssh-server")))) return;
    const bins = { primaryBin: bin("primary"), replicaBin: bin("replica") };
    await withFleet({ volume: "512M", ...bins }, async (fleet) => {
      await ingest(fleet, someEvents(20, "cable"));
      await seal(fleet);
      await expectConverged(fleet);
      const found = JSON.parse(
        (await mustRun(fleet.replica, "search", "cable", "--limit", "1", "--json")).split("\n")[0] as string,
      );
      assert.match(JSON.stringify(found), /interface:eth/);
      const maps = await readFile(`/proc/${fleet.primary.daemon.pid}/maps`, "utf8");
      assert.ok(maps.includes(`${top}/node_modules/better-sqlite3/build/Release/better_sqlite3.node`));
      assert.ok(!maps.includes(PROJECT), "something of the checkout is loaded");
    });
  });

  test("says its version, also without a D-Bus, a configuration or a store", async () => {
    const { version } = JSON.parse(await readFile(join(top, "package.json"), "utf8")) as { version: string };
    for (const role of ["primary", "replica"] as const) {
      const { stdout, exitCode } = await runCli(role, ["--version"], { bin: bin(role) });
      assert.deepEqual([stdout, exitCode], [version, 0]);
    }
  });

  test("runs models once the runtime's tarball is unpacked over it, and says what is missing before", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const model = join(folder, "a-model");
    await mkdir(model);
    await makeModel(model);
    await withVolume(async (root) => {
      const run = (...args: string[]) => runCli("replica", [...args, "--root", root], { bin: bin("replica") });
      assert.equal((await run("init", "--name", "replica-1")).exitCode, 0);
      const init = ["init", "--root", join(root, "of-a-primary"), "--origin", "host1.test"];
      assert.equal((await runCli("primary", init, { bin: bin("primary") })).exitCode, 0);
      const added = await run("model", "add", model);
      assert.equal(added.exitCode, 0, added.stderr);
      const missing = await run("model", "test");
      assert.notEqual(missing.exitCode, 0);
      assert.match(`${missing.stdout}${missing.stderr}`, /the runtime of models is not installed in/);
      await unpack(first[1] as string);
      const tried = await run("model", "test");
      assert.equal(tried.exitCode, 0, tried.stderr);
      assert.match(tried.stdout, /^good /);
    });
  });

  test("tells a Node of another ABI, or one too old for it, which one it needs, instead of failing to load", async () => {
    const cases: [string, RegExp][] = [
      [
        OTHER_NODE,
        /^error: this release is for Node\.js \d+ \(ABI \d+\), and this is 24\.21\.0 \(ABI 137\)\nhint: run it with Node\.js \d+/,
      ],
      ["18.20.8", /^error: Node\.js 18\.20\.8 is too old: Isochron needs 20\.19 or later\nhint: install Node\.js \d+/],
    ];
    for (const [version, words] of cases) {
      const place = join(folder, `node-${version}`);
      await mkdir(place);
      const node = await installNode(place, version);
      for (const role of ["primary", "replica"] as const) {
        const { stderr, exitCode } = await execa(node, [bin(role), "verify", "--root", folder], { reject: false });
        assert.equal(exitCode, 1);
        assert.match(stderr, words);
      }
    }
  });
});

function bin(role: "primary" | "replica"): string {
  return join(top, "dist", role, "main.js");
}

/** The sources as they lie here, as the one commit of a new repository. */
async function commitSources(place: string): Promise<string> {
  const { stdout } = await execa("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: PROJECT,
  });
  for (const file of stdout.split("\0").filter((path) => path !== ""))
    await copyIfThere(join(PROJECT, file), join(place, file));
  const git = (...args: string[]) => execa("git", args, { cwd: place, env: COMMIT_ENV });
  await git("init", "--quiet");
  await git("add", "--all");
  await git("commit", "--quiet", "--no-gpg-sign", "--message", "all");
  return place;
}

/** Git lists what was removed and not committed yet. */
async function copyIfThere(from: string, to: string): Promise<void> {
  await cp(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

async function build(project: string, ...args: string[]): Promise<string[]> {
  const { stdout, stderr, exitCode } = await runBuilder(project, ...args);
  assert.equal(exitCode, 0, stderr);
  return stdout.split("\n").map((line) => line.slice(line.indexOf("/")));
}

function runBuilder(project: string, ...args: string[]) {
  return execa(process.execPath, [BUILDER, "--project", project, ...args], { stdin: "ignore", reject: false });
}

async function unpack(tarball: string): Promise<void> {
  await execa("tar", ["-xzf", tarball, "--no-same-owner", "-C", join(folder, "opt")]);
}

async function listFiles(place: string): Promise<string[]> {
  const entries = await readdir(place, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1));
}
