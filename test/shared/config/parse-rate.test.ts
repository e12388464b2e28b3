// Rates as people write them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { rate } from "../../../shared/config/option-types.js";
import { formatRate, parseRate } from "../../../shared/config/parse-rate.js";

describe("a rate", () => {
  test("is read in bits and in bytes, by thousands and by 1024", () => {
    const rates: [text: string, bitsPerSecond: number][] = [
      ["64000 bit/s", 64_000],
      ["512 kbit/s", 512_000],
      ["20 Mbit/s", 20_000_000],
      ["20Mbit/s", 20_000_000],
      ["2.5 Gbit/s", 2_500_000_000],
      ["100 kB/s", 800_000],
      ["1.5 MB/s", 12_000_000],
      ["1MiB/s", 8 * 2 ** 20],
    ];
    for (const [text, bitsPerSecond] of rates) assert.equal(parseRate(text), bitsPerSecond, text);
  });

  test("is refused where bits and bytes, or thousands and 1024, could be confused", () => {
    for (const text of ["20", "20M", "20 mbit/s", "20 Mb/s", "20 MBit/s", "20 Mbps", "-1 Mbit/s", "fast", ""]) {
      assert.equal(parseRate(text), undefined, text);
    }
  });

  test("is shown with three digits, in bits", () => {
    assert.equal(formatRate(9_812_345), "9.81 Mbit/s");
    assert.equal(formatRate(2_500_000_000), "2.5 Gbit/s");
    assert.equal(formatRate(64_000), "64 kbit/s");
    assert.equal(formatRate(640), "640 bit/s");
  });

  test("of the configuration is refused in words that name the way out", () => {
    for (const value of ["20 Mbps", "1 kbit/s", 20_000_000]) {
      const parsed = rate(64_000).safeParse(value);
      assert.equal(parsed.success, false);
      assert.match(
        parsed.error?.issues[0]?.message ?? "",
        /at least 64 kbit\/s, such as "20 Mbit\/s"; units: bit\/s, kbit\/s/,
      );
    }
    assert.equal(rate(64_000).parse("1 Mbit/s"), 1_000_000);
  });
});
