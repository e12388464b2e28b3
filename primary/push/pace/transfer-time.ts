// How long a link takes to carry bytes, and the other way round: TCP begins a push slowly, so that short pushes over long
// links say little about their bandwidth. Pure.

export interface LinkPath {
  bitsPerSecond: number;
  roundTripMs: number;
}

/** RFC 6928: what TCP sends before the first acknowledgement; it falls back to it when a connection was quiet (RFC 2861). */
const FIRST_WINDOW_BYTES = 10 * 1448;

/** From the first byte to the last at the far end: windows that double each round trip until they fill the link, then its rate. */
export function transferMs(bytes: number, { bitsPerSecond, roundTripMs }: LinkPath): number {
  const bytesPerMs = bitsPerSecond / 8000;
  let windowBytes = FIRST_WINDOW_BYTES;
  let left = bytes;
  let ms = 0;
  while (windowBytes < bytesPerMs * roundTripMs && left > windowBytes) {
    left -= windowBytes;
    windowBytes *= 2;
    ms += roundTripMs;
  }
  return ms + left / bytesPerMs;
}

const LEAST_BPS = 1e3;
const MOST_BPS = 1e11;

/**
 * The rate at which `bytes` take `ms`; `undefined` where the slow beginning alone explains most of it, and the rate
 * could be anything above.
 */
export function rateOf(bytes: number, ms: number, roundTripMs: number): number | undefined {
  if (transferMs(bytes, { bitsPerSecond: MOST_BPS, roundTripMs }) > 0.7 * ms) return undefined;
  let low = LEAST_BPS;
  let high = MOST_BPS;
  for (let step = 0; step < 60; step += 1) {
    const middle = Math.sqrt(low * high);
    if (transferMs(bytes, { bitsPerSecond: middle, roundTripMs }) > ms) low = middle;
    else high = middle;
  }
  return Math.sqrt(low * high);
}
