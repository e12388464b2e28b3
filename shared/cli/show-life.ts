// Signs of life for systemd's watchdog. Each of them proves that the event loop turns, for nothing else calls the timer, and is
// sent only if nothing hangs that a restart would cure. A host under load must not cost a healthy daemon its life: a sign is
// due at half of the time, and one that did not get through is sent again soon.
import { setTimeout as sleep } from "node:timers/promises";
import { notifySystemd, statusLine, watchdogTimeMs } from "./notify-systemd.js";

export interface Living {
  /** One line of how it is doing. Cheap, and never throws. */
  describe?(): string;
  /**
   * What hangs now and would not after a restart: something that has taken longer than `patienceMs` and waits for nothing
   * outside of the daemon. Never throws.
   */
  findHang?(patienceMs: number): string | undefined;
}

const TRY_AGAIN_MS = 1000;
/** Of the watchdog's time. What is merely slow has come to its end by then. */
const PATIENCE = 2;

/** Sends them until `signal` is aborted, if systemd wants any. */
export async function showLife(daemon: Living, signal: AbortSignal): Promise<void> {
  const timeMs = watchdogTimeMs();
  if (timeMs === undefined) return;
  while (!signal.aborted) {
    const told = await notifySystemd(...signOfLife(daemon, timeMs * PATIENCE));
    const waitMs = told ? timeMs / 2 : Math.min(TRY_AGAIN_MS, timeMs / 4);
    await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** A hang ends in SIGABRT at once: an orderly stop would wait for what hangs. */
function signOfLife(daemon: Living, patienceMs: number): string[] {
  const hang = daemon.findHang?.(patienceMs);
  if (hang !== undefined) return ["WATCHDOG=trigger", statusLine(hang)];
  return ["WATCHDOG=1", ...(daemon.describe ? [statusLine(daemon.describe())] : [])];
}

/** How long a start may block the loop, and how often systemd is asked for that much more. */
const EXTENSION_MS = 120_000;
const EXTEND_EVERY_MS = 20_000;

/**
 * Has systemd wait for a start however long it takes, as long as the loop turns: to verify a large store again, after its
 * index was deleted, takes many minutes, and a start that is killed for it would begin anew, for ever.
 */
export async function extendStart<T>(start: Promise<T>): Promise<T> {
  const extend = () =>
    void notifySystemd(
      `EXTEND_TIMEOUT_USEC=${EXTENSION_MS * 1000}`,
      statusLine("starting: recovering what is on disk"),
    );
  const timer = setInterval(extend, EXTEND_EVERY_MS);
  try {
    return await start;
  } finally {
    clearInterval(timer);
  }
}
