// One primary and twenty replicas over twenty links. Three are sick in three ways, and the other seventeen must not
// notice.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { ingest, linkBecomes, mustRun, QUIET, seal, someEvents } from "../support/drive-fleet.js";
import { allAck, expectAllConverged, linksOf } from "../support/drive-many.js";
import { bigEvents, fillVolume, makeRoom } from "../support/fill-volume.js";
import { fleetOf } from "../support/start-fleet.js";
import { type ManyFleet, withMany } from "../support/start-many.js";
import { requireNetwork, withNetwork } from "../support/with-network.js";

const REPLICAS = 20;
const [HANGING, SLOW, FULL] = [0, 1, 2];
const SICK = [HANGING, SLOW, FULL];
const WELL = Array.from({ length: REPLICAS }, (_, index) => index).filter((index) => !SICK.includes(index));

const CONFIG = { index: { processes: 1 }, receive: { min_free_bytes: "1MiB" } };
/** Nobody gives up on the one that hangs: it must be no trouble to the others for as long as it does. */
const PUSH = { hello_seconds: 2, stall_seconds: 3600 };
const PRIMARY = { ...QUIET, index: { processes: 1 }, push: PUSH };

test("one replica hangs, one is slow, one is full: seventeen get every generation, and the three when they are well", async (t) => {
  if (!(await requireNetwork(t))) return;
  await withNetwork({ replicas: REPLICAS }, async (network) => {
    const replicas = Array.from({ length: REPLICAS }, () => ({ volume: "256M", config: CONFIG }));
    await withMany({ replicas, network, volume: "1G", primary: PRIMARY }, async (many) => {
      const one = fleetOf(many, 0);
      await ingest(one, someEvents(10));
      const first = await seal(one);
      await allAck(many, [...SICK, ...WELL], first);
      const heal = await makeSick(many);
      for (let round = 0; round < 4; round += 1) {
        await ingest(one, someEvents(5));
        const generation = await seal(one);
        const links = await allAck(many, WELL, generation);
        for (const index of SICK) assert.equal(links[index]?.generation, first, `replica ${index} is not sick`);
      }
      const links = await linksOf(many);
      assert.equal(links[HANGING]?.pushing?.generation, first + 1);
      assert.equal(links[SLOW]?.pushing?.generation, first + 1);
      assert.equal(links[FULL]?.health, "full");
      for (const index of WELL) assert.deepEqual([links[index]?.health, links[index]?.pushes.failed], ["healthy", 0]);
      await heal();
      await expectAllConverged(many);
    });
  });
});

/** With a backlog of some megabytes. Resolves, once all three are sick, with the way to make them well. */
async function makeSick(many: ManyFleet): Promise<() => Promise<void>> {
  const [hanging, slow, full] = SICK.map((index) => fleetOf(many, index));
  assert.ok(hanging && slow && full);
  const filler = join(full.replica.root, "filler");
  await fillVolume(filler);
  await many.replicas[HANGING]?.link?.shape({ rateMbit: 8 });
  await many.replicas[SLOW]?.link?.shape({ rateMbit: 0.064 });
  await ingest(hanging, bigEvents(40));
  await seal(hanging);
  await linkBecomes(hanging, ({ pushing }) => (pushing?.bytes ?? 0) > 500_000);
  process.kill(hanging.replica.daemon.pid, "SIGSTOP");
  await linkBecomes(slow, ({ pushing }) => (pushing?.bytes ?? 0) > 0);
  await linkBecomes(full, ({ health }) => health === "full");
  return async () => {
    await many.replicas[SLOW]?.link?.shape({});
    await many.replicas[HANGING]?.link?.shape({});
    process.kill(hanging.replica.daemon.pid, "SIGCONT");
    await makeRoom(filler);
    await mustRun(many.primary, "resync", full.replicaName);
  };
}
