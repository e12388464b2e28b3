// How `serve` runs: until SIGINT or SIGTERM, then an orderly stop; a second signal ends it at once. Tells systemd when it
// is ready, how it is doing and that it lives, if started as `Type=notify`.
import { once } from "node:events";
import { notifySystemd, statusLine } from "./notify-systemd.js";
import { LifeSigns, type Living } from "./show-life.js";

export interface Daemon extends Living {
  /** Rejects when the daemon cannot go on. */
  failed?: Promise<never>;
  stop(): Promise<void>;
}

/** Starts, waits for a signal or a failure, stops. @throws what `start` throws, or the failure */
export async function runDaemon(start: () => Promise<Daemon>): Promise<void> {
  const ending = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (ending.signal.aborted) process.exit(signal === "SIGINT" ? 130 : 143);
    ending.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const life = new LifeSigns();
  life.start();
  try {
    const daemon = await start();
    await notifySystemd("READY=1", ...(daemon.describe ? [statusLine(daemon.describe())] : []));
    try {
      life.started(daemon);
      if (!ending.signal.aborted) await Promise.race([once(ending.signal, "abort"), daemon.failed ?? forever()]);
    } finally {
      life.stop();
      // A stop that takes longer than TimeoutStopSec is cut off: a crash at any point is what the store is made for.
      await notifySystemd("STOPPING=1", statusLine("stopping"));
      await daemon.stop();
    }
  } finally {
    life.stop();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

function forever(): Promise<never> {
  return new Promise(() => undefined);
}
