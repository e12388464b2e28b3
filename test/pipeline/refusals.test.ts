// What a replica or its primary refuses: each is told in `status` with its reason and the next step, changes nothing on
// the replica, and passes without a restart once its cause is gone.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { LinkStatus } from "../../primary/push/link-status.js";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { formatSpace, type Space, spaceName } from "../../shared/format/space.js";
import { syncFilesystem } from "../../shared/store/btrfs.js";
import { initPrimary } from "../../shared/store/init-root.js";
import { RootLayout } from "../../shared/store/layout.js";
import { testSpace } from "../support/build-store.js";
import { backUp, restore, unmountWhole } from "../support/copy-volume.js";
import {
  eventually,
  expectConverged,
  ingest,
  linkBecomes,
  listSubvolumes,
  mustRun,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  startWithEvents,
  storeOf,
  wakeLink,
} from "../support/drive-fleet.js";
import { bigEvents, fillVolume, makeRoom } from "../support/fill-volume.js";
import { freePort } from "../support/free-port.js";
import { type Fleet, makeFleet, withFleet } from "../support/start-fleet.js";
import { startSshd } from "../support/with-sshd.js";
import { unmount } from "../support/with-volume.js";

const LOOP_BYTES = 256 * 2 ** 20;
const SMALL = { volume: "256M", primary: { ...QUIET, push: { hello_seconds: 1 } } };

test("refused, and told: a checkpoint that no trusted key signed, and the origin is still free for the primary that can sign", async () => {
  await withFleet(SMALL, async (fleet) => {
    const trusted = new RootLayout(fleet.replica.root).trustedKeys;
    const other = await otherKey(fleet);
    await writeFile(trusted, `${other}\n`);
    await ingest(fleet, someEvents(3));
    await seal(fleet);
    const link = await linkBecomes(fleet, ({ code }) => code === "not-verified");
    assert.equal(link.health, "diverged");
    assert.match(link.reason, /no trusted key signed the checkpoint/);
    await expectHeld(fleet, []);
    // Another store of that origin may begin: this one never was verified. It is not sent again meanwhile.
    await fleet.primary.daemon.stop();
    const hello = {
      protocol: 1,
      store: "11111111-1111-4111-8111-111111111111",
      origin: fleet.origin,
      size: 1,
      generation: 1,
    };
    const socketPath = fleet.replica.socket("agent");
    let said: unknown;
    await eventually(
      async () => {
        said = await askSocket({ socketPath, path: "/v1/hello", method: "POST", body: hello }).catch(String);
        return typeof said === "object";
      },
      () => `the origin is not free: ${said}`,
    );
    assert.equal((said as { holds: unknown }).holds, null);
  });
});

/** One after the other on one fleet: after the last one this replica is of no more use. */
describe("refused, and told", () => {
  let fleet: Fleet;
  let trusted: string;
  before(async () => {
    const primary = { ...QUIET, log_level: "debug", push: { hello_seconds: 1, stall_seconds: 2 } };
    // What is left in staging is swept, whatever a stop or a full disk cuts.
    const receive = { min_free_bytes: "1MiB", keep_partial_hours: 0 };
    fleet = await makeFleet({ volume: "256M", primary, replica: { receive } });
    trusted = new RootLayout(fleet.replica.root).trustedKeys;
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
  });
  after(() => fleet?.stop());

  test("a primary whose key is not trusted, until it is", async () => {
    await writeFile(trusted, "");
    await ingest(fleet, someEvents(3));
    await seal(fleet);
    const link = await linkBecomes(fleet, ({ code }) => code === "untrusted-origin");
    assert.equal(link.health, "foreign");
    assert.match(link.hint ?? "", /isochron-replica trust/);
    assert.match(await mustRun(fleet.primary, "status"), /foreign.*no key of origin/);
    assert.deepEqual(await listSubvolumes(fleet.replica.root), []);
    await mustRun(fleet.replica, "trust", fleet.vkey);
    await wakeLink(fleet);
    await expectConverged(fleet);
  });

  test("a space of a later version than the replica's, until it can read all that is there", async () => {
    const { live } = await storeOf(fleet, "primary");
    const before = await listSubvolumes(fleet.replica.root);
    const later = { ...testSpace(3), format: 3, model: "later" } as unknown as Space;
    await mkdir(live.space(spaceName(later)));
    await writeFile(live.spaceFile(spaceName(later)), formatSpace(later));
    await ingest(fleet, someEvents(3));
    await seal(fleet);
    const link = await linkBecomes(fleet, ({ code }) => code === "newer-format");
    assert.equal(link.health, "version-mismatch");
    assert.match(link.reason, /space\.json's format is 3, which a later version.*vector\/later-/);
    assert.match(link.hint ?? "", /upgrade this replica/);
    await expectHeld(fleet, before);
    await rm(live.space(spaceName(later)), { recursive: true });
    await ingest(fleet, someEvents(3, "after"));
    await seal(fleet);
    await wakeLink(fleet);
    await expectConverged(fleet);
  });

  test("an agent that hangs in the middle of a push is found out, though its sshd answers", async () => {
    process.kill(fleet.replica.daemon.pid, "SIGSTOP");
    try {
      await ingest(fleet, someEvents(5));
      await seal(fleet);
      // A hello that was under way may take a minute, whatever `stall_seconds` says.
      const { health } = await linkBecomes(fleet, ({ code }) => code === "stalled", { minutes: 3 });
      assert.equal(health, "unreachable");
    } finally {
      process.kill(fleet.replica.daemon.pid, "SIGCONT");
    }
    await wakeLink(fleet);
    await expectConverged(fleet);
  });

  test("a disk that is too full, with staging swept, until there is room", async () => {
    const filler = join(fleet.replica.root, "filler");
    await fillVolume(filler);
    const { pushes: before } = await linkBecomes(fleet, () => true);
    await ingest(fleet, bigEvents(40));
    await seal(fleet);
    const link = await linkBecomes(fleet, ({ code }) => code === "no-space");
    assert.equal(link.health, "full");
    assert.match(link.reason, /no space left|are free/);
    // It is not sent again, however often the replica is asked.
    const { bytes_sent, pushes } = link;
    for (let asked = link, hellos = 0; hellos < 3; hellos += 1) {
      asked = await linkBecomes(fleet, ({ last_contact }) => last_contact !== asked.last_contact);
      assert.deepEqual([asked.health, asked.code, asked.bytes_sent], ["full", "no-space", bytes_sent]);
    }
    assert.equal(pushes.failed, before.failed + 1);
    await makeRoom(filler);
    await wakeLink(fleet);
    await expectConverged(fleet);
    assert.deepEqual(await readdir((await storeOf(fleet, "replica")).staging), []);
  });

  test("a primary that was put back to an older day, and one that then went on from there", async () => {
    const backup = await backUp(fleet.primary);
    for (let round = 0; round < 2; round += 1) {
      await ingest(fleet, someEvents(3));
      await seal(fleet);
    }
    await expectConverged(fleet);
    const before = await listSubvolumes(fleet.replica.root);
    const { generation } = (await primaryStatus(fleet)).ledger;
    await restore(fleet.primary, backup);
    const regressed = await linkBecomes(fleet, ({ code }) => code === "regressed");
    assert.equal(regressed.health, "diverged");
    assert.match(regressed.reason, new RegExp(`the replica holds generation ${generation}`));
    assert.match(regressed.hint ?? "", /lost history/);
    for (let round = 0; round < 3; round += 1) {
      await ingest(fleet, someEvents(20, "another history"));
      await seal(fleet);
    }
    const diverged = await linkBecomes(fleet, ({ code }) => code === "diverged");
    assert.equal(diverged.health, "diverged");
    await expectHeld(fleet, before);
    assert.match(await mustRun(fleet.replica, "verify"), new RegExp(`intact: generation ${generation}`));
  });

  test("another store under an origin that is held", async () => {
    await fleet.primary.daemon.stop();
    const before = (await listSubvolumes(fleet.replica.root)).filter((path) => !path.includes("/staging/"));
    assert.equal(before.length, 2);
    await replaceStore(fleet);
    await fleet.primary.daemon.start();
    await ingest(fleet, someEvents(3));
    await seal(fleet);
    const link = await linkBecomes(fleet, ({ code }) => code === "foreign-store");
    assert.equal(link.health, "foreign");
    assert.match(link.hint ?? "", /another store/);
    await expectHeld(fleet, before);
    assert.match(await mustRun(fleet.replica, "verify"), /intact/);
  });
});

/** Each leaves the fleet as it found it. */
describe("refused by a fleet that was well, and told", () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await makeFleet(SMALL);
    await startWithEvents(fleet);
  });
  after(() => fleet?.stop());

  test("a host that does not show the pinned key, a login that is refused, a port that nobody listens on", async () => {
    await fleet.primary.daemon.stop();
    const good = JSON.parse(await readFile(fleet.primary.configPath, "utf8"));
    const [target] = good.replicas;
    const stranger = await startSshd([]);
    try {
      const cases: [change: object, code: string, health: LinkStatus["health"], hint: RegExp][] = [
        [{ host_key: stranger.hostKey }, "host-key", "foreign", /host_key/],
        [{ port: stranger.port, host_key: stranger.hostKey }, "login", "unreachable", /authorized_keys/],
        [{ port: await freePort() }, "unreachable", "unreachable", /^$/],
      ];
      for (const [change, code, health, hint] of cases) {
        await writeFile(fleet.primary.configPath, JSON.stringify({ ...good, replicas: [{ ...target, ...change }] }));
        await fleet.primary.daemon.start();
        const link = await linkBecomes(fleet, (found) => found.code !== undefined);
        assert.deepEqual([link.code, link.health], [code, health], link.reason);
        assert.match(link.hint ?? "", hint);
        await ingest(fleet, someEvents(3));
        await seal(fleet);
        await expectPauses(fleet);
        await fleet.primary.daemon.stop();
      }
    } finally {
      await stranger.stop();
    }
    await writeFile(fleet.primary.configPath, JSON.stringify(good));
    await fleet.primary.daemon.start();
    await ingest(fleet, someEvents(3));
    await seal(fleet);
    await expectConverged(fleet);
  });

  test("a replica that is down is unreachable with what the forced command said, and catches up when it is back", async () => {
    await fleet.replica.daemon.stop();
    await ingest(fleet, someEvents(3));
    await seal(fleet);
    const link = await linkBecomes(fleet, ({ reason }) => /no agent answers/.test(reason));
    assert.equal(link.health, "unreachable");
    await fleet.replica.daemon.start();
    await wakeLink(fleet);
    await expectConverged(fleet);
  });

  test("a replica that says it has too little room is full, and is sent nothing until it has", async () => {
    const filler = join(fleet.replica.root, "filler");
    const { bavail, bsize } = await statfs(fleet.replica.root);
    // By default 64 MiB must stay.
    await writeFile(filler, randomBytes(bavail * bsize - 40 * 2 ** 20));
    await syncFilesystem(fleet.replica.root);
    const link = await linkBecomes(fleet, ({ code }) => code === "no-space");
    assert.equal(link.health, "full");
    assert.match(link.reason, /MiB are free on the replica; its receive\.min_free_bytes is 64MiB/);
    assert.match(link.hint ?? "", /free space on the replica/);
    await ingest(fleet, someEvents(3));
    await seal(fleet);
    const before = await linkBecomes(fleet, ({ last_contact }) => last_contact !== link.last_contact);
    assert.deepEqual([before.health, before.bytes_sent, before.pushes], ["full", link.bytes_sent, link.pushes]);
    await makeRoom(filler);
    await expectConverged(fleet);
  });

  test("a push that cannot fit is not begun, though there is room for a smaller one", async () => {
    const filler = join(fleet.replica.root, "filler");
    const { bavail, bsize } = await statfs(fleet.replica.root);
    await writeFile(filler, randomBytes(bavail * bsize - 65 * 2 ** 20));
    await syncFilesystem(fleet.replica.root);
    const before = await linkBecomes(fleet, ({ health }) => health === "healthy");
    await ingest(fleet, bigEvents(200));
    // Only a hello from after the filler knows of it: the one after that which may have been under way.
    const first = await linkBecomes(fleet, ({ last_contact }) => last_contact !== before.last_contact);
    const { bytes_sent } = await linkBecomes(fleet, ({ last_contact }) => last_contact !== first.last_contact);
    await seal(fleet);
    const link = await linkBecomes(fleet, ({ reason }) => /does not fit/.test(reason));
    assert.match(link.reason, /a push of about \d+MiB does not fit into the .*MiB that the replica may use/);
    assert.deepEqual([link.health, link.code, link.bytes_sent], ["full", "no-space", bytes_sent]);
    await makeRoom(filler);
    await expectConverged(fleet);
  });
});

/** A link that cannot connect tries again with pauses, none of them shorter than the least, whatever is sealed meanwhile. */
async function expectPauses(fleet: Fleet): Promise<void> {
  const LEAST_MS = 250;
  const beganMs = performance.now();
  const { failures } = await linkBecomes(fleet, ({ behind_since }) => behind_since !== null);
  for (let n = 0; n < 8; n += 1) {
    await seal(fleet, { force: true });
    await sleep(LEAST_MS);
  }
  const tried = (await linkBecomes(fleet, () => true)).failures - failures;
  // The pauses get longer; one was under way.
  const most = Math.min((performance.now() - beganMs) / LEAST_MS, 6) + 1;
  assert.ok(tried <= most, `tried ${tried} times, where ${most} are the most`);
}

/** The replica comes to hold these and no others. A refused arrival is swept a moment later, and the primary tries again. */
async function expectHeld(fleet: Fleet, subvolumes: readonly string[]): Promise<void> {
  let held: string[] = [];
  await eventually(
    async () => {
      held = await listSubvolumes(fleet.replica.root);
      return isDeepStrictEqual(held, subvolumes);
    },
    () => `the replica holds ${held.join(", ")}`,
  );
}

/** The vkey of another store under the same origin. */
async function otherKey(fleet: Fleet): Promise<string> {
  const root = join(fleet.folder, "other");
  try {
    return (await initPrimary({ root, loopBytes: LOOP_BYTES, origin: fleet.origin })).signer.vkey;
  } finally {
    await unmount(root);
  }
}

/** Makes the primary anew under its old origin and transport key, and has the replica trust its new key. */
async function replaceStore(fleet: Fleet): Promise<void> {
  const { root } = fleet.primary;
  const layout = new RootLayout(root);
  const transport = [await readFile(layout.transportKey), await readFile(layout.transportPublicKey)] as const;
  await unmountWhole(root);
  await rm(layout.loopFile);
  await rm(root, { recursive: true });
  const { signer } = await initPrimary({ root, loopBytes: LOOP_BYTES, origin: fleet.origin });
  await mkdir(layout.keys, { recursive: true });
  await writeFile(layout.transportKey, transport[0], { mode: 0o600 });
  await writeFile(layout.transportPublicKey, transport[1]);
  await mustRun(fleet.replica, "trust", signer.vkey);
  assert.equal((await primaryStatusOrNothing(fleet))?.store, undefined);
}

async function primaryStatusOrNothing(fleet: Fleet) {
  return primaryStatus(fleet).catch(() => undefined);
}
