// The fleet rollout on real hosts, step after step: each step finds the fleet as the one before left it, and ends with all stores
// verified on both sides. One that fails says so and the next ones go on with what is there.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { NSPAWN_PARTS } from "../support/nspawn.js";
import { missingPart, program } from "../support/require-part.js";
import { expectFoundByMeaning } from "./ask-by-meaning.js";
import { expectConverged, heldStores, primaryStatus, until } from "./ask-fleet.js";
import { tryQueryUser } from "./break-into-queries.js";
import { expectNothingLeft } from "./find-leftovers.js";
import { expectNoKeyElsewhere, readPrivateKeys } from "./find-private-keys.js";
import { expectNoEventLost, startLoad } from "./load-primary.js";
import { changeThings, expectKnown } from "./make-changes.js";
import type { NspawnHost } from "./nspawn-host.js";
import { laterVersion, type Release, renameRelease } from "./pack-release.js";
import { finishRotation, signingKeys, startRotation } from "./rotate-by-hand.js";
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
const SIZE = readSize(process.env.ISOCHRON_TEST_FLEET ?? "2+3");

/** For what has been shown on all of them: a host of each kind costs less than half of five. */
const ONE_OF_EACH = ["--limit", "isochron_primaries[0],isochron_replicas[0]"];

const missing = await missingPart(PARTS);

describe(`a fleet of Debian ${SUITE} hosts`, { concurrency: 1, skip: missing ?? false }, () => {
  let folder: string;
  let fleet: HostFleet;
  let since: number;
  const say = (line: string) => process.stdout.write(`  ${line}\n`);
  const play = (name: string, ...args: string[]) => mustPlay(fleet.controller, name, ...args);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "isochron-fleet-"));
    fleet = await startHosts({ folder, suite: SUITE, size: SIZE, say });
  });

  beforeEach(() => {
    since = performance.now();
  });

  afterEach((t) => say(`${Math.round((performance.now() - since) / 1000)} s: ${t.name}`));

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
      assert.deepEqual(
        origins,
        fleet.primaries.map(({ name }) => `${name}/isochron`),
      );
    }
    await expectConverged(fleet);
  });

  test("a second run changes nothing, and a check finds nothing to change", async () => {
    assert.equal(changesOf(await play("site.yml")), 0);
    assert.equal(changesOf(await play("site.yml", "--check", "--diff", ...ONE_OF_EACH)), 0);
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
    const changes = await changeThings(primary);
    for (const replica of fleet.replicas) await expectKnown(replica, primary, changes);
    await expectConverged(fleet);
  });

  test("a question in other words is answered where the roles have brought the model and its runtime", async () => {
    const [primary] = fleet.primaries;
    assert.ok(primary);
    await expectFoundByMeaning(primary, fleet.replicas);
    await expectConverged(fleet);
  });

  test("status.yml shows the fleet, and fails while a replica is unplugged; plugged in again it catches up", async () => {
    const rows = (await play("status.yml")).output.match(/(primary|link|replica) +[0-9.]* *ok /g) ?? [];
    assert.equal(rows.length, SIZE.primaries + 2 * SIZE.primaries * SIZE.replicas);
    const replica = fleet.replicas[1] ?? firstReplica();
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
    assert.match(ill.output, new RegExp(`${replica.name} +replica +\\S+ +STALE .*it does not answer`));
    await replica.plug();
    await expectConverged(fleet);
  });

  test("a replica that was rebooted goes on where it was", async () => {
    const replica = firstReplica();
    const before = await heldStores(replica);
    await replica.reboot();
    await until(
      () => heldStores(replica),
      (held) => held.length === before.length,
      "it holds other stores than before",
    );
    await expectConverged(fleet);
  });

  test("a replica that was wiped is set up again and gets everything", async () => {
    const replica = lastReplica();
    await replica.powerOff();
    await replica.install();
    await replica.boot();
    assert.equal((await replica.run("isochron-replica", "--version")).exitCode === 0, false);
    await play("site.yml", "--limit", `isochron_primaries,${replica.name}`);
    await expectConverged(fleet);
  });

  test("resync.yml sends a replica what it lacks, or all of it, and says before what it would do", async () => {
    const { name } = lastReplica();
    const resync = async (...args: string[]) => (await play("resync.yml", "-e", `replica=${name}`, ...args)).output;
    assert.match(await resync("--check"), new RegExp(`${name}: would send `));
    assert.match(await resync(), new RegExp(`${name}: (has generation|asked for nothing)`));
    assert.match(await resync("-e", "full=true", "--check"), new RegExp(`${name}: would send all of generation`));
    assert.match(await resync("-e", "full=true"), new RegExp(`${name}: has generation \\d+: full`));
    await expectConverged(fleet);
  });

  test("a version that does not start is taken back from the first host, and no other is touched", async () => {
    const sick = await renameRelease(fleet.release, laterVersion(fleet.release.version, 1), (top) =>
      writeFile(join(top, "dist/replica/main.js"), "process.exit(1);\n"),
    );
    const result = await withRelease(sick, () =>
      runPlaybook(fleet.controller, "upgrade.yml", "-e", "isochron_wait_seconds=60"),
    );
    assert.notEqual(result.exitCode, 0);
    assert.equal(result.recap.replica1?.rescued, 1, result.output.slice(-3000));
    assert.ok(result.output.includes(`was not well on ${sick.version} and is back on ${fleet.release.version}`));
    await expectVersion(fleet.release);
    await expectConverged(fleet);
  });

  test("an upgrade under load loses no acked event, and somebody answers all the time", async () => {
    const next = await renameRelease(fleet.release, laterVersion(fleet.release.version, 2));
    const load = await startLoad(fleet);
    const result = await withRelease(next, () => runPlaybook(fleet.controller, "upgrade.yml"));
    const told = await load.stop();
    assert.equal(result.exitCode, 0, result.output.slice(-6000));
    await expectVersion(next);
    const unanswered = `${told.timesWithoutAnswer} of ${told.timesAsked} questions had no answer anywhere`;
    if (SIZE.replicas > 1) assert.equal(told.timesWithoutAnswer, 0, unanswered);
    say(`${told.acked.length} events were acked meanwhile, ${told.timesAsked} questions asked; ${unanswered}`);
    await expectConverged(fleet);
    await expectNoEventLost(fleet, told);
  });

  test("a stolen transport key can push a store that the replica trusts, and nothing else", async () => {
    await tryStolenKey(fleet);
    await expectConverged(fleet);
  });

  test("a query service that was broken into reads what it answers from, and can do nothing else", async () => {
    for (const primary of fleet.primaries) await tryQueryUser(primary, "primary");
    for (const replica of fleet.replicas) await tryQueryUser(replica, "replica");
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
    assert.equal(changesOf(await play("site.yml", ...ONE_OF_EACH)), 0);
    await expectConverged(fleet);
  });

  test("rotate-keys.yml gives every primary another signing key, and goes on with what a run that was cut has begun", async () => {
    const wrong = await runPlaybook(fleet.controller, "rotate-keys.yml", "-e", "what=singing");
    assert.notEqual(wrong.exitCode, 0);
    assert.match(wrong.output, /what is singing; it takes transport, signing, cosigning or all/);
    const before = await signingKeys(fleet);
    const [first, second] = fleet.primaries;
    assert.ok(first);
    const begun = [await startRotation(first)];
    if (second) begun.push(await finishRotation(second, fleet.replicas));
    await play("rotate-keys.yml", "-e", "what=signing", "--check");
    assert.equal((await signingKeys(fleet))[0], before[0]);
    await play("rotate-keys.yml", "-e", "what=signing");
    const after = await signingKeys(fleet);
    assert.deepEqual(after.slice(0, begun.length), begun);
    for (const [i, key] of after.entries()) assert.notEqual(key, before[i]);
    for (const replica of fleet.replicas) {
      const lines = (await replica.must("isochron-replica", "trust")).trim().split("\n");
      assert.deepEqual(lines.sort(), [...after, ...before.map((key) => `# retired: ${key}`)].sort(), replica.name);
    }
    assert.equal(changesOf(await play("site.yml", ...ONE_OF_EACH)), 0);
    await expectConverged(fleet);
  });

  test("rotate-keys.yml gives every replica another cosigning key, and acks go on", async () => {
    const keys = () => Promise.all(fleet.replicas.map((host) => host.must("isochron-replica", "key")));
    const before = await keys();
    await play("rotate-keys.yml", "-e", "what=cosigning", "--check");
    assert.deepEqual(await keys(), before);
    await play("rotate-keys.yml", "-e", "what=cosigning");
    for (const [i, key] of (await keys()).entries()) assert.notEqual(key, before[i]);
    await expectConverged(fleet);
  });

  test("remove.yml takes nothing that was not named, and no data unless it is told to", async () => {
    const guessed = await runPlaybook(fleet.controller, "remove.yml");
    assert.notEqual(guessed.exitCode, 0);
    assert.match(guessed.output, /name the hosts with -e remove=/);
    const replica = lastReplica();
    await play("remove.yml", "-e", `remove=${replica.name}`);
    assert.notEqual((await replica.run("test", "-e", "/opt/isochron")).exitCode, 0);
    assert.equal((await replica.run("test", "-e", "/var/lib/isochron/replica/replica.json")).exitCode, 0);
    await expectConverged({ primaries: fleet.primaries, replicas: fleet.replicas.slice(0, -1) });
  });

  test("remove.yml leaves nothing behind where data is to go too", async () => {
    const all = fleet.hosts.map(({ name }) => name).join();
    await play("remove.yml", "-e", `remove=${all}`, "-e", "remove_data=true");
    for (const host of fleet.hosts) await expectNothingLeft(host);
  });

  function firstReplica(): NspawnHost {
    return fleet.replicas[0] as NspawnHost;
  }

  function lastReplica(): NspawnHost {
    return fleet.replicas.at(-1) as NspawnHost;
  }

  async function expectVersion({ version }: Release): Promise<void> {
    for (const host of fleet.hosts)
      assert.equal((await host.must("readlink", "/opt/isochron/current")).trim(), version, host.name);
  }

  /** The inventory says from now on that this release is wanted, if the run goes well. */
  async function withRelease(release: Release, run: () => Promise<PlayResult>): Promise<PlayResult> {
    const before = fleet.controller.variables;
    fleet.controller.variables = { ...before, ...variablesOf(release) };
    const result = await run();
    if (result.exitCode !== 0) fleet.controller.variables = before;
    return result;
  }
});

async function healthOf(primary: NspawnHost, replica: string): Promise<string | undefined> {
  return (await primaryStatus(primary)).replicas.find(({ name }) => name === replica)?.health;
}

/** `2+3` is two primaries and three replicas, the fleet that every step has something to show on. */
function readSize(text: string): { primaries: number; replicas: number } {
  const [, primaries, replicas] = /^([1-9])\+([1-9])$/.exec(text) ?? [];
  if (primaries && replicas) return { primaries: Number(primaries), replicas: Number(replicas) };
  throw new Error(`ISOCHRON_TEST_FLEET is ${text}; write it like 2+3, primaries and replicas`);
}
