// A daemon's signs of life for systemd's watchdog, and its requests for more time while it starts. From here come beats, one for each
// turn of a timer; a thread of its own (life-thread.ts) makes signs of them.
import { Worker } from "node:worker_threads";
import { type Beat, beatEveryMs, type LifeOptions } from "./life-message.js";
import { watchdogTimeMs } from "./notify-systemd.js";

export interface Living {
  /** One line of how it is doing. Cheap, and never throws. */
  describe?(): string;
  /**
   * What hangs now and would not after a restart: something that has taken longer than `patienceMs` and waits for nothing
   * outside of the daemon. Never throws.
   */
  findHang?(patienceMs: number): string | undefined;
}

const THREAD = new URL("./life-thread.js", import.meta.url);
/** Of the watchdog's time. What is merely slow has come to its end by then. */
const PATIENCE = 2;

export class LifeSigns {
  #thread: Worker | undefined;
  #timer: NodeJS.Timeout | undefined;
  #daemon: Living | undefined;

  /**
   * From now on systemd waits for the start however long it takes, as long as there is life: to verify a large store again, after
   * its index was deleted, takes many minutes, and a start that is killed for it would begin anew, for ever.
   */
  start(): void {
    if (process.env.NOTIFY_SOCKET === undefined) return;
    const options: LifeOptions = { watchdogMs: watchdogTimeMs() };
    const thread = new Worker(THREAD, { workerData: options, resourceLimits: { maxOldGenerationSizeMb: 32 } });
    thread.unref();
    // Without it the watchdog ends the daemon, as it should; an error that nobody hears would end it at once.
    thread.on("error", () => undefined);
    this.#thread = thread;
    this.#timer = setInterval(() => this.#beat(options), beatEveryMs(options));
    this.#timer.unref();
  }

  /** The start is over: from now on signs are sent if systemd wants any. */
  async started(daemon: Living): Promise<void> {
    this.#daemon = daemon;
    const watchdogMs = watchdogTimeMs();
    if (watchdogMs === undefined) await this.stop();
    else this.#beat({ watchdogMs });
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#thread?.terminate();
    this.#thread = undefined;
  }

  #beat({ watchdogMs = 0 }: LifeOptions): void {
    const daemon = this.#daemon;
    const beat: Beat = {
      started: daemon !== undefined,
      status: daemon ? (daemon.describe?.() ?? "serving") : "starting: recovering what is on disk",
      hang: daemon?.findHang?.(watchdogMs * PATIENCE),
    };
    this.#thread?.postMessage(beat);
  }
}
