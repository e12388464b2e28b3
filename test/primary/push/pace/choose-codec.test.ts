// Which codec a push gets: for its size, its link, and what pushes before it have shown.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CodecQuestion, chooseCodec, STAY_FACTOR } from "../../../../primary/push/pace/choose-codec.js";
import { codecOf, possibleCodecs } from "../../../../primary/push/pace/codec.js";
import { CodecExperience } from "../../../../primary/push/pace/codec-experience.js";

const MBIT = 1e6;
const MIB = 2 ** 20;
const ALL = possibleCodecs({ compressedData: true, zstd: true });
const WITHOUT_EXTENTS = possibleCodecs({ compressedData: false, zstd: true });

function question(rawBytes: number, bitsPerSecond: number, more: Partial<CodecQuestion> = {}): CodecQuestion {
  const path = { bitsPerSecond, roundTripMs: 1 };
  return { rawBytes, path, possible: ALL, experience: new CodecExperience(), last: undefined, ...more };
}

const chosen = (...args: Parameters<typeof question>) => chooseCodec(question(...args)).codec.name;

describe("the codec of a push", () => {
  test("is none on a fast link or for a small push, and zstd where the link is what takes the time", () => {
    assert.equal(chosen(50 * MIB, 10_000 * MBIT), "extents");
    assert.equal(chosen(13_000, 100 * MBIT), "extents");
    assert.match(chosen(12 * MIB, 10 * MBIT), /zstd-/);
    assert.equal(chosen(50 * MIB, 10_000 * MBIT, { possible: WITHOUT_EXTENTS }), "raw");
    assert.match(chosen(12 * MIB, 10 * MBIT, { possible: WITHOUT_EXTENTS }), /^zstd-/);
  });

  test("compresses harder the slower the link", () => {
    const levels = [1000, 100, 10, 0.3].map((mbit) => {
      const name = chosen(12 * MIB, mbit * MBIT, { possible: WITHOUT_EXTENTS });
      return Number(/\d+$/.exec(name)?.[0] ?? 0);
    });
    assert.deepEqual(
      [...levels].sort((a, b) => a - b),
      levels,
    );
    assert.ok((levels.at(-1) ?? 0) > (levels[0] ?? 0), String(levels));
  });

  test("over 10 Mbit/s takes at most half the time of the plain stream", () => {
    for (const rawBytes of [1, 4, 12, 100].map((mib) => mib * MIB)) {
      for (const possible of [ALL, WITHOUT_EXTENTS]) {
        const asked = question(rawBytes, 10 * MBIT, { possible });
        const raw = asked.experience.estimateMs(codecOf(false, undefined), rawBytes, asked.path);
        assert.ok(chooseCodec(asked).estimatedMs <= 0.5 * raw);
      }
    }
  });

  test("is only what both ends can do", () => {
    assert.deepEqual(possibleCodecs({ compressedData: false, zstd: false }), [codecOf(false, undefined)]);
    const names = possibleCodecs({ compressedData: true, zstd: false }).map(({ name }) => name);
    assert.deepEqual(names, ["extents", "raw"]);
  });

  test("stays what it was while that is nearly as good, so that it does not flap between two", () => {
    const experience = new CodecExperience();
    const rate = (bps: number, last: string | undefined) =>
      chooseCodec(question(4 * MIB, bps, { experience, last, possible: WITHOUT_EXTENTS }));
    // The link at which the choice turns.
    let [low, high] = [1 * MBIT, 10_000 * MBIT];
    const slow = rate(low, undefined).codec.name;
    assert.notEqual(rate(high, undefined).codec.name, slow);
    while (high / low > 1.001) {
      const middle = Math.sqrt(low * high);
      if (rate(middle, undefined).codec.name === slow) low = middle;
      else high = middle;
    }
    const fast = rate(high, undefined).codec.name;
    for (const noise of [0.97, 1.03, 0.98, 1.02]) {
      assert.equal(rate(low * noise, slow).codec.name, slow);
      assert.equal(rate(low * noise, fast).codec.name, fast);
    }
    assert.equal(rate(low / 8, fast).codec.name, rate(low / 8, undefined).codec.name);
    for (const bps of [0.1, 1, 10, 100, 1000].map((mbit) => mbit * MBIT)) {
      for (const { name } of WITHOUT_EXTENTS) {
        assert.ok(rate(bps, name).estimatedMs <= STAY_FACTOR * rate(bps, undefined).estimatedMs * 1.0001);
      }
    }
  });

  test("counts what the filesystem still has to compress where a link leaves no time for that, and only there", () => {
    // 10,000 events as they were measured: 2.06 MiB as extents. Over 10 Mbit/s zstd-1 was acked in 1.9 s and extents in 2.1,
    // over 100 in 0.70 and 0.54.
    const rawBytes = 10.9 * MIB;
    const experience = new CodecExperience();
    experience.counted(codecOf(true, undefined), rawBytes, 2.06 * MIB);
    for (const last of ["extents", "zstd-1"]) {
      assert.equal(chosen(rawBytes, 9.4 * MBIT, { experience, last }), "zstd-1", last);
      assert.equal(chosen(rawBytes, 94 * MBIT, { experience, last }), "extents", last);
    }
  });

  test("gives its reason in words", () => {
    const { reason } = chooseCodec(question(12 * MIB, 9.8 * MBIT, { rateNote: "at least" }));
    assert.match(reason, /^zstd-1: at least 9\.8 Mbit\/s, 12 MiB: \d\.\d+ s against 10\.\d s raw$/);
    assert.match(chooseCodec(question(13_000, 1000 * MBIT)).reason, /^extents: 1 Gbit\/s, 12\.7 KiB: 25 ms against /);
  });
});

describe("what pushes teach", () => {
  const zstd1 = codecOf(false, 1);
  const zstd9 = codecOf(false, 9);
  const push = { rawBytes: 4 * MIB, wireBytes: 4 * MIB, ms: 1000, boundByPrograms: false };

  test("data that does not compress ends compression, on a link where it had paid", () => {
    const experience = new CodecExperience();
    const ask = () => chooseCodec(question(4 * MIB, 200 * MBIT, { experience, possible: WITHOUT_EXTENTS })).codec;
    assert.match(ask().name, /^zstd-/);
    for (let i = 0; i < 20; i += 1) experience.note(ask(), push);
    assert.equal(ask().name, "raw");
  });

  test("a ratio is learnt within a few pushes, and moves the levels beside it", () => {
    const experience = new CodecExperience();
    const before = experience.ratio(zstd9, push.rawBytes);
    for (let i = 0; i < 10; i += 1) experience.note(zstd1, { ...push, wireBytes: push.rawBytes / 12 });
    assert.ok(Math.abs(experience.ratio(zstd1, push.rawBytes) - 12) < 0.5);
    assert.ok(experience.ratio(zstd9, push.rawBytes) > 1.4 * before);
    assert.equal(experience.ratio(codecOf(false, undefined), push.rawBytes), 1);
  });

  test("extents that were counted are known for what they are, whatever was thought of them", () => {
    const extents = codecOf(true, undefined);
    for (const wireBytes of [push.rawBytes / 9, push.rawBytes / 1.5]) {
      const experience = new CodecExperience();
      for (let i = 0; i < 5; i += 1) experience.note(extents, { ...push, wireBytes: push.rawBytes / 3 });
      experience.counted(extents, push.rawBytes, wireBytes);
      const ratio = experience.ratio(extents, push.rawBytes);
      assert.ok(Math.abs(ratio - push.rawBytes / wireBytes) < 1e-6, String(ratio));
    }
    const small = new CodecExperience();
    small.counted(extents, push.rawBytes, push.rawBytes / 9);
    assert.equal(chosen(push.rawBytes, 100 * MBIT, { experience: small }), "extents");
    const large = new CodecExperience();
    large.counted(extents, push.rawBytes, push.rawBytes / 1.2);
    assert.match(chosen(push.rawBytes, 100 * MBIT, { experience: large }), /zstd/);
  });

  test("programs that are slower than thought are avoided, and a slow link does not make them look so", () => {
    const path = { bitsPerSecond: 10_000 * MBIT, roundTripMs: 1 };
    const experience = new CodecExperience();
    const before = experience.estimateMs(zstd9, push.rawBytes, path);
    for (let i = 0; i < 10; i += 1) experience.note(zstd9, { ...push, wireBytes: push.rawBytes / 6, ms: 8000 });
    assert.ok(experience.estimateMs(zstd9, push.rawBytes, path) < 1.01 * before);
    const bound = { ...push, wireBytes: push.rawBytes / 6, ms: 8000, boundByPrograms: true };
    for (let i = 0; i < 10; i += 1) experience.note(zstd9, bound);
    assert.ok(experience.estimateMs(zstd9, push.rawBytes, path) > 6000);
  });
});
