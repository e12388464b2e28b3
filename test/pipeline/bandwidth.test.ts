// How pushes fit their links: what `auto` chooses over a fast and over a limited link, that limits hold, and that a push's
// size is known before it is sent.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { LinkStatus } from "../../primary/push/link-status.js";
import { estimateSendBytes } from "../../primary/push/pace/estimate-size.js";
import { measureSend } from "../../primary/push/wire/measure-send.js";
import { deleteSubvolume, snapshotReadOnly } from "../../shared/store/btrfs.js";
import { SUBVOLUMES, TreeLayout } from "../../shared/store/layout.js";
import { expectConverged, ingest, linkBecomes, QUIET, seal, someEvents, storeOf } from "../support/drive-fleet.js";
import { program, ROOT, requirePart } from "../support/require-part.js";
import { type Fleet, makeFleet, withFleet } from "../support/start-fleet.js";
import { requireNetwork, withNetwork } from "../support/with-network.js";

const ZSTD = program("zstd", "zstd");

/** Seals `count` events, written to disk in `pieces`, and gives the link once they are acked. */
async function pushed(fleet: Fleet, count: number, pieces = 1): Promise<LinkStatus> {
  for (let i = 0; i < pieces; i += 1) await ingest(fleet, someEvents(count / pieces));
  const generation = await seal(fleet);
  return linkBecomes(fleet, (link) => link.health === "healthy" && link.last_push?.generation === generation);
}

describe("pushes over a link", () => {
  test("under a limit of 2 Mbit/s travel compressed and keep to the limit", async (t) => {
    if (!(await requirePart(t, ROOT)) || !(await requirePart(t, ZSTD))) return;
    const push = { limit: "2 Mbit/s" };
    await withFleet({ volume: "512M", primary: { ...QUIET, push } }, async (fleet) => {
      await pushed(fleet, 10);
      const link = await pushed(fleet, 4000, 40);
      const { bytes, ms, codec } = link.last_push ?? { bytes: 0, ms: 1, codec: "" };
      assert.match(codec, /zstd-\d+$/);
      assert.match(
        link.codec_reason ?? "",
        new RegExp(`^${codec.replace("+", "\\+")}: limited to 1\\.9 Mbit/s, .* raw$`),
      );
      assert.ok(bytes > 300_000, `${bytes} bytes say little`);
      assert.ok((bytes * 8000) / ms <= 1.1 * 2e6, `${bytes} bytes in ${ms} ms`);
      assert.equal(link.limit_bits_per_second, 2_000_000);
      assert.equal(link.pushes.failed, 0);
      await expectConverged(fleet);
    });
  });

  test("a replica's own limit holds for it, with streams as they are too", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const push = { compression: "none", compressed_data: "never" };
    await withFleet({ volume: "512M", primary: { ...QUIET, push }, target: { limit: "1 MB/s" } }, async (fleet) => {
      await pushed(fleet, 10);
      const { last_push, codec_reason } = await pushed(fleet, 4000);
      const { bytes, ms, codec } = last_push ?? { bytes: 0, ms: 1, codec: "" };
      assert.equal(codec, "raw");
      assert.match(codec_reason ?? "", /\(configured\)$/);
      assert.ok(bytes > 2_000_000, `${bytes} bytes say little`);
      assert.ok((bytes * 1000) / ms <= 1.1e6, `${bytes} bytes in ${ms} ms`);
      await expectConverged(fleet);
    });
  });

  test("over loopback go as they are, and are probed first where much depends on it", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withFleet({ volume: "512M", primary: QUIET }, async (fleet) => {
      const small = await pushed(fleet, 10);
      assert.match(small.last_push?.codec ?? "", /^(?:raw|extents)$/);
      assert.equal(small.bandwidth.state, "unknown");
      const large = await pushed(fleet, 10_000);
      assert.equal(large.bandwidth.state, "measured");
      assert.ok((large.bandwidth.bits_per_second ?? 0) > 1e6);
      // Bytes of the probe count as sent, and not as the push.
      assert.ok(large.bytes_sent >= (large.last_push?.bytes ?? 0) + (small.last_push?.bytes ?? 0) + 65_536);
      await expectConverged(fleet);
    });
  });

  test("over a line of 5 Mbit/s show what it carries, and travel compressed because of it", async (t) => {
    if (!(await requireNetwork(t)) || !(await requirePart(t, ZSTD))) return;
    await withNetwork({ replicas: 1 }, (network) =>
      withFleet({ volume: "512M", primary: QUIET, network }, async (fleet) => {
        await network.link(0).shape({ rateMbit: 5, roundTripMs: 20 });
        await pushed(fleet, 10);
        // What is written in small pieces lies on disk in small extents, which are compressed badly: zstd does much better.
        await pushed(fleet, 3000, 30);
        const link = await pushed(fleet, 3000, 30);
        assert.match(link.last_push?.codec ?? "", /zstd-/);
        const { state, bits_per_second: rate } = link.bandwidth;
        assert.equal(state, "measured");
        // Whatever the sockets have swallowed: no more than the line can carry counts as arrived.
        assert.ok(rate !== null && rate <= 2 * 5e6 && rate > 0.2e6, String(rate));
        await network.link(0).shape({});
        await expectConverged(fleet);
      }),
    );
  });

  test("have their size estimated from the files, within a tenth of what btrfs then sends", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const fleet = await makeFleet({ volume: "512M", primary: QUIET });
    try {
      await fleet.primary.daemon.start();
      const store = await storeOf(fleet, "primary");
      await ingest(fleet, someEvents(300));
      const first = store.generation(await seal(fleet));
      const base = new TreeLayout(join(fleet.primary.root, "kept"));
      await mkdir(base.dir);
      for (const name of SUBVOLUMES) await snapshotReadOnly(first.subvolume(name), base.subvolume(name));
      for (const count of [1, 100, 3000]) {
        await ingest(fleet, someEvents(count));
        const tree = store.generation(await seal(fleet));
        for (const from of [base, undefined]) {
          const [estimated, sent] = await Promise.all([estimateSendBytes(tree, from), measureSend(tree, from)]);
          assert.ok(Math.abs(estimated - sent) <= 0.1 * sent + 4096, `${estimated} estimated, ${sent} sent`);
        }
      }
      for (const name of SUBVOLUMES) await deleteSubvolume(base.subvolume(name));
    } finally {
      await fleet.stop();
    }
  });
});
