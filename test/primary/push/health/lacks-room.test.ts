import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { lacksAsBefore, lacksRoom } from "../../../../primary/push/health/lacks-room.js";
import type { HelloRoom } from "../../../../shared/protocol/protocol.js";

const MIB = 2 ** 20;
const room = (more: Partial<HelloRoom>): HelloRoom => ({
  free_bytes: 1000 * MIB,
  min_free_bytes: 64 * MIB,
  metadata_free_bytes: 200 * MIB,
  min_metadata_bytes: 16 * MIB,
  ...more,
});

describe("room for a push", () => {
  const cases: [name: string, room: HelloRoom | undefined, rawMib: number, reason: RegExp | undefined][] = [
    ["a replica that says nothing of its room is tried", undefined, 10_000, undefined],
    ["there is enough", room({}), 900, undefined],
    ["more than is free may still fit, compressed", room({}), 9_000, undefined],
    ["more than ten times of what is free never does", room({}), 9_400, /about 9400MiB does not fit into the 936MiB/],
    [
      "exactly what must stay is free: nothing may be sent",
      room({ free_bytes: 64 * MIB }),
      0.1,
      /does not fit into the 0\.0MiB/,
    ],
    ["exactly what must stay is free, and nothing is sent", room({ free_bytes: 64 * MIB }), 0, undefined],
    [
      "less than must stay is free",
      room({ free_bytes: 63.5 * MIB }),
      0,
      /64MiB are free on the replica.*min_free_bytes is 64MiB/,
    ],
    [
      "metadata is short, whatever is free",
      room({ metadata_free_bytes: 8.5 * MIB }),
      0,
      /8\.5MiB are left for btrfs metadata.* needs 16MiB/,
    ],
    ["metadata is unknown there", room({ metadata_free_bytes: undefined }), 10, undefined],
  ];
  for (const [name, said, rawMib, reason] of cases) {
    test(name, () => {
      const lacking = lacksRoom(said, rawMib * MIB);
      if (reason) assert.match(lacking ?? "", reason);
      else assert.equal(lacking, undefined);
    });
  }
});

describe("room for a push after one that did not fit", () => {
  const refused = { rawBytes: 100 * MIB, freeBytes: 50 * MIB };
  const cases: [name: string, rawMib: number, freeMib: number, lacks: boolean][] = [
    ["the same again", 100, 50, true],
    ["a larger one", 200, 50, true],
    ["a little more is free", 100, 59, true],
    ["so much more is free that it may fit, compressed", 100, 61, false],
    ["a smaller one", 89, 50, false],
  ];
  test("what was refused is not known", () => {
    assert.equal(lacksAsBefore({ rawBytes: MIB, freeBytes: 0 }, { rawBytes: 0, freeBytes: 0 }), undefined);
  });
  for (const [name, rawMib, freeMib, lacks] of cases) {
    test(name, () => {
      const reason = lacksAsBefore({ rawBytes: rawMib * MIB, freeBytes: freeMib * MIB }, refused);
      assert.equal(reason !== undefined, lacks, reason);
      if (lacks) assert.match(reason ?? "", /^\d+MiB are free .*; a push of about 100MiB did not fit when 50MiB were$/);
    });
  }
});
