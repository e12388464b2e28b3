// Restarts and crashes of either side, of the link between them, and what each leaves on disk.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { expectConverged, ingest, linkBecomes, QUIET, seal, someEvents } from "../support/drive-fleet.js";
import { replicaAnswers, withFleet } from "../support/start-fleet.js";

const SMALL = { volume: "256M", primary: QUIET };

describe("restart", () => {
  test("a primary that starts while the replica is behind keeps the replica's base and sends an increment", async () => {
    await withFleet(SMALL, async (fleet) => {
      await ingest(fleet, someEvents(5));
      await seal(fleet);
      await replicaAnswers(fleet, 6);
      await linkBecomes(fleet, (link) => link.generation === 1);
      await fleet.replica.daemon.kill();
      for (let round = 0; round < 3; round += 1) {
        await ingest(fleet, someEvents(5));
        await seal(fleet);
      }
      await fleet.primary.daemon.stop();
      await fleet.primary.daemon.start();
      await fleet.replica.daemon.start();
      const { last_push } = await linkBecomes(fleet, (link) => link.generation === 4);
      assert.equal(last_push?.kind, "increment");
      await expectConverged(fleet);
    });
  });
});
