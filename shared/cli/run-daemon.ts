// How `serve` runs: until SIGINT or SIGTERM, then an orderly stop; a second signal ends it at once. Tells systemd when it
// is ready (sd_notify(3)) if started as `Type=notify`.
import { once } from "node:events";
import { execa } from "execa";

export interface Daemon {
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
  const daemon = await start();
  await notifySystemd("READY=1");
  try {
    if (!ending.signal.aborted) await Promise.race([once(ending.signal, "abort"), daemon.failed ?? forever()]);
  } finally {
    await notifySystemd("STOPPING=1");
    await daemon.stop();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

function forever(): Promise<never> {
  return new Promise(() => undefined);
}

async function notifySystemd(state: string): Promise<void> {
  if (process.env.NOTIFY_SOCKET === undefined) return;
  await execa("systemd-notify", [state], { reject: false });
}
