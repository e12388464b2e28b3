// The fleet rollout on real hosts, step after step: each step finds the fleet as the one before left it, and ends with all stores
// verified on both sides. One that fails says so and the next ones go on with what is there.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { NSPAWN_PARTS } from "../support/nspawn.js";
import { missingPart, program } from "../support/require-part.js";
import { eventsOf, expectConverged, heldStores, primaryStatus, until } from "./ask-fleet.js";
import { expectNoKeyElsewhere, readPrivateKeys } from "./find-private-keys.js";
import { expectNoEventLost, startLoad } from "./load-primary.js";
import { packRelease } from "./pack-release.js";
import { changesOf, mustPlay, type PlayResult, runPlaybook } from "./run-playbook.js";
import { type HostFleet, startHosts, variablesOf } from "./start-hosts.js";
import { tryStolenKey } from "./steal-transport-key.js";

const PARTS = [
  ...NSPAWN_PARTS,
  program("ansible-playbook", "ansible"),
  program("debootstrap", "debootstrap"),
  program("dpkg-scanpackages", "dpkg-dev"),
  program("ip", "iproute2"),
];
const SUITE = process.env.ISOCHRON_TEST_SUITE === "trixie" ? "trixie" : "bookworm";

const missing = await missingPart(PARTS);

describe(`a fleet of Debian ${SUITE} hosts`, { concurrency: 1, skip: missing ?? false }, () => {
  let folder: string;
  let fleet: HostFleet;
  const say = (line: string) => process.stdout.write(`  ${line}\n`);
  const play = (name: string, ...args: string[]) => mustPlay(fleet.controller, name, ...args);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "isochron-fleet-"));
    fleet = await startHosts({ folder, suite: SUITE, say });
  });

  after(async () => {
    await fleet?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("a check on bare hosts says what would be done, and does nothing", async () => {
    const disk = () =>
      Promise.all(fleet.hosts.map((host) => host.must("find", "/etc", "/opt", "/usr", "/var/lib", "-xdev")));
    const before = await disk();
    const { recap } = await play("site.yml", "--check", "--diff");
    for (const { name } of fleet.hosts) assert.ok((recap[name]?.changed ?? 0) > 10, name);
    assert.deepEqual(await disk(), before);
  });

  test("site.yml ends when every replica has verified a generation of every primary", async () => {
    await play("site.yml");
    for (const replica of fleet.replicas) {
      const origins = (await heldStores(replica)).map(({ origin }) => origin).sort();
      assert.deepEqual(origins, ["primary1/isochron", "primary2/isochron"]);
    }
    await expectConverged(fleet);
  });

  test("a second run changes nothing, and a check finds nothing to change", async () => {
    assert.equal(changesOf(await play("site.yml")), 0);
    assert.equal(changesOf(await play("site.yml", "--check", "--diff")), 0);
    await expectConverged(fleet);
  });

  test("private keys are on the host that made them, and nowhere else", async () => {
    const keys = await readPrivateKeys(fleet);
    assert.equal(keys.length, 2 * fleet.primaries.length + fleet.replicas.length);
    await expectNoKeyElsewhere(fleet, keys, folder);
  });

  test("what happens on a primary is seen on every replica", async () => {
    const [primary] = fleet.primaries;
    assert.ok(primary);
    const unit = "[Service]\nExecStart=/bin/sleep infinity\n";
    await primary.must("sh", "-c", `printf '${unit}' >/etc/systemd/system/demo.service && systemctl daemon-reload`);
    await primary.must("systemctl", "start", "demo.service");
    await primary.must("systemctl", "restart", "demo.service");
    await primary.must("apt-get", "-q", "-y", "--no-install-recommends", "install", "sl", "openvswitch-switch");
    await primary.must("systemctl", "start", "ovsdb-server.service");
    // A bridge that was there before the source was is observed, not created.
    await until(
      () => primaryStatus(primary),
      ({ sources }) => sources.ovsdb.watching,
      "nobody watches Open vSwitch",
    );
    await primary.must("ovs-vsctl", "--no-wait", "add-br", "br-fleet");
    const wanted = {
      "unit:demo.service": "stopped",
      "package:sl:amd64": "installed",
      "ovs-bridge:br-fleet": "created",
    };
    for (const replica of fleet.replicas) {
      for (const [element, action] of Object.entries(wanted)) {
        const seen = (events: { action: string }[]) => events.some((event) => event.action === action);
        await until(() => eventsOf(replica, primary, element), seen, `${replica.name} knows nothing of ${element}`);
      }
    }
    await expectConverged(fleet);
  });

  test("status.yml shows the fleet, and fails while a replica is unplugged; plugged in again it catches up", async () => {
    const rows = (await play("status.yml")).output.match(/(primary|link|replica) +[0-9.]* *ok /g) ?? [];
    assert.equal(rows.length, 2 + 2 * 3 + 3 * 2);
    const [, replica] = fleet.replicas;
    assert.ok(replica);
    await replica.unplug();
    for (const primary of fleet.primaries) {
      await until(
        () => healthOf(primary, replica.name),
        (health) => health !== "healthy",
        "nobody misses the replica",
      );
    }
    const ill = await runPlaybook(fleet.controller, "status.yml");
    assert.equal(ill.exitCode !== 0, true, ill.output);
    assert.match(ill.output, /replica2 +replica +\S+ +STALE .*it does not answer/);
    await replica.plug();
    await expectConverged(fleet);
  });

  test("a replica that was rebooted goes on where it was", async () => {
    const [replica] = fleet.replicas;
    assert.ok(replica);
    const before = await heldStores(replica);
    await replica.reboot();
    await until(
      () => heldStores(replica),
      (held) => held.length === before.length,
      "it holds other stores than before",
    );
    await expectConverged(fleet);
  });

  test("a replica that was wiped is set up again and gets everything; resync.yml sends it all once more", async () => {
    const replica = fleet.replicas[2];
    assert.ok(replica);
    await replica.powerOff();
    await replica.install();
    await replica.boot();
    await play("site.yml");
    await expectConverged(fleet);
    const asked = await play("resync.yml", "-e", "replica=replica3", "-e", "full=true", "--check");
    assert.match(asked.output, /replica3: would send all of generation/);
    const sent = await play("resync.yml", "-e", "replica=replica3", "-e", "full=true");
    assert.match(sent.output, /replica3: has generation \d+: full/);
    await expectConverged(fleet);
  });

  test("a version that does not start is taken back from the first host, and no other is touched", async () => {
    const sick = await packRelease(folder, "0.1.1", (top) =>
      writeFile(join(top, "dist/replica/main.js"), "process.exit(1);\n"),
    );
    const result = await withVersion("0.1.1", sick, () =>
      runPlaybook(fleet.controller, "upgrade.yml", "-e", "isochron_wait_seconds=10"),
    );
    assert.notEqual(result.exitCode, 0);
    assert.equal(result.recap.replica1?.rescued, 1, result.output.slice(-3000));
    assert.match(result.output, /replica1 was not well on 0\.1\.1 and is back on 0\.1\.0/);
    for (const host of fleet.hosts)
      assert.equal((await host.must("readlink", "/opt/isochron/current")).trim(), "0.1.0", host.name);
    await expectConverged(fleet);
  });

  test("an upgrade under load loses no acked event, and somebody answers all the time", async () => {
    const next = await packRelease(folder, "0.1.2");
    const load = await startLoad(fleet);
    const result = await withVersion("0.1.2", next, () => play("upgrade.yml"));
    const told = await load.stop();
    assert.equal(result.exitCode, 0);
    for (const host of fleet.hosts)
      assert.equal((await host.must("readlink", "/opt/isochron/current")).trim(), "0.1.2", host.name);
    assert.equal(
      told.timesWithoutAnswer,
      0,
      `${told.timesWithoutAnswer} of ${told.timesAsked} questions had no answer anywhere`,
    );
    await expectConverged(fleet);
    await expectNoEventLost(fleet, told);
  });

  test("a stolen transport key can push a store that the replica trusts, and nothing else", async () => {
    await tryStolenKey(fleet);
    await expectConverged(fleet);
  });

  test("rotate-keys.yml gives every primary a new key, and the old one is let in no longer", async () => {
    const keys = () =>
      Promise.all(fleet.primaries.map((host) => host.must("isochron-primary", "key", "--only", "ssh")));
    const before = await keys();
    await play("rotate-keys.yml");
    for (const [i, key] of (await keys()).entries()) assert.notEqual(key, before[i]);
    for (const replica of fleet.replicas) {
      const letIn = await replica.must("cat", "/etc/isochron/authorized_keys");
      for (const key of before) assert.equal(letIn.includes(key.split(" ")[1] as string), false, replica.name);
    }
    assert.equal(changesOf(await withVersion("0.1.2", undefined, () => play("site.yml"))), 0);
    await expectConverged(fleet);
  });

  test("remove.yml takes nothing that was not named, and data only when it is told to", async () => {
    const guessed = await runPlaybook(fleet.controller, "remove.yml");
    assert.notEqual(guessed.exitCode, 0);
    assert.match(guessed.output, /name the hosts with -e remove=/);
    await play("remove.yml", "-e", "remove=replica2,replica3");
    const [, kept, wiped] = fleet.replicas;
    assert.ok(kept && wiped);
    await play("remove.yml", "-e", "remove=replica3", "-e", "remove_data=true");
    for (const host of [kept, wiped])
      assert.notEqual((await host.run("test", "-e", "/opt/isochron")).exitCode, 0, host.name);
    assert.equal((await kept.run("test", "-e", "/var/lib/isochron/replica/replica.json")).exitCode, 0);
    assert.notEqual((await wiped.run("test", "-e", "/var/lib/isochron/replica.btrfs")).exitCode, 0);
    await expectConverged({ primaries: fleet.primaries, replicas: fleet.replicas.slice(0, 1) });
  });

  /** The inventory says from now on that this version is wanted, if the run goes well. */
  async function withVersion(
    version: string,
    archive: { path: string; sha256: string } | undefined,
    run: () => Promise<PlayResult>,
  ): Promise<PlayResult> {
    if (!archive) return run();
    const before = fleet.controller.variables;
    fleet.controller.variables = { ...before, ...variablesOf(version, archive) };
    const result = await run();
    if (result.exitCode !== 0) fleet.controller.variables = before;
    return result;
  }
});

async function healthOf(primary: HostFleet["hosts"][number], replica: string): Promise<string | undefined> {
  return (await primaryStatus(primary)).replicas.find(({ name }) => name === replica)?.health;
}
