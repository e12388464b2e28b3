// What pushes say of a link's speed, and what they do not.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type LinkSample, LinkSpeed, STALE_MS } from "../../../../primary/push/pace/link-speed.js";
import { rateOf, transferMs } from "../../../../primary/push/pace/transfer-time.js";

const MBIT = 1e6;

/** What a push of `bytes` shows over a link of this speed when nothing else holds it up. */
function sampleOf(bytes: number, bitsPerSecond: number, more: Partial<LinkSample> = {}): LinkSample {
  return { bytes, ms: (bytes * 8000) / bitsPerSecond, senderIdleMs: 0, receiverBusyMs: 0, ...more };
}

function isNear(found: number, wanted: number, share = 0.02): void {
  assert.ok(Math.abs(found - wanted) <= share * wanted, `${found} is not near ${wanted}`);
}

function known(speed: LinkSpeed, nowMs: number) {
  const reading = speed.reading(nowMs);
  assert.notEqual(reading.state, "unknown");
  return reading as Extract<typeof reading, { bitsPerSecond: number }>;
}

describe("the speed of a link", () => {
  test("is unknown until a push has shown it, and stale when nothing has for a while", () => {
    const speed = new LinkSpeed();
    assert.equal(speed.reading(0).state, "unknown");
    speed.note(sampleOf(1e6, 10 * MBIT), 1000);
    assert.deepEqual([known(speed, 2000).state, known(speed, 2000).ageMs], ["measured", 1000]);
    isNear(known(speed, 2000).bitsPerSecond, 10 * MBIT);
    assert.equal(known(speed, 1001 + STALE_MS).state, "stale");
  });

  test("follows a link that changes within a few pushes, and an odd push of the same size moves it by half at the most", () => {
    const speed = new LinkSpeed();
    for (let i = 0; i < 5; i += 1) speed.note(sampleOf(1e6, 10 * MBIT), i);
    speed.note(sampleOf(1e6, 100 * MBIT), 6);
    assert.ok(known(speed, 6).bitsPerSecond < 20 * MBIT);
    for (let i = 0; i < 6; i += 1) speed.note(sampleOf(8e6, 100 * MBIT), 7 + i);
    isNear(known(speed, 20).bitsPerSecond, 100 * MBIT, 0.2);
    for (let i = 0; i < 6; i += 1) speed.note(sampleOf(1e6, 1 * MBIT), 20 + i);
    isNear(known(speed, 30).bitsPerSecond, 1 * MBIT, 0.1);
  });

  test("is not taken from a short push that lost a packet, while long ones are remembered", () => {
    const speed = new LinkSpeed();
    for (let i = 0; i < 3; i += 1) speed.note(sampleOf(2e6, 100 * MBIT), i);
    speed.note({ ...sampleOf(16_384, 100 * MBIT), ms: 202 }, 4);
    assert.ok(known(speed, 4).bitsPerSecond > 30 * MBIT, `${known(speed, 4).bitsPerSecond}`);
    // If all are short, what they take is what is to be expected.
    for (let i = 0; i < 20; i += 1) speed.note({ ...sampleOf(16_384, 100 * MBIT), ms: 202 }, 5 + i);
    assert.ok(known(speed, 30).bitsPerSecond < 2 * MBIT, `${known(speed, 30).bitsPerSecond}`);
  });

  test("is at least what a push had that its sender or its receiver held up, and no lower than what was measured", () => {
    for (const held of [{ senderIdleMs: 500 }, { receiverBusyMs: 500 }]) {
      const speed = new LinkSpeed();
      speed.note(sampleOf(1e6, 8 * MBIT, held), 1);
      assert.equal(known(speed, 1).atLeast, true);
      speed.note(sampleOf(1e7, 80 * MBIT), 2);
      assert.equal(known(speed, 2).atLeast, false);
      isNear(known(speed, 2).bitsPerSecond, 80 * MBIT);
      speed.note(sampleOf(1e6, 8 * MBIT, held), 3);
      isNear(known(speed, 3).bitsPerSecond, 80 * MBIT);
      speed.note({ ...sampleOf(1e6, 160 * MBIT), ...held }, 4);
      isNear(known(speed, 4).bitsPerSecond, 160 * MBIT);
      assert.equal(known(speed, 4).atLeast, true);
    }
  });

  test("is not taken from a handful of bytes", () => {
    const speed = new LinkSpeed();
    speed.note(sampleOf(4000, 1 * MBIT), 1);
    speed.note({ bytes: 1e6, ms: 0.5, senderIdleMs: 0, receiverBusyMs: 0 }, 1);
    assert.equal(speed.reading(1).state, "unknown");
  });

  test("allows for TCP's slow beginning over a long way", () => {
    const speed = new LinkSpeed();
    for (const ms of [900, 80, 95, 81]) speed.noteRoundTrip(ms);
    assert.equal(speed.reading(0).roundTripMs, 80);
    const path = { bitsPerSecond: 20 * MBIT, roundTripMs: 80 };
    const bytes = 2e6;
    speed.note({ bytes, ms: transferMs(bytes, path), senderIdleMs: 0, receiverBusyMs: 0 }, 1);
    isNear(known(speed, 1).bitsPerSecond, 20 * MBIT);
    // All of it went in the first few windows: the link may be any faster.
    const short = new LinkSpeed();
    for (const ms of [900, 80]) short.noteRoundTrip(ms);
    short.note({ bytes: 100_000, ms: 200, senderIdleMs: 0, receiverBusyMs: 0 }, 1);
    assert.equal(known(short, 1).atLeast, true);
  });

  test("a longer way is noticed once the shorter one is forgotten, and one slow answer changes nothing", () => {
    const speed = new LinkSpeed();
    for (const ms of [50, 10, 10, 700, 11]) speed.noteRoundTrip(ms);
    assert.equal(speed.reading(0).roundTripMs, 10);
    for (let i = 0; i < 8; i += 1) speed.noteRoundTrip(60);
    assert.equal(speed.reading(0).roundTripMs, 60);
  });
});

describe("the time of a transfer", () => {
  test("grows with the bytes, falls with the rate, and gives the rate back", () => {
    for (const roundTripMs of [0, 1, 80]) {
      for (const bitsPerSecond of [1 * MBIT, 10 * MBIT, 100 * MBIT]) {
        const path = { bitsPerSecond, roundTripMs };
        assert.ok(transferMs(2e6, path) > transferMs(1e6, path));
        assert.ok(transferMs(1e6, path) > transferMs(1e6, { ...path, bitsPerSecond: 2 * bitsPerSecond }));
        const bytes = bitsPerSecond / 4;
        isNear(rateOf(bytes, transferMs(bytes, path), roundTripMs) ?? 0, bitsPerSecond);
      }
    }
    isNear(transferMs(1e6, { bitsPerSecond: 8 * MBIT, roundTripMs: 0 }), 1000);
  });
});
