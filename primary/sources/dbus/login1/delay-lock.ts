// A delay lock at logind: holds up shutdown and sleep until the event that tells of them is in the ledger and, where the
// caller can say so, with the replicas. logind waits InhibitDelayMaxSec= at the most (5 s), whatever we do.
// https://systemd.io/INHIBITOR_LOCKS/
//
// The lock is a file descriptor, which dbus-next cannot receive: systemd-inhibit(1) holds it for as long as its child
// runs, and the child is `cat`, which ends when its input does. So the lock goes with this process too, even if it is killed.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { joinSignals } from "../../../../shared/join-signals.js";
import type { Logger } from "../../../../shared/log.js";
import type { BusPeer } from "../bus-service.js";

export interface DelayLockOptions {
  /** Address of the bus that logind is on. */
  address: string;
  log: Logger;
  /** Lets go after so long even if the event is not safe yet. */
  timeoutMs: number;
  /** Resolves when the events written until now are where they should be. Default: being in the ledger is enough. */
  delivered?: (signal: AbortSignal) => Promise<void>;
}

type Holder = ChildProcessByStdio<Writable, null, Readable>;

const WHAT = ["--what=shutdown:sleep", "--mode=delay", "--who=Isochron", "--why=The event has to reach the replicas"];

export class DelayLock {
  readonly #options: DelayLockOptions;
  #peer: BusPeer | undefined;
  #holder: Holder | undefined;
  #isUp = true;

  constructor(options: DelayLockOptions) {
    this.#options = options;
  }

  /** Takes the lock while the host is up, and lets go of it once it is known that the host goes down. */
  follow(peer: BusPeer, isUp: boolean): void {
    if (this.#peer !== peer) {
      this.#peer = peer;
      peer.signal.addEventListener("abort", () => this.#leave(peer), { once: true });
    }
    this.#isUp = isUp;
    if (isUp) this.#take();
    else void this.#releaseWhenSafe(peer);
  }

  #take(): void {
    if (this.#holder) return;
    const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: this.#options.address };
    const holder = spawn("systemd-inhibit", [...WHAT, "cat"], { stdio: ["pipe", "ignore", "pipe"], env });
    this.#holder = holder;
    let said = "";
    holder.stderr.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-1024);
    });
    holder.stdin.on("error", () => undefined);
    holder.on("error", (error) => this.#lost(holder, error.message));
    holder.on("exit", () => this.#lost(holder, said.trim()));
  }

  async #releaseWhenSafe(peer: BusPeer): Promise<void> {
    if (!this.#holder) return;
    const { log, timeoutMs, delivered } = this.#options;
    try {
      await joinSignals({ signals: [peer.signal], withinMs: timeoutMs }, (signal) =>
        Promise.race([rejectOnAbort(signal), peer.writer.flush().then(() => delivered?.(signal))]),
      );
    } catch (error) {
      log.warn("the host goes down before its event is safe", { timeout_ms: timeoutMs, error: error as Error });
    } finally {
      // It may be up again by now: a shutdown that was cancelled.
      if (!this.#isUp && this.#peer === peer) this.#release();
    }
  }

  #leave(peer: BusPeer): void {
    if (this.#peer === peer) this.#release();
  }

  #release(): void {
    const holder = this.#holder;
    this.#holder = undefined;
    holder?.stdin.end();
  }

  #lost(holder: Holder, reason: string): void {
    if (this.#holder !== holder) return;
    this.#holder = undefined;
    this.#options.log.warn("shutdown and sleep are not held up: systemd-inhibit ended", { reason });
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
