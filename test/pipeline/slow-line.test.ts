// A replica at the end of a line that is slower than anyone's patience: what still moves is not dead.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, expectConverged, ingest, linkBecomes, QUIET, seal, someEvents } from "../support/drive-fleet.js";
import { bigEvents } from "../support/fill-volume.js";
import { withFleet } from "../support/start-fleet.js";
import { requireNetwork, withNetwork } from "../support/with-network.js";

test("a line of 64 kbit/s: a push that takes longer than any keepalive would wait is slow, not dead", async (t) => {
  if (!(await requireNetwork(t))) return;
  await withNetwork({ replicas: 1 }, async (network) => {
    await withFleet({ volume: "512M", network, primary: QUIET }, async (fleet) => {
      await ingest(fleet, someEvents(10));
      await seal(fleet);
      await expectConverged(fleet);
      await network.link(0).shape({ rateMbit: 0.064 });
      await ingest(fleet, bigEvents(6));
      const next = await seal(fleet);
      let pushes = { acked: 0, failed: 0 };
      await eventually(
        async () => {
          ({ pushes } = await linkBecomes(fleet, () => true));
          return pushes.acked > 1 || pushes.failed > 0;
        },
        () => "the push neither ends nor fails",
        { minutes: 10 },
      );
      const link = await linkBecomes(fleet, () => true);
      assert.deepEqual([link.generation, pushes.failed], [next, 0], link.reason);
      // 8 kB a second.
      assert.ok((link.last_push?.ms ?? 0) > 80_000, `it took ${link.last_push?.ms} ms`);
      await network.link(0).shape({});
      await expectConverged(fleet);
    });
  });
});
