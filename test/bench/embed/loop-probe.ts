// Loaded into a daemon that is measured (`node --import`), or run by itself with the word `idle`: how late a timer fires, and
// how much processor time went by meanwhile, the longest since the last time it was asked. A timer that is late without
// that waited for the machine. Asked by SIGUSR2; the answer is a file, LOOP_PROBE_FILE and the process id.
import { renameSync, writeFileSync } from "node:fs";

const TICK_MS = 5;

export interface LoopDelays {
  /** Beyond the timer's own time. */
  longestMs: number;
  /** Processor time of the whole process between two firings, the longest: what no other process can be blamed for. */
  longestBusyMs: number;
}

const { LOOP_PROBE_FILE } = process.env;
const isIdle = process.argv[2] === "idle";
// A daemon's children inherit the environment; they are not what is measured.
if (LOOP_PROBE_FILE !== undefined && (isIdle || process.argv.includes("serve"))) {
  const timer = watch(`${LOOP_PROBE_FILE}.${process.pid}`);
  if (!isIdle) timer.unref();
}

function watch(file: string): NodeJS.Timeout {
  let delays: LoopDelays = { longestMs: 0, longestBusyMs: 0 };
  let last = performance.now();
  let lastBusy = busyMs();
  const tick = () => {
    const [now, busy] = [performance.now(), busyMs()];
    delays = {
      longestMs: Math.max(delays.longestMs, now - last - TICK_MS),
      longestBusyMs: Math.max(delays.longestBusyMs, Math.min(now - last, busy - lastBusy)),
    };
    [last, lastBusy] = [now, busy];
  };
  process.on("SIGUSR2", () => {
    tick();
    writeFileSync(`${file}.new`, JSON.stringify(delays));
    renameSync(`${file}.new`, file);
    delays = { longestMs: 0, longestBusyMs: 0 };
  });
  return setInterval(tick, TICK_MS);
}

function busyMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
