// What somebody can do who has a primary's transport key and nothing else: each thing that a login could be good for is tried with the
// real ssh, from another machine of the network.
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { heldStores, type primaryStatus, until } from "./ask-fleet.js";
import type { NspawnHost } from "./nspawn-host.js";
import type { HostFleet } from "./start-hosts.js";

const ROGUE = "/root/rogue";

export async function tryStolenKey(fleet: HostFleet): Promise<void> {
  const [primary] = fleet.primaries;
  const [replica] = fleet.replicas;
  assert.ok(primary && replica);
  const key = join(fleet.controller.folder, "stolen-key");
  await writeFile(key, `${await primary.must("cat", "/var/lib/isochron/primary/keys/transport-key")}\n`, {
    mode: 0o600,
  });
  try {
    const before = await heldStores(replica);
    await expectNoShell(fleet, replica, key);
    await expectNoForwarding(fleet, replica, key);
    await expectNoEvents(fleet, replica, key);
    await expectNoOtherLogin(fleet, replica, key);
    assert.deepEqual(await stores(replica), before.map(({ store }) => store).sort());
  } finally {
    await rm(key);
  }
  await expectForeignStoreRefused(primary, replica);
}

async function expectNoShell(fleet: HostFleet, replica: NspawnHost, key: string): Promise<void> {
  const marks = [
    "id",
    "touch /tmp/broken-in",
    "sh -c 'touch /tmp/broken-in'",
    "isochron-replica trust; touch /tmp/broken-in",
  ];
  for (const command of marks) {
    const { stdout } = await ssh(fleet, replica, key, ["-tt", "isochron@HOST", command]);
    assert.doesNotMatch(stdout, /uid=/);
  }
  await ssh(fleet, replica, key, ["-s", "isochron@HOST", "sftp"]);
  assert.notEqual((await replica.run("test", "-e", "/tmp/broken-in")).exitCode, 0, "a command of ours ran");
}

/** A forwarding that sshd grants would connect to its own sshd, and read its greeting. */
async function expectNoForwarding(fleet: HostFleet, replica: NspawnHost, key: string): Promise<void> {
  const through = await ssh(fleet, replica, key, ["-W", "127.0.0.1:22", "isochron@HOST"]);
  assert.doesNotMatch(through.stdout, /SSH-2\.0/);
  assert.match(through.stderr, /administratively prohibited|forwarding/i);
  const back = await ssh(fleet, replica, key, [
    "-o",
    "ExitOnForwardFailure=yes",
    "-N",
    "-R",
    "0:127.0.0.1:22",
    "isochron@HOST",
  ]);
  assert.notEqual(back.exitCode, 0);
}

/** The pipe leads to the agent, which has no way to read an event. It does say what it holds. */
async function expectNoEvents(fleet: HostFleet, replica: NspawnHost, key: string): Promise<void> {
  for (const path of ["/v1/timeline", "/v1/stores", "/v1/search?q=installed", "/metrics", "/../etc/shadow"]) {
    const { stdout } = await ssh(
      fleet,
      replica,
      key,
      ["isochron@HOST"],
      `GET ${path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n`,
    );
    assert.match(stdout, /^HTTP\/1\.1 4\d\d /, path);
    assert.doesNotMatch(stdout, /element_id|state_snapshot/, path);
  }
  const { stdout } = await ssh(
    fleet,
    replica,
    key,
    ["isochron@HOST"],
    "GET /v1/status HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n",
  );
  assert.match(stdout, /^HTTP\/1\.1 200 /);
}

async function expectNoOtherLogin(fleet: HostFleet, replica: NspawnHost, key: string): Promise<void> {
  const { exitCode, stderr } = await ssh(fleet, replica, key, ["root@HOST", "true"]);
  assert.notEqual(exitCode, 0);
  assert.match(stderr, /Permission denied/);
}

/** A primary of the thief's own, with the stolen key: the replica lets it in, and takes nothing that no trusted key has signed. */
async function expectForeignStoreRefused(primary: NspawnHost, replica: NspawnHost): Promise<void> {
  const before = await stores(replica);
  await primary.must("isochron-primary", "init", "--root", ROGUE, "--loop", "256M", "--origin", "rogue/isochron");
  for (const name of ["transport-key", "transport-key.pub"]) {
    await primary.must("cp", "--preserve", `/var/lib/isochron/primary/keys/${name}`, `${ROGUE}/keys/${name}`);
  }
  const config = (await primary.must("cat", "/etc/isochron/primary.yaml")).replace(/^root: .*$/m, `root: ${ROGUE}`);
  await primary.must("sh", "-c", `printf '%s\\ndbus: {enabled: false}\\n' "$1" >/root/rogue.yaml`, "sh", config);
  const run = ["systemd-run", "--quiet", "--unit=rogue", "isochron-primary", "serve", "--config", "/root/rogue.yaml"];
  await primary.must(...run);
  try {
    const link = async () => {
      const answer = JSON.parse(
        await primary.must("isochron-primary", "status", "--config", "/root/rogue.yaml", "--json"),
      );
      return (answer as Awaited<ReturnType<typeof primaryStatus>>).replicas.find(({ name }) => name === replica.name);
    };
    const told = await until(link, (one) => one?.health === "foreign", "the rogue primary was not refused");
    assert.match(`${told?.code} ${told?.reason}`, /untrusted-origin|trust/);
  } finally {
    await primary.must("systemctl", "stop", "rogue.service");
    await primary.must("umount", ROGUE);
    await primary.must("rm", "-r", ROGUE, `${ROGUE}.btrfs`, "/root/rogue.yaml");
  }
  assert.deepEqual(await stores(replica), before);
}

async function stores(replica: NspawnHost): Promise<string[]> {
  return (await heldStores(replica)).map(({ store }) => store).sort();
}

async function ssh(
  { zone, controller }: HostFleet,
  { address, hostKey }: NspawnHost,
  key: string,
  args: string[],
  input?: string,
) {
  const known = join(controller.folder, "known_hosts");
  assert.ok((await readFile(known, "utf8")).includes(hostKey as string));
  const options = [
    "-F",
    "none",
    "-i",
    key,
    "-o",
    "IdentitiesOnly=yes",
    "-o",
    "BatchMode=yes",
    "-o",
    `UserKnownHostsFile=${known}`,
  ];
  const words = [...zone.onNetwork, "ssh", ...options, ...args.map((arg) => arg.replace("HOST", address))];
  const [program = "", ...rest] = words;
  const { exitCode, stdout, stderr } = await execa(program, rest, {
    reject: false,
    input: input ?? "",
    timeout: 60_000,
  });
  return { exitCode, stdout, stderr };
}
