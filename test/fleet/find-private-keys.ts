// Where private halves of keys lie: read once on the host that made them, then looked for everywhere else.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import type { NspawnHost } from "./nspawn-host.js";
import type { HostFleet } from "./start-hosts.js";
import { pathInZone } from "./start-zone.js";

export interface PrivateKey {
  host: string;
  path: string;
  /** Lines of the key that hold its private half. */
  secrets: string[];
}

const OF_PRIMARY = ["signing-key.pem", "transport-key"];
const OF_REPLICA = ["cosign-key.pem"];
/** Made by sshd's own program, outside all volumes. */
const OF_SSHD = "/etc/ssh/ssh_host_ed25519_key";
const VOLUMES = "/var/lib/isochron";

export async function readPrivateKeys({ primaries, replicas }: HostFleet): Promise<PrivateKey[]> {
  const of = (hosts: readonly NspawnHost[], root: string, names: readonly string[]) =>
    hosts.flatMap((host) => names.map((name) => readKey(host, `/var/lib/isochron/${root}/keys/${name}`)));
  return Promise.all([...of(primaries, "primary", OF_PRIMARY), ...of(replicas, "replica", OF_REPLICA)]);
}

/** The second half: in OpenSSH's form the public key comes first. A last line may be too short to mean anything. */
async function readKey(host: NspawnHost, path: string): Promise<PrivateKey> {
  const lines = (await host.must("cat", path)).split("\n").filter((line) => line !== "" && !line.startsWith("-----"));
  const secrets = lines.slice(Math.floor(lines.length / 2)).filter((line) => line.length >= 32);
  assert.ok(secrets.length > 0, `${path} on ${host.name} holds no key`);
  return { host: host.name, path, secrets };
}

/**
 * Looks through all files of the other hosts and of the machine that Ansible ran on. Volumes are looked through on their hosts: on
 * their disks, which are looked through for what was deleted there, btrfs has one key in six compressed.
 */
export async function expectNoKeyElsewhere(
  fleet: HostFleet,
  keys: readonly PrivateKey[],
  folder: string,
): Promise<void> {
  for (const host of fleet.hosts) {
    const others = keys.filter((key) => key.host !== host.name).flatMap(({ secrets }) => secrets);
    for (const place of [
      [host.name, "upper"],
      ["disks", host.name],
    ])
      assert.deepEqual(await findIn(fleet, pathInZone(fleet.zone, ...place), others, folder), [], host.name);
    assert.deepEqual(await findOn(host, VOLUMES, others), [], `volumes of ${host.name}`);
  }
  const all = keys.flatMap(({ secrets }) => secrets);
  assert.deepEqual(await findIn(fleet, fleet.controller.folder, all, folder), [], "where Ansible ran");
  assert.deepEqual(
    await findIn(fleet, `${process.env.HOME ?? "/root"}/.ansible`, all, folder),
    [],
    "what Ansible keeps",
  );
  // Both ways of searching must find what is there.
  for (const host of fleet.hosts) {
    for (const { path, secrets } of keys.filter((key) => key.host === host.name)) {
      assert.deepEqual(await findOn(host, VOLUMES, secrets), [path], `the search on ${host.name}`);
    }
    const { secrets } = await readKey(host, OF_SSHD);
    const home = pathInZone(fleet.zone, host.name, "upper");
    assert.deepEqual(await findIn(fleet, home, secrets, folder), [`${home}${OF_SSHD}`], "the search");
  }
}

/** Paths of the files below `place`, as the host itself sees them. A file that is a volume is a disk, and not looked at here. */
async function findOn(host: NspawnHost, place: string, secrets: readonly string[]): Promise<string[]> {
  const patterns = secrets.flatMap((secret) => ["-e", secret]);
  const options = ["-rlaF", "--devices=skip", "--exclude=*.btrfs"];
  const { exitCode, stdout, stderr } = await host.run("grep", ...options, ...patterns, place);
  // 2: a generation that was replaced meanwhile.
  assert.ok([0, 1, 2].includes(exitCode ?? -1), stderr);
  return stdout.split("\n").filter((path) => path !== "");
}

async function findIn(
  { zone }: HostFleet,
  place: string,
  secrets: readonly string[],
  folder: string,
): Promise<string[]> {
  const patterns = join(folder, "patterns");
  await writeFile(patterns, `${secrets.join("\n")}\n`, { mode: 0o600 });
  const [program = "", ...args] = [...zone.inside, "grep", "-rlaF", "--devices=skip", "-f", patterns, place];
  // A host without a disk of its own has no such file.
  const { stdout } = await execa(program, args, { reject: false, stdin: "ignore", env: { LC_ALL: "C" } });
  return stdout.split("\n").filter((path) => path !== "" && path !== patterns);
}
