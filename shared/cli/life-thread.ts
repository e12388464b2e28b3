// The thread that sends signs of life to systemd's watchdog while the daemon's own thread shows any: its loop turns, or the kernel
// holds it, because a disk does not answer. Databases of the store are written from the loop, so a dead disk stops it, and
// no restart cures that. A thread of its own, so that a daemon in that state is spoken for.
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { threadWaitsForKernel } from "../waits-for-kernel.js";
import { type Beat, beatEveryMs, type LifeOptions } from "./life-message.js";
import { notifySystemd, statusLine } from "./notify-systemd.js";

const options = workerData as LifeOptions;
/** Time that a start is given from each sign on, and how often it is. */
const EXTENSION_MS = 120_000;
const EXTEND_EVERY_MS = 20_000;
/** A host under load must not cost a healthy daemon its life: what did not get through, or was not due, is tried again soon. */
const AGAIN_MS = beatEveryMs(options);
/** Signs are due at half of the time. A beat that is older is none. */
const FRESH_MS = AGAIN_MS * 4;

let last: Beat & { atMs: number } = { started: false, status: "starting", hang: undefined, atMs: performance.now() };
parentPort?.on("message", (beat: Beat) => {
  last = { ...beat, atMs: performance.now() };
});

for (;;) {
  const told = await tell();
  const everyMs = last.started ? FRESH_MS : Math.min(FRESH_MS, EXTEND_EVERY_MS);
  await sleep(told ? everyMs : AGAIN_MS);
}

async function tell(): Promise<boolean> {
  const { started, status, hang, atMs } = last;
  // An orderly stop would wait for what hangs: this ends in SIGABRT.
  if (hang !== undefined) return notifySystemd("WATCHDOG=trigger", statusLine(hang));
  const isFresh = performance.now() - atMs < FRESH_MS;
  if (!isFresh && !threadWaitsForKernel(process.pid)) return false;
  const sign = started ? "WATCHDOG=1" : `EXTEND_TIMEOUT_USEC=${EXTENSION_MS * 1000}`;
  return notifySystemd(sign, statusLine(isFresh ? status : `waits for a disk. Before that: ${status}`));
}
