// Measures a link with bytes that are thrown away, where real pushes have not shown what it can do and one is about to
// begin for which that matters. Each try is larger than the last, until it took long enough to mean something.
import { MAX_PROBE_BYTES } from "../../../shared/protocol/protocol.js";
import type { Arrival } from "../wire/replica-client.js";
import type { LinkSample } from "./link-speed.js";

const FIRST_BYTES = 64 * 1024;
const GROWTH = 4;
/** No try begins after so long: a slow link is known by then, and the push waits. */
const MOST_MS = 2000;
/** A try of this length, and of a few round trips, is past the slow beginning of TCP. */
const LONG_ENOUGH_MS = 150;
const LONG_ENOUGH_ROUND_TRIPS = 6;

export interface ProbeOptions {
  /** No try is larger than this. */
  mostBytes: number;
  roundTripMs: number;
  /** One try; `undefined` if the replica does not say how it arrived. */
  send: (bytes: number) => Promise<{ arrival: Arrival | undefined; idleMs: number }>;
  nowMs: () => number;
}

/** What the last try showed; `undefined` if the replica does not measure. */
export async function probeLink({
  mostBytes,
  roundTripMs,
  send,
  nowMs,
}: ProbeOptions): Promise<LinkSample | undefined> {
  const beganMs = nowMs();
  const most = Math.min(MAX_PROBE_BYTES, mostBytes);
  for (let bytes = Math.min(FIRST_BYTES, most); ; bytes = Math.min(most, bytes * GROWTH)) {
    const { arrival, idleMs } = await send(bytes);
    if (!arrival) return undefined;
    const longEnough = arrival.ms >= Math.max(LONG_ENOUGH_MS, LONG_ENOUGH_ROUND_TRIPS * roundTripMs);
    if (longEnough || bytes >= most || nowMs() - beganMs >= MOST_MS) {
      return { bytes: arrival.bytes, ms: arrival.ms, senderIdleMs: idleMs, receiverBusyMs: arrival.busyMs };
    }
  }
}
