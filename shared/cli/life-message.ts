// What the daemon's own thread and the one that speaks for it (life-thread.ts) say to each other.

export interface LifeOptions {
  /** Within what time systemd wants a sign; undefined: none, and all that is asked for is time for the start. */
  watchdogMs: number | undefined;
}

/** That it comes says that the event loop turns. */
export interface Beat {
  started: boolean;
  /** How the daemon is doing, in one line. */
  status: string;
  /** What hangs and would not after a restart. */
  hang: string | undefined;
}

/** Pause between two beats of a loop that turns. */
export function beatEveryMs({ watchdogMs = 60_000 }: LifeOptions): number {
  return watchdogMs / 8;
}
