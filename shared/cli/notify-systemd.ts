// What a daemon tells systemd, by the program `systemd-notify` (sd_notify(3)): Node has no datagram sockets of the file
// system. Without a NOTIFY_SOCKET nothing is told. A message that does not get through never harms the daemon.
import { execa } from "execa";

/** It waits until systemd has read the message, because systemd asks the kernel which unit the sender is of. */
const MOST_MS = 20_000;

/** One message of several assignments, such as `READY=1`. Resolves when systemd has taken it, or will not; never rejects. */
export async function notifySystemd(...assignments: string[]): Promise<void> {
  if (process.env.NOTIFY_SOCKET === undefined) return;
  await execa("systemd-notify", assignments, { stdio: "ignore", reject: false, timeout: MOST_MS });
}

/** What systemd shows as `Status:`. */
export function statusLine(text: string): string {
  return `STATUS=${statusText(text)}`;
}

/** A line of its own would be another assignment. */
export function statusText(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}

/** Within what time systemd wants a sign of life of this process (sd_watchdog_enabled(3)); `undefined`: it wants none. */
export function watchdogTimeMs(env: NodeJS.ProcessEnv = process.env, pid = process.pid): number | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: time = "", WATCHDOG_PID: meant = String(pid) } = env;
  if (socket === undefined || !/^[1-9]\d{0,15}$/.test(time) || meant !== String(pid)) return undefined;
  return Number(time) / 1000;
}
