// A replica that is put back to an older day, and two builds that speak different protocols: both are told apart from a
// healthy link, and nothing is mended in silence.
import assert from "node:assert/strict";
import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { PROTOCOL_VERSION } from "../../shared/protocol/protocol.js";
import { backUp, restore } from "../support/copy-volume.js";
import {
  expectConverged,
  ingest,
  linkBecomes,
  listSubvolumes,
  mustRun,
  QUIET,
  readHead,
  seal,
  someEvents,
  storeOf,
  wakeLink,
} from "../support/drive-fleet.js";
import { type Fleet, makeFleet, withFleet } from "../support/start-fleet.js";
import { withFolder } from "../support/with-folder.js";

const SMALL = { volume: "256M", primary: { ...QUIET, push: { hello_seconds: 1 } } };
const COMPILED = fileURLToPath(new URL("../../", import.meta.url));

describe("a replica restored from a backup of its volume", () => {
  test("of an older generation takes all it lacks, and answers with the primary's head again", async () => {
    await withFleet(SMALL, async (fleet) => {
      await sealRounds(fleet, 2);
      const backup = await backUpHealthy(fleet);
      await sealRounds(fleet, 2);
      const { pushes } = await linkBecomes(fleet, ({ generation }) => generation === 4);
      await restore(fleet.replica, backup);
      await wakeLink(fleet);
      await expectConverged(fleet);
      const after = await linkBecomes(fleet, () => true);
      assert.deepEqual([after.pushes.acked, after.last_push?.generation], [pushes.acked + 1, 4]);
      await sealRounds(fleet, 1);
      const link = await linkBecomes(fleet, ({ generation }) => generation === 5);
      assert.equal(link.last_push?.kind, "increment");
    });
  });

  test("of the generation that it holds is sent nothing", async () => {
    await withFleet(SMALL, async (fleet) => {
      await sealRounds(fleet, 2);
      const before = await linkBecomes(fleet, ({ generation }) => generation === 2);
      await restore(fleet.replica, await backUpHealthy(fleet));
      await wakeLink(fleet);
      await expectConverged(fleet);
      const { bytes_sent } = await linkBecomes(fleet, () => true);
      assert.equal(bytes_sent, before.bytes_sent);
    });
  });

  test("while both were down comes back by itself, and its accepted head never stands above what it holds", async () => {
    await withFleet(SMALL, async (fleet) => {
      await sealRounds(fleet, 1);
      const backup = await backUpHealthy(fleet);
      await sealRounds(fleet, 3);
      await fleet.primary.daemon.stop();
      await restore(fleet.replica, backup);
      const replica = await storeOf(fleet, "replica");
      const held = await readHead(replica.generation(1).checkpoint);
      assert.deepEqual(await readHead(replica.acceptedHead), held);
      await fleet.primary.daemon.start();
      await expectConverged(fleet);
    });
  });
});

describe("a replica of another build", () => {
  test("that speaks another protocol is told as such, is sent nothing, and is taken up again after its upgrade", async () => {
    await withFolder(async (folder) => {
      const fleet = await makeFleet({ ...SMALL, replicaBin: await otherProtocol(folder) });
      try {
        await fleet.replica.daemon.start();
        await fleet.primary.daemon.start();
        await ingest(fleet, someEvents(3));
        await seal(fleet);
        const link = await linkBecomes(fleet, ({ code }) => code === "protocol-mismatch");
        assert.equal(link.health, "version-mismatch");
        const both = `this replica speaks protocol ${PROTOCOL_VERSION + 1}, the primary ${PROTOCOL_VERSION}`;
        assert.equal(link.reason, both);
        assert.match(link.hint ?? "", /upgrade the older/);
        assert.match(await mustRun(fleet.primary, "status"), /version-mismatch/);
        assert.deepEqual([link.bytes_sent, await listSubvolumes(fleet.replica.root)], [0, []]);
        await upgrade(folder);
        await fleet.replica.daemon.stop();
        await fleet.replica.daemon.start();
        await wakeLink(fleet);
        await expectConverged(fleet);
      } finally {
        await fleet.stop();
      }
    });
  });
});

/** Each is acked before the next. */
async function sealRounds(fleet: Fleet, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await ingest(fleet, someEvents(5));
    const next = await seal(fleet);
    await linkBecomes(fleet, ({ generation }) => generation === next);
  }
}

/** A copy of the replica's volume; the replica is well again. */
async function backUpHealthy(fleet: Fleet): Promise<string> {
  const backup = await backUp(fleet.replica);
  await wakeLink(fleet);
  await linkBecomes(fleet, ({ health }) => health === "healthy");
  return backup;
}

/** A copy of this build in `folder` whose protocol is the next one; its replica's bin. */
async function otherProtocol(folder: string): Promise<string> {
  for (const part of ["replica", "shared"])
    await cp(join(COMPILED, part), join(folder, "dist", part), { recursive: true });
  const project = dirname(COMPILED);
  await cp(join(project, "package.json"), join(folder, "package.json"));
  await symlink(join(project, "node_modules"), join(folder, "node_modules"));
  await setProtocol(folder, PROTOCOL_VERSION, PROTOCOL_VERSION + 1);
  return join(folder, "dist", "replica", "main.js");
}

async function upgrade(folder: string): Promise<void> {
  await setProtocol(folder, PROTOCOL_VERSION + 1, PROTOCOL_VERSION);
}

async function setProtocol(folder: string, from: number, to: number): Promise<void> {
  const path = join(folder, "dist", "shared", "protocol", "protocol.js");
  const text = await readFile(path, "utf8");
  const changed = text.replace(`PROTOCOL_VERSION = ${from};`, `PROTOCOL_VERSION = ${to};`);
  assert.notEqual(changed, text);
  await writeFile(path, changed);
}
