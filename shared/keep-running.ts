// Runs what may fail and must come back: a source, a bus connection. Waits longer after each failure, with jitter so that
// many hosts do not come back at once, and begins anew after it has been well for a while.
import { setTimeout as sleep } from "node:timers/promises";

export interface KeepRunningOptions {
  signal: AbortSignal;
  /** Called with each failure (or early end, then without an error) before the wait that follows it. */
  onEnd(error: Error | undefined, delayMs: number): void;
  /** First wait. Default 250 ms. */
  leastDelayMs?: number;
  /** Longest wait. Default 30 s. */
  mostDelayMs?: number;
  /** Having run for so long counts as well: the next wait is the least again. Default 30 s. */
  wellAfterMs?: number;
}

/** Runs `body` again and again until the signal fires; then resolves once `body` has ended. Never rejects. */
export async function keepRunning(
  body: (signal: AbortSignal) => Promise<void>,
  { signal, onEnd, leastDelayMs = 250, mostDelayMs = 30_000, wellAfterMs = 30_000 }: KeepRunningOptions,
): Promise<void> {
  let delayMs = leastDelayMs;
  while (!signal.aborted) {
    const startedMs = performance.now();
    let failure: Error | undefined;
    try {
      await body(signal);
    } catch (error) {
      failure = error as Error;
    }
    if (signal.aborted) return;
    if (performance.now() - startedMs >= wellAfterMs) delayMs = leastDelayMs;
    const waitMs = delayMs * (0.75 + Math.random() / 2);
    onEnd(failure, waitMs);
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    delayMs = Math.min(mostDelayMs, delayMs * 2);
  }
}
