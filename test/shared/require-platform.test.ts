// The words for a Node that cannot run this build. Real ones are tried on a release, in test/release.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Host, platformProblem, type ReleasePlatform, thisHost } from "../../shared/require-platform.js";

const RELEASE: ReleasePlatform = {
  platform: "linux-x64-node20-glibc2.36",
  os: "linux",
  arch: "x64",
  node_abi: "115",
  glibc: "2.36",
};
const HOST: Host = { os: "linux", arch: "x64", nodeVersion: "20.19.2", nodeAbi: "115", glibc: "2.36" };

describe("a release", () => {
  test("runs on what it was made for, on a later glibc, and on another Node of the same ABI", () => {
    for (const more of [{}, { glibc: "2.41" }, { glibc: "3.0" }, { nodeVersion: "20.20.0" }])
      assert.equal(platformProblem(RELEASE, { ...HOST, ...more }), undefined);
  });

  test("names both where the Node, its ABI, the processor, the system or the C library is another", () => {
    const cases: [Partial<Host>, RegExp][] = [
      [{ nodeVersion: "18.19.0", nodeAbi: "108" }, /Node\.js 18\.19\.0 is too old: Isochron needs 20\.19 or later/],
      [{ nodeVersion: "20.9.0" }, /Node\.js 20\.9\.0 is too old/],
      [{ nodeVersion: "24.1.0", nodeAbi: "137" }, /for Node\.js 20 \(ABI 115\), and this is 24\.1\.0 \(ABI 137\)/],
      [{ arch: "arm64" }, /for linux on x64, and this is linux on arm64/],
      [{ os: "darwin", glibc: undefined }, /for linux on x64, and this is darwin on x64/],
      [{ glibc: "2.4" }, /needs glibc 2\.36 or later, and here is 2\.4$/],
      [{ glibc: undefined }, /needs glibc 2\.36 or later, and here is another C library/],
    ];
    for (const [more, words] of cases) {
      const problem = platformProblem(RELEASE, { ...HOST, ...more });
      assert.match(problem?.message ?? "", words);
      assert.match(problem?.hint ?? "", /^(install|run it with Node\.js 20)/);
    }
  });
});

describe("a checkout", () => {
  test("asks for no more than the oldest Node that there may be", () => {
    assert.equal(
      platformProblem(undefined, { ...HOST, nodeVersion: "24.1.0", nodeAbi: "137", glibc: undefined }),
      undefined,
    );
    assert.match(platformProblem(undefined, { ...HOST, nodeVersion: "20.18.3" })?.message ?? "", /too old/);
  });

  test("knows what this machine is", () => {
    assert.equal(platformProblem(undefined, thisHost()), undefined);
    assert.match(thisHost().glibc ?? "", /^2\.\d+$/);
  });
});
