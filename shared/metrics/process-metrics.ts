// Memory, processor time and event loop of a daemon. Not prom-client's own set: those names are the ones that
// node_exporter has for itself, so that both in one scrape would be refused.
import { readdir } from "node:fs/promises";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { type StateMetric, single } from "./state-metrics.js";

/** The timer that measures delay fires so often, also in a daemon that has nothing to do: at 20 ms that took 0.3 % of a core. */
const RESOLUTION_MS = 100;
/** Delays are those of the last full minute, the same for everyone who scrapes. */
const WINDOW_MS = 60_000;

interface LoopDelay {
  meanSeconds: number;
  maxSeconds: number;
}

export interface ProcessState {
  cpuSeconds: number;
  residentBytes: number;
  heapUsedBytes: number;
  startedAtSeconds: number;
  openFiles: number | undefined;
  /** Undefined in the first minute. */
  delay: LoopDelay | undefined;
}

export const PROCESS_METRICS: readonly StateMetric<ProcessState>[] = [
  single(
    "isochron_process_cpu_seconds_total",
    "Processor time that the daemon itself has used.",
    ({ cpuSeconds }) => cpuSeconds,
    "counter",
  ),
  single(
    "isochron_process_resident_memory_bytes",
    "Memory of the daemon itself.",
    ({ residentBytes }) => residentBytes,
  ),
  single(
    "isochron_process_heap_used_bytes",
    "JavaScript objects in that memory.",
    ({ heapUsedBytes }) => heapUsedBytes,
  ),
  single("isochron_process_open_files", "Open file descriptors of the daemon.", ({ openFiles }) => openFiles),
  single("isochron_process_start_time_seconds", "When the daemon started.", ({ startedAtSeconds }) => startedAtSeconds),
  single(
    "isochron_process_loop_delay_mean_seconds",
    "How late timers of the daemon fired in the last full minute, on average.",
    ({ delay }) => delay?.meanSeconds,
  ),
  single(
    "isochron_process_loop_delay_max_seconds",
    "How late a timer of the daemon fired at the worst in the last full minute.",
    ({ delay }) => delay?.maxSeconds,
  ),
];

export class ProcessWatch {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #timer: NodeJS.Timeout | undefined;
  #delay: LoopDelay | undefined;

  start(): void {
    this.#histogram.enable();
    this.#timer = setInterval(() => this.#endWindow(), WINDOW_MS);
    this.#timer.unref();
  }

  stop(): void {
    this.#histogram.disable();
    clearInterval(this.#timer);
  }

  async state(): Promise<ProcessState> {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    const files = await readdir("/proc/self/fd").catch(() => undefined);
    return {
      cpuSeconds: (user + system) / 1e6,
      residentBytes: rss,
      heapUsedBytes: heapUsed,
      startedAtSeconds: performance.timeOrigin / 1000,
      openFiles: files?.length,
      delay: this.#delay,
    };
  }

  #endWindow(): void {
    const { mean, max, count } = this.#histogram;
    this.#delay = count > 0 ? { meanSeconds: late(mean), maxSeconds: late(max) } : undefined;
    this.#histogram.reset();
  }
}

function late(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000);
}
