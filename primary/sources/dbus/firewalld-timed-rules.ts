// Rules that firewalld takes back by itself after some seconds (`firewall-cmd --timeout`): it sends no signal when it does,
// so the zone is read again when the time has come. One timer a zone, however many rules it has.
import type { BusPeer } from "./bus-service.js";

/** firewalld counts in whole seconds, and needs some time itself. */
const SLACK_MS = 1000;
/** With several ends in a zone only the next and the last are known: in between it is looked at so often. */
const POLL_MS = 10_000;

interface ZoneTimer {
  timer: NodeJS.Timeout;
  dueMs: number;
  lastMs: number;
}

export class TimedRules {
  readonly #read: (zone: string, peer: BusPeer) => void;
  readonly #zones = new Map<string, ZoneTimer>();
  #peer: BusPeer | undefined;

  constructor(read: (zone: string, peer: BusPeer) => void) {
    this.#read = read;
  }

  add(zone: string, timeoutSeconds: number, peer: BusPeer): void {
    if (timeoutSeconds <= 0) return;
    this.#follow(peer);
    const endMs = performance.now() + timeoutSeconds * 1000 + SLACK_MS;
    const there = this.#zones.get(zone);
    clearTimeout(there?.timer);
    const lastMs = Math.max(endMs, there?.lastMs ?? 0);
    this.#arm(zone, Math.min(endMs, there?.dueMs ?? endMs), lastMs, peer);
  }

  #arm(zone: string, dueMs: number, lastMs: number, peer: BusPeer): void {
    const waitMs = Math.min(Math.max(0, dueMs - performance.now()), MAX_TIMER_MS);
    const timer = setTimeout(() => this.#onEnd(zone, lastMs, peer), waitMs);
    timer.unref();
    this.#zones.set(zone, { timer, dueMs, lastMs });
  }

  #onEnd(zone: string, lastMs: number, peer: BusPeer): void {
    this.#read(zone, peer);
    const nowMs = performance.now();
    if (nowMs >= lastMs) this.#zones.delete(zone);
    else this.#arm(zone, Math.min(lastMs, nowMs + POLL_MS), lastMs, peer);
  }

  /** With its owner the service forgets what was for the time being. */
  #follow(peer: BusPeer): void {
    if (this.#peer === peer) return;
    this.#clear();
    this.#peer = peer;
    peer.signal.addEventListener("abort", () => this.#leave(peer), { once: true });
  }

  #leave(peer: BusPeer): void {
    if (this.#peer === peer) this.#clear();
  }

  #clear(): void {
    for (const { timer } of this.#zones.values()) clearTimeout(timer);
    this.#zones.clear();
  }
}

/** What setTimeout takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;
