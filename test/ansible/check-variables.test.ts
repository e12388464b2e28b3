// Every variable of the roles: described, in the defaults, and refused at the first task when its value cannot be right, in words that
// name it. One run: each bad value is a host of its own, and no host is ever connected to.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import { program, requirePart } from "../support/require-part.js";
import { withFolder } from "../support/with-folder.js";

interface Option {
  type: string;
  description: string;
  choices?: string[];
}

const ANSIBLE = fileURLToPath(new URL("../../../ansible/", import.meta.url));
const ROLES = ["common", "primary", "replica"] as const;
/** Variables of `common` that have no default: an inventory must say them. */
const REQUIRED = {
  isochron_version: "0.1.0",
  isochron_release: "/srv/isochron-0.1.0-linux-x64.tar.gz",
  isochron_release_sha256: "a".repeat(64),
};

/** What cannot be right, and what the answer must say beside the variable's name. */
const BAD: Record<string, [value: unknown, says: RegExp, more?: Record<string, unknown>][]> = {
  isochron_version: [["latest", /write it like 0\.1\.0/]],
  isochron_release: [["isochron.tar.gz", /absolute path or an https address/]],
  isochron_release_sha256: [["abc", /64 hexadecimal digits/]],
  isochron_prefix: [
    ["opt", /absolute path below a top folder/],
    ["/opt", /absolute path below a top folder/],
  ],
  isochron_keep_releases: [
    [0, /number from 1/],
    ["two", /int/],
  ],
  isochron_node: [["nvm", /one of: distribution, archive, path/]],
  isochron_node_archive: [
    [
      "node.tar.gz",
      /path or address of a \.tar\.gz/,
      { isochron_node: "archive", isochron_node_sha256: "b".repeat(64) },
    ],
  ],
  isochron_node_sha256: [
    ["b", /64 hexadecimal digits/, { isochron_node: "archive", isochron_node_archive: "/srv/node.tar.gz" }],
  ],
  isochron_node_path: [["node", /absolute path to the program node/, { isochron_node: "path" }]],
  isochron_log_level: [["verbose", /one of: debug, info, warn, error/]],
  isochron_metrics_listen: [["9469", /host:port/]],
  isochron_alert_rules_folder: [["rules", /absolute path/]],
  isochron_runtime: [["runtime.zip", /absolute path or an https address/]],
  isochron_runtime_sha256: [["d", /64 hexadecimal digits/, { isochron_runtime: "/srv/runtime.tar.gz" }]],
  isochron_models: [
    [[{ source: "/srv/model.zip" }], /missing required arguments: sha256/],
    [[{ source: "/srv/model.zip", sha256: "c" }], /64 hexadecimal digits/],
  ],
  isochron_wait_seconds: [[1, /number from 10/]],
  isochron_upgrade_unwell: [["perhaps", /bool/]],
  isochron_primary_origin: [["https://host1", /write it like host1\.example\.org/]],
  isochron_primary_root: [["primary", /absolute path below a top folder/]],
  isochron_primary_volume: [["zfs", /one of: loop, device, mounted/]],
  isochron_primary_volume_size: [
    ["4 GB", /512M, 4G or 1T/],
    ["255M", /256M at least/],
  ],
  isochron_primary_volume_device: [["sdb", /path below \/dev/, { isochron_primary_volume: "device" }]],
  isochron_primary_replicas: [[["nobody"], /group isochron_replicas/]],
  isochron_primary_options: [
    [{ root: "/srv" }, /isochron_primary_root/],
    ["fast", /dict/],
  ],
  isochron_primary_memory_max: [["2 GB", /512M or 2G/]],
  isochron_primary_queries_memory_max: [["much", /512M or 2G/]],
  isochron_replica_name: [["two words", /like a host name/]],
  isochron_replica_root: [["/", /absolute path below a top folder/]],
  isochron_replica_volume: [["lvm", /one of: loop, device, mounted/]],
  isochron_replica_volume_size: [
    ["8", /512M, 8G or 1T/],
    ["64M", /256M at least/],
  ],
  isochron_replica_volume_device: [["", /path below \/dev/, { isochron_replica_volume: "device" }]],
  isochron_replica_primaries: [[["nobody"], /group isochron_primaries/]],
  isochron_replica_user: [["root", /never root/]],
  isochron_replica_address: [["a host", /host name or an address/]],
  isochron_replica_port: [
    [70000, /1 to 65535/],
    ["ssh", /int/],
  ],
  isochron_replica_host_key_file: [["/etc/ssh/ssh_host_ed25519_key", /public key, \*\.pub/]],
  isochron_replica_memory_max: [["-1", /512M or 2G/]],
  isochron_replica_queries_memory_max: [["0G", /512M or 2G/]],
  isochron_replica_options: [[{ trust: [] }, /isochron_replica_primaries/]],
};

describe("variables of the roles", () => {
  test("each is described, has a type, and stands in the defaults unless it is required", async () => {
    for (const role of ROLES) {
      const options = await optionsOf(role);
      const defaults = (await readYaml(role, "defaults/main.yml")) as Record<string, unknown>;
      const known = Object.keys(options).filter((name) => !(name in REQUIRED));
      assert.deepEqual(Object.keys(defaults).sort(), known.sort(), role);
      for (const [name, { type, description }] of Object.entries(options)) {
        assert.ok(type && description.length > 10, name);
      }
    }
  });

  test("a bad value is tried of each", async () => {
    const all = (await Promise.all(ROLES.map(optionsOf))).flatMap((options) => Object.keys(options));
    assert.deepEqual(Object.keys(BAD).sort(), all.sort());
  });

  test("each bad value ends the run of its host at the first task, in words that name the variable", async (t) => {
    if (!(await requirePart(t, program("ansible-playbook", "ansible")))) return;
    await withFolder(async (folder) => {
      const cases = Object.entries(BAD).flatMap(([name, values]) => values.map((one) => [name, ...one] as const));
      const results = await runWithBadValues(
        folder,
        cases.map(([name, value, , more]) => ({ [name]: value, ...more })),
      );
      for (const [i, [name, value, says]] of cases.entries()) {
        const said = results.get(`host${i}`) ?? "it was not refused";
        assert.match(said, says, `${name}: ${JSON.stringify(value)}`);
        assert.match(said, new RegExp(name), JSON.stringify(value));
      }
      assert.equal(results.get("good"), undefined);
    });
  });

  test("the example inventory names real groups and variables", async () => {
    const all = (await Promise.all(ROLES.map(optionsOf))).flatMap((options) => Object.keys(options));
    for (const group of ["all", "isochron_primaries", "isochron_replicas"]) {
      const file = join(ANSIBLE, "inventory/example/group_vars", `${group}.yml`);
      const names = Object.keys(parse(await readFile(file, "utf8")) as object);
      assert.deepEqual(
        names.filter((name) => name.startsWith("isochron_") && !all.includes(name)),
        [],
        group,
      );
    }
  });
});

async function optionsOf(role: (typeof ROLES)[number]): Promise<Record<string, Option>> {
  const specs = (await readYaml(role, "meta/argument_specs.yml")) as {
    argument_specs: { main: { options: Record<string, Option> } };
  };
  return specs.argument_specs.main.options;
}

async function readYaml(role: string, path: string): Promise<unknown> {
  return parse(await readFile(join(ANSIBLE, "roles", role, path), "utf8"), { merge: true });
}

/** What each host's first failure says, by host. Beside the bad ones there is a host that has nothing wrong. */
async function runWithBadValues(folder: string, variables: Record<string, unknown>[]): Promise<Map<string, string>> {
  const hosts = Object.fromEntries(variables.map((one, i) => [`host${i}`, one]));
  const both = { hosts: { ...hosts, good: {} } };
  const inventory = { all: { vars: REQUIRED, children: { isochron_primaries: both, isochron_replicas: both } } };
  await writeFile(join(folder, "hosts.yml"), stringify(inventory));
  await writeFile(join(folder, "check.yml"), await firstPlay());
  const env = {
    ANSIBLE_STDOUT_CALLBACK: "json",
    ANSIBLE_LOCAL_TEMP: folder,
    ANSIBLE_ROLES_PATH: join(ANSIBLE, "roles"),
    ANSIBLE_FORKS: "2",
  };
  const { stdout } = await execa("ansible-playbook", ["-i", join(folder, "hosts.yml"), join(folder, "check.yml")], {
    cwd: folder,
    env,
    reject: false,
    stdin: "ignore",
  });
  return readFailures(JSON.parse(stdout.slice(stdout.indexOf("{"))) as JsonReport);
}

/** site.yml without what comes after its first play, so that a host with nothing wrong is not connected to. */
async function firstPlay(): Promise<string> {
  const [play] = parse(await readFile(join(ANSIBLE, "site.yml"), "utf8")) as unknown[];
  return stringify([play]);
}

interface JsonReport {
  plays: {
    tasks: {
      hosts: Record<
        string,
        { failed?: boolean; msg?: string; argument_errors?: string[]; results?: { failed?: boolean; msg?: string }[] }
      >;
    }[];
  }[];
}

function readFailures({ plays }: JsonReport): Map<string, string> {
  const said = new Map<string, string>();
  for (const { hosts } of plays.flatMap(({ tasks }) => tasks)) {
    for (const [host, { failed, msg, argument_errors: errors, results }] of Object.entries(hosts)) {
      if (!failed || said.has(host)) continue;
      const items = (results ?? []).filter((item) => item.failed).map((item) => item.msg);
      said.set(host, [msg, ...(errors ?? []), ...items].join("\n"));
    }
  }
  return said;
}
