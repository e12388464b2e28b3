// Waiting for a state that has to be asked for; `until` looks at one of this process.
import { setTimeout as sleep } from "node:timers/promises";

const FIRST_PAUSE_MS = 20;
const MOST_PAUSE_MS = 200;

/** Waits up to a minute, or for as long as is said, for `holds`; asks often at first, because most states come soon. */
export async function eventually(
  holds: () => Promise<boolean>,
  why: () => string,
  { minutes = 1 }: { minutes?: number } = {},
): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS;
  for (let waitedMs = 0; waitedMs < minutes * 60_000; waitedMs += pauseMs) {
    if (await holds()) return;
    await sleep(pauseMs);
    pauseMs = Math.min(MOST_PAUSE_MS, pauseMs * 1.25);
  }
  throw new Error(why());
}
