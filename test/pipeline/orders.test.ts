// What operators order for one replica: pause, resume, drain, a resync that is waited for; with what each leaves behind.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { PushRecord } from "../../primary/push/link-status.js";
import { type BreakableBtrfs, makeBreakableBtrfs } from "../support/break-btrfs.js";
import {
  eventually,
  expectConverged,
  ingest,
  jsonLines,
  linkBecomes,
  mustRun,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  startWithEvents,
  storeOf,
} from "../support/drive-fleet.js";
import { RunningCommand } from "../support/running-command.js";
import { type Fleet, makeFleet, REPLICA_NAME } from "../support/start-fleet.js";

const OPTIONS = {
  volume: "512M",
  primary: {
    ...QUIET,
    push: { hello_seconds: 1, lag_seconds: 1 },
    sources: { replicas: { enabled: true, settle_seconds: 0 } },
  },
};

/** A command of the primary's, to be interrupted. */
const start = (fleet: Fleet, ...args: string[]) =>
  new RunningCommand("primary", [...args, "--config", fleet.primary.configPath]);

describe("orders to one replica", () => {
  let fleet: Fleet;
  let btrfs: BreakableBtrfs;
  before(async () => {
    fleet = await makeFleet(OPTIONS);
    btrfs = await makeBreakableBtrfs(fleet.folder);
    fleet.replica.daemon.env.PATH = btrfs.path;
    await startWithEvents(fleet);
  });
  after(() => fleet.stop());

  test("a pause that is only tried changes nothing; a pause holds it, over a restart of the primary too", async () => {
    assert.match(await mustRun(fleet.primary, "pause", REPLICA_NAME, "--dry-run"), /would be paused/);
    await linkBecomes(fleet, ({ health }) => health === "healthy");
    assert.match(await mustRun(fleet.primary, "pause", REPLICA_NAME, "--reason", "new disk"), /: paused$/m);
    await ingest(fleet, someEvents(3));
    const sealed = await seal(fleet);
    await fleet.primary.daemon.stop();
    await fleet.primary.daemon.start();
    const link = await linkBecomes(fleet, ({ health }) => health === "paused");
    assert.match(link.reason, /^new disk \(since /);
    assert.notEqual(link.generation, sealed);
    assert.match(await mustRun(fleet.primary, "status"), /paused.*new disk/);
    const refused = await fleet.primary.run("resync", REPLICA_NAME);
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stderr, /replica-1 is paused: new disk.*\n.*isochron-primary resume replica-1/);
  });

  test("resume lets it catch up, by an increment on the base that was kept for it", async () => {
    assert.match(await mustRun(fleet.primary, "resume", REPLICA_NAME, "--dry-run"), /would be resumed/);
    assert.equal((await primaryStatus(fleet)).replicas[0]?.health, "paused");
    assert.match(await mustRun(fleet.primary, "resume", REPLICA_NAME), /: resumed$/m);
    const { ledger } = await primaryStatus(fleet);
    const { last_push } = await linkBecomes(fleet, ({ generation }) => (generation ?? 0) >= ledger.generation);
    assert.equal(last_push?.kind, "increment");
    assert.match(await mustRun(fleet.primary, "resume", REPLICA_NAME), /was not paused/);
    await seal(fleet, { force: true });
    await expectConverged(fleet);
  });

  test("pause, and health again, stand in the ledger, and so on the replica", async () => {
    const actions = async () => {
      const { stdout } = await fleet.replica.run("chain", `replica:${REPLICA_NAME}`, "--json");
      return jsonLines<{ action?: string }>(stdout).flatMap(({ action }) => action ?? []);
    };
    await eventually(
      async () => {
        await fleet.primary.run("seal");
        const seen = await actions();
        return seen.includes("replica_paused") && seen.at(-1) === "replica_healthy";
      },
      () => "the replica's own history does not end healthy",
    );
  });

  test("a drain seals what waits, brings it over, and pauses; tried first, it says what is missing", async () => {
    await ingest(fleet, someEvents(4));
    assert.match(await mustRun(fleet.primary, "drain", REPLICA_NAME, "--dry-run"), /would get \d+ entries up to \d+/);
    const { ledger } = await primaryStatus(fleet);
    const answer = JSON.parse(await mustRun(fleet.primary, "drain", REPLICA_NAME, "--json"));
    assert.equal(answer.paused, true);
    assert.ok(answer.size >= ledger.size && answer.missing >= 4, JSON.stringify(answer));
    const [link] = (await primaryStatus(fleet)).replicas;
    assert.equal(link?.health, "paused");
    assert.match(link?.reason ?? "", /^drained/);
    assert.ok((link?.size ?? 0) >= answer.size);
    await mustRun(fleet.primary, "resume", REPLICA_NAME);
    await expectConverged(fleet);
  });

  test("Ctrl-C in a drain of a replica that is away takes it back: it is not paused, then or later", async () => {
    await fleet.sshd.pause();
    await linkBecomes(fleet, ({ health }) => health === "unreachable");
    await ingest(fleet, someEvents(2));
    const drain = start(fleet, "drain", REPLICA_NAME);
    await eventually(
      async () => /unreachable/.test(drain.stdout + drain.stderr),
      () => `no progress is shown: ${drain.stdout}${drain.stderr}`,
    );
    assert.equal(await drain.interrupt(), 130);
    assert.match(drain.stdout + drain.stderr, /taken back/);
    fleet.sshd.resume();
    await mustRun(fleet.primary, "resync", REPLICA_NAME, "--wait");
    await expectConverged(fleet);
    await linkBecomes(fleet, ({ health }) => health === "healthy");
  });

  test("a full resync that is waited for ends with what was sent", async () => {
    const answer = JSON.parse(await mustRun(fleet.primary, "resync", REPLICA_NAME, "--full", "--wait", "--json"));
    assert.equal(answer.done.kind, "full");
    assert.ok(answer.done.bytes > 0);
    await expectConverged(fleet);
  });

  test("a full resync that is waited for ends with it, whatever is sealed and pushed after it", async () => {
    await btrfs.hold("filesystem sync");
    const resync = start(fleet, "resync", REPLICA_NAME, "--full", "--wait", "--json");
    await btrfs.waits();
    const { pushing } = await linkBecomes(fleet, (link) => link.pushing?.kind === "full");
    await ingest(fleet, someEvents(2));
    const next = await seal(fleet);
    await btrfs.mend();
    const { last_push } = await linkBecomes(fleet, ({ generation }) => generation === next);
    assert.equal(last_push?.kind, "increment");
    const code = await Promise.race([resync.ended, sleep(20_000)]);
    await resync.interrupt();
    assert.equal(code, 0, "it goes on");
    const { done } = jsonLines<{ done?: PushRecord }>(resync.stdout).at(-1) ?? {};
    assert.deepEqual([done?.kind, done?.generation], ["full", pushing?.generation]);
    await expectConverged(fleet);
  });

  test("Ctrl-C in a full resync leaves nothing: no full send later, no partial on the replica", async () => {
    const store = await storeOf(fleet, "replica");
    const { pid } = fleet.replica.daemon;
    process.kill(pid, "SIGSTOP");
    const resync = start(fleet, "resync", REPLICA_NAME, "--full", "--wait");
    await eventually(
      async () => (resync.stdout + resync.stderr).includes(REPLICA_NAME),
      () => `no progress is shown: ${resync.stdout}${resync.stderr}`,
    );
    assert.equal(await resync.interrupt(), 130);
    process.kill(pid, "SIGCONT");
    await ingest(fleet, someEvents(2));
    const next = await seal(fleet);
    const { last_push } = await linkBecomes(fleet, ({ generation }) => (generation ?? 0) >= next);
    assert.equal(last_push?.kind, "increment");
    await expectConverged(fleet);
    assert.deepEqual(await readdir(store.staging), []);
  });

  test("seal --dry-run says how much is new and seals nothing; unknown replicas are named with those there are", async () => {
    await ingest(fleet, someEvents(3));
    const { ledger } = await primaryStatus(fleet);
    assert.match(await mustRun(fleet.primary, "seal", "--dry-run"), /^would seal [1-9]\d* new entries$/m);
    assert.equal((await primaryStatus(fleet)).ledger.generation, ledger.generation);
    for (const command of ["pause", "resume", "drain", "resync"]) {
      const { exitCode: code, stderr } = await fleet.primary.run(command, "nobody");
      assert.notEqual(code, 0, command);
      assert.match(stderr, /there is no replica "nobody".*\n.*replica-1/, command);
    }
    await seal(fleet);
    await expectConverged(fleet);
  });
});
