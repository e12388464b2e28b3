// The signing key is changed while events flow: at every moment each replica verifies what comes, and what was kept from before.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { openNote, parseVkey, shortKey } from "../../shared/format/signed-note.js";
import { backUp, restore } from "../support/copy-volume.js";
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
  wakeLink,
} from "../support/drive-fleet.js";
import { bothAnswer, type Fleet, fleetOf, makeFleet, withFleet } from "../support/start-fleet.js";
import { withMany } from "../support/start-many.js";

const SMALL = { volume: "256M", primary: { ...QUIET, push: { hello_seconds: 1 } } };
const KEPT = 20;
const KEEP_ALL = { keep: `last ${KEPT}` };

describe("another signing key", () => {
  test("comes while events flow, and only when every replica trusts it; what was kept from before still verifies", () =>
    withMany(
      { ...SMALL, primary: { ...SMALL.primary, ...KEEP_ALL }, replicas: [{ config: KEEP_ALL }, {}] },
      async (many) => {
        const [first, second] = [fleetOf(many, 0), fleetOf(many, 1)];
        const before = await sealSome(first);
        await linkBecomes(first, ({ generation = 0 }) => generation >= before);
        const stop = keepWriting(first);
        const prepared = JSON.parse(await mustRun(many.primary, "key", "rotate", "--prepare", "--json"));
        assert.deepEqual([prepared.vkey, prepared.changes], [many.vkey, true]);
        const next: string = prepared.next;
        const both = await sealSome(first);
        for (const fleet of [first, second]) {
          await linkBecomes(fleet, ({ generation = 0 }) => generation >= both);
          assert.deepEqual(await signersOf(fleet, [many.vkey, next]), [many.vkey, next]);
        }

        await mustRun(first.replica, "trust", next);
        const refused = await many.primary.run("key", "rotate", "--commit");
        assert.equal(refused.exitCode, 1);
        assert.match(refused.stderr, /the old key stays in force: replica-2: it does not trust the next key/);
        assert.match(refused.stderr, /hint: on each of them: isochron-replica trust 'host1\.test/);
        assert.match(
          await mustRun(many.primary, "key", "rotate", "--commit", "--dry-run"),
          /would be refused.*replica-1: trusts it\nreplica-2: it does not/s,
        );
        assert.equal((await primaryStatus(first)).vkey, many.vkey);
        await mustRun(second.replica, "trust", next);

        assert.match(await mustRun(many.primary, "key", "rotate", "--commit"), /signs from the next seal on/);
        const { vkey, next_vkey } = await primaryStatus(first);
        assert.deepEqual([vkey, next_vkey], [next, null]);
        const alone = await sealSome(first);
        for (const fleet of [first, second]) {
          await linkBecomes(fleet, ({ generation = 0 }) => generation >= alone);
          assert.deepEqual(await signersOf(fleet, [many.vkey, next]), [next]);
          await mustRun(fleet.replica, "trust", "--retire", many.vkey);
          assert.deepEqual(trustedIn(await mustRun(fleet.replica, "trust", "--json")), [next]);
        }
        await stop();
        const kept = await sealSome(first);
        const rotated = { ...many, vkey: next };
        await expectConverged(fleetOf(rotated, 1), { kept, keptByReplica: 1 });

        for (const side of [many.primary, first.replica]) {
          await side.daemon.stop();
          await side.daemon.start();
          const old = JSON.parse(await mustRun(side, "verify", "--generation", String(before), "--json"));
          assert.deepEqual([old.verdict, old.signed_by], ["intact", [shortOf(many.vkey)]]);
          const text = await mustRun(side, "verify", "--generation", String(before));
          assert.match(text, /signed by host1\.test\/isochron\+[0-9a-f]{8}, which is retired/);
          const now = JSON.parse(await mustRun(side, "verify", "--json"));
          assert.deepEqual([now.verdict, now.signed_by.includes(shortOf(next))], ["intact", true]);
        }
        await sealSome(first);
        await linkBecomes(fleetOf(rotated, 0), ({ health }) => health === "healthy");
        await bothAnswer(first, (await primaryStatus(first)).ledger.sealed);
        const told = jsonLines<{ action?: string }>(
          await mustRun(many.primary, "timeline", "--type", "SigningKey", "--json"),
        );
        const actions = told.flatMap(({ action }) => action ?? []);
        assert.deepEqual(actions.sort(), ["key_prepared", "key_rotated"]);
      },
    ));

  test("is refused by a replica that is put back to before it knew it, in words, until it trusts it again", () =>
    withFleet(SMALL, async (fleet) => {
      await sealSome(fleet);
      await expectConverged(fleet);
      const backup = await backUp(fleet.replica);
      const next = await goOver(fleet);
      await sealSome(fleet);
      const now = { ...fleet, vkey: next };
      await expectConverged(now);
      await mustRun(fleet.replica, "trust", "--retire", shortOf(fleet.vkey));
      await restore(fleet.replica, backup);
      await wakeLink(fleet);
      const link = await linkBecomes(fleet, ({ code }) => code === "not-verified");
      assert.ok(link.reason.includes(`signed by: ${shortOf(next)}; trusted: ${shortOf(fleet.vkey)}`), link.reason);
      assert.match(link.hint ?? "", /isochron-replica trust VKEY/);
      assert.match(await mustRun(fleet.replica, "verify"), /intact: generation 1/);
      await mustRun(fleet.replica, "trust", next);
      await wakeLink(fleet);
      await expectConverged(now);
    }));
});

/** One after the other on one fleet: after the last one another key signs. */
describe("a key of a fleet that runs", () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await makeFleet(SMALL);
    await startWithEvents(fleet);
  });
  after(() => fleet?.stop());

  test("another signing key is prepared and taken back without a daemon too, and a daemon that finds one prepared signs with both", async () => {
    await fleet.primary.daemon.stop();
    assert.match(await mustRun(fleet.primary, "key", "rotate", "--prepare", "--dry-run"), /would make the next key/);
    await mustRun(fleet.primary, "key", "rotate", "--prepare");
    await mustRun(fleet.primary, "key", "rotate", "--abort");
    const { next } = JSON.parse(await mustRun(fleet.primary, "key", "rotate", "--prepare", "--json"));
    const commit = await fleet.primary.run("key", "rotate", "--commit");
    assert.match(commit.stderr, /nobody listens/);
    await fleet.primary.daemon.start();
    await sealSome(fleet);
    await expectConverged(fleet);
    assert.deepEqual(await signersOf(fleet, [fleet.vkey, next]), [fleet.vkey, next]);
    assert.match(await mustRun(fleet.primary, "status"), /^key +the next one is prepared/m);
    assert.match(await mustRun(fleet.primary, "key", "rotate", "--abort"), /taken back/);
    await sealSome(fleet);
    await expectConverged(fleet);
    assert.deepEqual(await signersOf(fleet, [fleet.vkey, next]), [fleet.vkey]);
    for (const step of [[], ["--prepare", "--abort"], ["--prepare", "--force"], ["--abort"]]) {
      const { exitCode, stderr } = await fleet.primary.run("key", "rotate", ...step);
      assert.deepEqual([exitCode, /^error: (give one|--force goes|no key was)/.test(stderr)], [1, true], stderr);
    }
  });

  test("another cosigning key is in the next acks without a restart, and none is refused for it", async () => {
    const [old, planned] = [
      await cosignKeyOf(fleet),
      JSON.parse(await mustRun(fleet.replica, "key", "rotate", "--dry-run", "--json")),
    ];
    assert.deepEqual([planned.vkey, planned.was], [old, old]);
    const stop = keepWriting(fleet);
    const { vkey, was } = JSON.parse(await mustRun(fleet.replica, "key", "rotate", "--json"));
    assert.deepEqual([was, vkey === old], [old, false]);
    assert.equal(await cosignKeyOf(fleet), vkey);
    await stop();
    // A hello of the other key comes when it is quiet; what is acked after it has its signature.
    const links = (await storeOf(fleet, "primary")).links;
    await eventually(
      async () => {
        await sealSome(fleet);
        await wakeLink(fleet);
        const hint = (await readdir(links)).find((name) => name.endsWith(".json")) as string;
        return JSON.parse(await readFile(join(links, hint), "utf8")).vkey === vkey;
      },
      () => "no ack has the other key",
    );
    await expectConverged(fleet);
    const { acceptedHead } = await storeOf(fleet, "replica");
    const { signedBy } = openNote(await readFile(acceptedHead, "utf8"), [parseVkey(old), parseVkey(vkey)]);
    assert.deepEqual(
      signedBy.map(({ keyId }) => keyId),
      [parseVkey(vkey).keyId],
    );
    const { pushes, failures } = await linkBecomes(fleet, ({ health }) => health === "healthy");
    assert.deepEqual([pushes.failed, failures], [0, 0]);
    assert.equal(fleet.primary.daemon.log.match(/cosigns with another key from now on/g)?.length, 1);
    assert.equal(/another replica answers/.test(fleet.primary.daemon.log), false);
    for (const side of [fleet.replica, fleet.primary]) {
      await side.daemon.stop();
      await side.daemon.start();
    }
    await sealSome(fleet);
    await expectConverged(fleet);
  });

  test("another signing key cannot be the only one while a replica stands on the old one alone, and an old one counts again when it is added", async () => {
    const early = await fleet.replica.run("trust", "--retire", shortOf(fleet.vkey));
    assert.equal(early.exitCode, 1);
    assert.match(
      early.stderr,
      /newest generation of host1.test\/isochron here is signed by .* alone\nhint: .*seal --force/,
    );
    const stranger = await fleet.replica.run("trust", "--retire", "host1.test/isochron+00000000");
    assert.match(stranger.stderr, /is no key that is trusted here/);
    const next = await goOver(fleet);
    // At once: the commit has seen to it that the replica stands on a generation of both.
    await mustRun(fleet.replica, "trust", "--retire", fleet.vkey);
    await fleet.replica.daemon.stop();
    await fleet.replica.daemon.start();
    await expectConverged({ ...fleet, vkey: next });
    await mustRun(fleet.replica, "trust", fleet.vkey);
    assert.deepEqual(trustedIn(await mustRun(fleet.replica, "trust", "--json")).sort(), [fleet.vkey, next].sort());
    await expectConverged({ ...fleet, vkey: next });
  });
});

async function cosignKeyOf(fleet: Fleet): Promise<string> {
  return (await mustRun(fleet.replica, "key")).trim();
}

/** Prepare, trust, commit. Returns the new key. */
async function goOver(fleet: Fleet): Promise<string> {
  const { next } = JSON.parse(await mustRun(fleet.primary, "key", "rotate", "--prepare", "--json"));
  await mustRun(fleet.replica, "trust", next);
  await mustRun(fleet.primary, "key", "rotate", "--commit");
  return next;
}

/** By force: whoever seals at the same time may have taken the events along. */
async function sealSome(fleet: Fleet): Promise<number> {
  await ingest(fleet, someEvents(5));
  return seal(fleet, { force: true });
}

/** Events and seals, one after another, until the function that it returns is called. */
function keepWriting(fleet: Fleet): () => Promise<void> {
  let [isWanted, rounds] = [true, 0];
  const writing = (async () => {
    const from = (await primaryStatus(fleet)).ledger.generation;
    while ((isWanted || rounds < 2) && rounds < 8) {
      await ingest(fleet, someEvents(3, `round ${rounds}`));
      await askSocket({ socketPath: fleet.primary.socket("control"), path: "/v1/seal", method: "POST", body: {} });
      rounds += 1;
      await linkBecomes(fleet, ({ generation = 0 }) => generation >= from + rounds);
    }
  })();
  return async () => {
    isWanted = false;
    await writing;
    assert.ok(rounds > 1, `${rounds} rounds`);
  };
}

/** Which of these keys signed what the replica stands on, in the order of the signatures. */
async function signersOf(fleet: Fleet, vkeys: readonly string[]): Promise<string[]> {
  const { acceptedHead } = await storeOf(fleet, "replica");
  const keys = vkeys.map(parseVkey);
  const { signedBy } = openNote(await readFile(acceptedHead, "utf8"), keys);
  return signedBy.map(({ keyId }) => keys.find((key) => key.keyId === keyId)?.vkey ?? "");
}

function trustedIn(lines: string): string[] {
  return jsonLines<{ vkey: string; retired: boolean }>(lines)
    .filter(({ retired }) => !retired)
    .map(({ vkey }) => vkey);
}

function shortOf(vkey: string): string {
  return shortKey(parseVkey(vkey));
}
