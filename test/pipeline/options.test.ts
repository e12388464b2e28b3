// The options that change what goes over the wire and onto the disk: level none and back, zstd on the stream, extents as
// they are compressed on disk or not.
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import {
  expectConverged,
  ingest,
  jsonLines,
  linkBecomes,
  mustRun,
  QUIET,
  seal,
  someEvents,
  storeOf,
} from "../support/drive-fleet.js";
import { type Fleet, makeFleet } from "../support/start-fleet.js";
import { WHATEVER_THE_LOAD } from "../support/start-many.js";

describe("options", () => {
  test("level none makes no vectors and search finds by words; with a level again, later events have vectors", async () => {
    await withDaemons({ vectorize: { level: "none" } }, async (fleet) => {
      await ingest(fleet, someEvents(5, "quiet"));
      await seal(fleet);
      await expectConverged(fleet);
      const replica = await storeOf(fleet, "replica");
      assert.deepEqual(await readdir(replica.generation(1).vector), ["generation"]);
      const found = jsonLines<{ text?: unknown; vector?: unknown }>(
        await mustRun(fleet.replica, "search", "quiet", "--json"),
      );
      assert.ok(found.slice(0, -1).every(({ text, vector }) => text !== undefined && vector === undefined));
      assert.ok(found.length > 1);

      await configure(fleet, { vectorize: { level: "heuristic" } });
      await ingest(fleet, someEvents(5, "loud"));
      await seal(fleet);
      await expectConverged(fleet);
      assert.match(await mustRun(fleet.replica, "similar", "6", "--json"), /"cosine":/);

      await configure(fleet, { vectorize: { level: "none" } });
      await ingest(fleet, someEvents(5, "quiet"));
      await seal(fleet);
      await expectConverged(fleet);
    });
  });

  test("streams compressed with zstd, and extents sent uncompressed, arrive as the same bytes", async () => {
    await withDaemons({ push: { compression: "zstd", zstd_level: 3 } }, async (fleet) => {
      const plain = await pushed(fleet, 1);
      await configure(fleet, { push: { compression: "zstd", compressed_data: "never" } });
      const squeezed = await pushed(fleet, 2);
      await configure(fleet, { push: { compression: "none", compressed_data: "never" } });
      const raw = await pushed(fleet, 3);
      assert.ok(raw > 2 * squeezed, `${raw} bytes raw, ${squeezed} with zstd`);
      assert.ok(raw > plain, `${raw} bytes raw, ${plain} with zstd and compressed extents`);
    });
  });
});

/** Seals 2,000 events and returns the bytes that their push took. */
async function pushed(fleet: Fleet, generation: number): Promise<number> {
  await ingest(fleet, someEvents(2000));
  await seal(fleet);
  const { last_push } = await linkBecomes(fleet, (link) => link.generation === generation);
  await expectConverged(fleet);
  return last_push?.bytes ?? 0;
}

/** Restarts the primary with these options. */
async function configure(fleet: Fleet, options: { vectorize?: object; push?: object }): Promise<void> {
  const { configPath, daemon } = fleet.primary;
  const { vectorize: _level, push: _push, ...kept } = JSON.parse(await readFile(configPath, "utf8"));
  await daemon.stop();
  const push = { ...WHATEVER_THE_LOAD, ...options.push };
  await writeFile(configPath, JSON.stringify({ ...kept, ...options, push }));
  await daemon.start();
}

async function withDaemons(options: Record<string, unknown>, body: (fleet: Fleet) => Promise<void>): Promise<void> {
  const fleet = await makeFleet({ volume: "256M", primary: { ...QUIET, ...options } });
  try {
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    await body(fleet);
  } finally {
    await fleet.stop();
  }
}
