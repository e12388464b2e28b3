// The units of the roles, as Ansible makes them: what systemd says of them, and how exposed they leave what runs in them.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { renderUnits, type Units } from "../support/render-units.js";
import { missingPart, program } from "../support/require-part.js";
import { withFolder } from "../support/with-folder.js";

const BY_HAND = fileURLToPath(new URL("../../../shared/systemd/", import.meta.url));
/** In tenths, as systemd-analyze has them: root with a reason for each right, and nobody in particular. */
const MOST_EXPOSED = { privileged: 35, queries: 22 };
const PARTS = [program("ansible-playbook", "ansible"), program("systemd-analyze", "systemd")];

const HOW_TO_WRITE = "after a change of the templates: ISOCHRON_WRITE_UNITS=1 npm test -- ansible/units";

const missing = await missingPart(PARTS);

/** A host for each. */
const INVENTORIES = {
  plain: {},
  busy: {
    isochron_metrics_listen: "127.0.0.1:9469",
    isochron_primary_memory_max: "2G",
    isochron_replica_queries_memory_max: "1G",
    isochron_replica_options: { run_dir: "/run/isochron" },
  },
  odd: {
    isochron_replica_options: { run_dir: "/srv/sockets", metrics: { listen: "127.0.0.1:9469" } },
    isochron_replica_root: "/srv/data/isochron",
    isochron_replica_volume: "mounted",
    // As findmnt answers the role.
    isochron_volume_mounted: { stdout: "btrfs  rw,nosuid,nodev,noexec,compress=zstd:3 /srv/data" },
  },
};

describe("the units", { skip: missing ?? false }, () => {
  const rendered = new Map<string, Units>();
  const unit = (name: string, of: keyof typeof INVENTORIES = "plain") => rendered.get(of)?.[name] as string;

  before(async () => {
    const all = await renderUnits(Object.values(INVENTORIES));
    for (const [i, name] of Object.keys(INVENTORIES).entries()) rendered.set(name, all[i] as Units);
  });

  test("systemd knows every word in them, and a word that it does not know is found", async () => {
    for (const units of rendered.values()) {
      await withUnits(units, async (folder) => {
        assert.deepEqual(await verifyUnits(folder, Object.keys(units)), { exitCode: 0, all: "" });
      });
    }
    const name = "isochron-replica.service";
    await withUnits({ [name]: unit(name).replace("ProtectSystem=", "ProtectSysten=") }, async (folder) => {
      assert.match((await verifyUnits(folder, [name])).all, /ProtectSysten/);
    });
  });

  test("none is more exposed than it has to be", async () => {
    for (const units of rendered.values()) {
      await withUnits(units, async (folder) => {
        for (const name of Object.keys(units).filter((one) => one.endsWith(".service"))) {
          const most = name.includes("queries") ? MOST_EXPOSED.queries : MOST_EXPOSED.privileged;
          const args = ["security", "--no-pager", "--offline=true", `--threshold=${most}`, join(folder, name)];
          const { exitCode, all } = await execa("systemd-analyze", args, { reject: false, all: true, stdin: "ignore" });
          assert.equal(exitCode, 0, all);
        }
      });
    }
  });

  test("what can be written is the mount point, wherever below it the root lies", () => {
    assert.match(unit("isochron-replica.service"), /^ReadWritePaths=\/var\/lib\/isochron\/replica$/m);
    assert.match(unit("isochron-replica.service", "odd"), /^ReadWritePaths=\/srv\/data$/m);
    assert.match(unit("isochron-replica-queries.service", "odd"), /^ReadWritePaths=\/srv\/data\/isochron\/stores$/m);
  });

  test("a replica has no network, unless it serves metrics over it", () => {
    const name = "isochron-replica.service";
    assert.match(unit(name), /^PrivateNetwork=yes$/m);
    for (const listening of ["busy", "odd"] as const)
      assert.doesNotMatch(unit(name, listening), /PrivateNetwork|IPAddressDeny/);
  });

  test("sockets in a folder of their own can be written, and memory has a limit where one is asked for", () => {
    assert.match(unit("isochron-replica.service", "busy"), /^RuntimeDirectory=isochron$/m);
    assert.match(unit("isochron-replica-queries.socket", "busy"), /^ListenStream=\/run\/isochron\/query\.sock$/m);
    assert.match(unit("isochron-replica.service", "odd"), /^ReadWritePaths=\/srv\/sockets$/m);
    assert.match(unit("isochron-primary.service", "busy"), /^MemoryMax=2G$/m);
    assert.match(unit("isochron-replica-queries.service", "busy"), /^MemoryMax=1G$/m);
    assert.doesNotMatch(unit("isochron-replica.service", "busy"), /MemoryMax/);
  });

  test("those for installing by hand, in systemd/, are those that the roles install by default", async () => {
    const marked = Object.entries(rendered.get("plain") ?? {});
    const expected = Object.fromEntries(marked.map(([name, text]) => [name, text.slice(text.indexOf("\n") + 1)]));
    if (process.env.ISOCHRON_WRITE_UNITS === "1") {
      for (const [name, text] of Object.entries(expected)) await writeFile(join(BY_HAND, name), text);
    }
    const names = await readdir(BY_HAND);
    const texts = await Promise.all(names.map((name) => readFile(join(BY_HAND, name), "utf8")));
    assert.deepEqual(Object.fromEntries(names.map((name, i) => [name, texts[i]])), expected, HOW_TO_WRITE);
  });
});

/** What they run is not installed on this machine: a program that is stands in for it. */
async function withUnits<T>(units: Units, body: (folder: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    await mkdir(join(folder, "units"));
    for (const [name, text] of Object.entries(units)) {
      await writeFile(join(folder, "units", name), text.replace(/^ExecStart=\S+/m, "ExecStart=/bin/true"));
    }
    return body(join(folder, "units"));
  });
}

async function verifyUnits(folder: string, names: string[]): Promise<{ exitCode: number | undefined; all: string }> {
  const args = ["verify", "--man=no", ...names.map((name) => join(folder, name))];
  const env = { SYSTEMD_UNIT_PATH: `${folder}:` };
  const { exitCode, all } = await execa("systemd-analyze", args, { env, reject: false, all: true, stdin: "ignore" });
  return { exitCode, all };
}
