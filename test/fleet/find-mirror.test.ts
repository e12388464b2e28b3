// Which mirror the hosts of the fleet are made from, told from what apt on this machine would fetch.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { mirrorOf } from "./find-mirror.js";

const line = (base: string, path: string) => `'${base}/dists/${path}' some_name 0 `;
const INDEXES = [
  line("https://packages.vendor.example/apt", "vendor-bookworm/InRelease"),
  line("http://mirror.example/debian", "bookworm/InRelease"),
  line("http://mirror.example/debian", "bookworm/main/binary-amd64/Packages.xz"),
  line("http://mirror.example/debian-security", "bookworm-security/InRelease"),
];

describe("the mirror of a release", () => {
  test("is the one that apt has this very release from", () => {
    const both = [...INDEXES, line("http://other.example/d", "trixie/InRelease")];
    assert.equal(mirrorOf("trixie", "bookworm", both), "http://other.example/d");
    assert.equal(mirrorOf("bookworm", "bookworm", both), "http://mirror.example/debian");
  });

  test("is else the one that the machine's own release is from, which has the others too", () => {
    assert.equal(mirrorOf("trixie", "bookworm", INDEXES), "http://mirror.example/debian");
  });

  test("is not a vendor's, nor that of security updates, nor a disk", () => {
    assert.equal(mirrorOf("trixie", "forky", INDEXES), undefined);
    assert.equal(mirrorOf("trixie", undefined, ["'cdrom:[Debian]/dists/trixie/InRelease' name 0"]), undefined);
    assert.equal(mirrorOf("trixie", "trixie", []), undefined);
  });
});
