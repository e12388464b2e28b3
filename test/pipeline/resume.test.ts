// A first sync that is cut again and again, in every way: it goes on where it was cut, and what the replica holds is not
// sent again.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { listReadOnly } from "../../shared/store/btrfs.js";
import { SUBVOLUMES } from "../../shared/store/layout.js";
import { type BreakableBtrfs, makeBreakableBtrfs } from "../support/break-btrfs.js";
import { type CutLink, putLinkBetween } from "../support/cut-link.js";
import {
  eventually,
  expectConverged,
  ingest,
  linkBecomes,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  storeOf,
  wakeLink,
} from "../support/drive-fleet.js";
import { type Fleet, makeFleet } from "../support/start-fleet.js";

const MIB = 1024 * 1024;

describe("a large first sync", () => {
  let fleet: Fleet;
  let link: CutLink;
  before(async () => {
    fleet = await makeFleet({
      volume: "2G",
      primary: { ...QUIET, push: { compression: "none", hello_seconds: 1 } },
      replica: { receive: { part_bytes: "4MiB", part_seconds: 0 } },
    });
    link = await putLinkBetween(fleet, { bytesPerSecond: 12 * MIB });
    await fleet.primary.daemon.start();
  });
  after(async () => {
    await link?.stop();
    await fleet?.stop();
  });

  /** Waits until so much of the generation has gone out over this connection, after what the replica had of it. */
  const sent = (bytes: number) =>
    linkBecomes(fleet, ({ pushing }) => pushing?.generation === 1 && pushing.bytes >= bytes);

  test("that is cut with its link, its replica and its primary, and overtaken by a seal, is sent no more than once", async () => {
    for (let i = 0; i < 3; i += 1) await ingest(fleet, noisyEvents(60));
    assert.equal(await seal(fleet), 1);
    const streamBytes = await measureStream(fleet, 1);
    assert.ok(streamBytes > 80 * MIB, `${streamBytes} bytes are too few to be cut three times`);
    await fleet.replica.daemon.start();
    await wakeLink(fleet);
    const share = Math.floor(streamBytes / 5);

    await sent(share);
    link.cut();
    const first = await resumedAfter(0);
    // Nothing but what was on its way is lost with the link.
    assert.ok(first > share - 8 * MIB, `of ${share} bytes sent ${first} were gone on from`);
    await ingest(fleet, someEvents(5));
    assert.equal(await seal(fleet), 2);

    await sent(share);
    await fleet.replica.daemon.kill();
    await fleet.replica.daemon.start();
    const second = await resumedAfter(first);

    await sent(share);
    await fleet.primary.daemon.kill();
    await fleet.primary.daemon.start();
    await resumedAfter(second);

    await linkBecomes(fleet, ({ generation }) => generation === 2);
    await expectConverged(fleet);
    assert.ok(link.sentBytes < streamBytes * 1.25, `${link.sentBytes} bytes went over the wire for ${streamBytes}`);
    assert.deepEqual(await readdir((await storeOf(fleet, "replica")).staging), []);
  });

  /** Waits until the push goes on; resolves with how many bytes it need not send. */
  async function resumedAfter(bytes: number): Promise<number> {
    await wakeLink(fleet);
    const { pushing } = await linkBecomes(fleet, ({ pushing }) => (pushing?.resumed_bytes ?? 0) > bytes);
    return pushing?.resumed_bytes ?? 0;
  }
});

describe("a push that is cut", () => {
  let fleet: Fleet;
  let link: CutLink;
  let btrfs: BreakableBtrfs;
  before(async () => {
    fleet = await makeFleet({
      volume: "512M",
      primary: { ...QUIET, push: { compression: "none", hello_seconds: 3600 } },
    });
    link = await putLinkBetween(fleet);
    btrfs = await makeBreakableBtrfs(fleet.folder);
    fleet.replica.daemon.env.PATH = btrfs.path;
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    await ingest(fleet, someEvents(10));
    await seal(fleet);
    await expectConverged(fleet);
  });
  after(async () => {
    await link?.stop();
    await fleet?.stop();
  });

  /** What the bytes of a push of some events are on the wire. */
  async function measurePush(): Promise<number> {
    const before = link.sentBytes;
    await push(() => undefined);
    return link.sentBytes - before;
  }

  /** Events of about the same size each time. */
  async function push(prepare: () => void): Promise<void> {
    await ingest(fleet, someEvents(40));
    prepare();
    const next = await seal(fleet);
    await eventually(
      async () => {
        const [status] = (await primaryStatus(fleet)).replicas;
        if (status?.generation !== next) await wakeLink(fleet);
        return status?.generation === next;
      },
      () => `generation ${next} does not arrive`,
    );
  }

  test("at any byte leaves nothing in staging, and the replica comes to hold it", async () => {
    const wireBytes = await measurePush();
    const store = await storeOf(fleet, "replica");
    const shares = [0, 0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.99];
    const offsets = [1, 100, ...shares.map((share) => Math.floor(wireBytes * share)), wireBytes - 50, wireBytes - 1];
    for (const offset of offsets) {
      await push(() => link.cutAfter(Math.max(1, offset)));
      await link.whenCut();
      assert.deepEqual(await readdir(store.staging), [], `after a cut at byte ${offset}`);
    }
    await expectConverged(fleet);
  });

  test("after its last byte, before the ack: it is not sent again", async () => {
    const { staging } = await storeOf(fleet, "replica");
    await ingest(fleet, noisyEvents(3));
    const before = link.sentBytes;
    await btrfs.hold("filesystem sync");
    const next = await seal(fleet);
    // From here on the replica has nothing to say but that it lives, and then its answer.
    await eventually(
      async () => {
        const [arrival] = await readdir(staging);
        return arrival !== undefined && (await listReadOnly(join(staging, arrival))).size === SUBVOLUMES.length;
      },
      () => "the push did not arrive whole",
    );
    link.cutAtAnswer();
    await btrfs.mend();
    await link.whenCut();
    const sent = link.sentBytes - before;
    assert.ok(sent > MIB, `${sent} bytes were sent`);
    await eventually(
      async () => {
        await wakeLink(fleet);
        return (await primaryStatus(fleet)).replicas[0]?.generation === next;
      },
      () => "the primary does not hear what the replica holds",
    );
    assert.ok(link.sentBytes - before - sent < 64 * 1024, `${link.sentBytes - before - sent} bytes were sent again`);
    await expectConverged(fleet);
  });
});

/** Bytes of both streams, as they are sent between ends that know protocol 2. */
async function measureStream(fleet: Fleet, generation: number): Promise<number> {
  const tree = (await storeOf(fleet, "primary")).generation(generation);
  let bytes = 0;
  for (const name of SUBVOLUMES) {
    const send = `btrfs send -q --proto 2 --compressed-data ${tree.subvolume(name)} | wc -c`;
    bytes += Number((await execa("bash", ["-c", send])).stdout);
  }
  return bytes;
}

/** About 800 KiB each that hardly compresses, and is one word: an index of it costs nothing. */
function noisyEvents(count: number) {
  const noise = () => randomBytes(600_000).toString("base64").replaceAll(/[+/]/g, "A");
  return Array.from({ length: count }, (_, i) => ({
    element_id: `file:${i}`,
    element_type: "File",
    action: "modified",
    state_snapshot: { content: noise() },
  }));
}
