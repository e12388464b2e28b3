import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { compressedDataIsSafe, sendsCompressedData } from "../../../../primary/push/wire/choose-protocol.js";
import { withFolder } from "../../../support/with-folder.js";

const GOOD = { kernel: "6.18.44", progs: "6.2" };

const CASES: [kernel: string, progs: string, safe: boolean][] = [
  ["6.1.0-18-amd64", "6.2", true],
  ["6.8.12-4-pve", "6.6.3", true],
  ["7.0.0", "7.1", true],
  ["6.0.19", "6.2", false],
  ["5.18.0", "6.2", false],
  ["5.15.0-91-generic", "5.16.2", false],
  ["6.18.44", "6.1.3", false],
  ["6.18.44", "5.19", false],
  ["6.2-rc3", "6.2", true],
  ["", "6.2", false],
  ["6.18.44", "unknown", false],
];

for (const [kernel, progs, safe] of CASES) {
  test(`kernel ${kernel || "(none)"} with btrfs-progs ${progs} is ${safe ? "good" : "not good"} enough, on either end`, () => {
    assert.equal(compressedDataIsSafe({ kernel, progs }, GOOD), safe);
    assert.equal(compressedDataIsSafe(GOOD, { kernel, progs }), safe);
  });
}

for (const [text, sends] of [
  ["2\n", true],
  ["3\n", true],
  ["1\n", false],
  ["", false],
] as const) {
  test(`a host whose send_stream_version is ${JSON.stringify(text)} ${sends ? "sends" : "does not send"} extents`, async () => {
    await withFolder(async (folder) => {
      await writeFile(join(folder, "send_stream_version"), text);
      assert.equal(await sendsCompressedData(join(folder, "send_stream_version")), sends);
    });
  });
}

test("a container that does not show send_stream_version does not send extents", async () => {
  await withFolder(async (folder) => assert.equal(await sendsCompressedData(join(folder, "none")), false));
});
