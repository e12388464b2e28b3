// What a link has found out about its replica's condition, assessed anew at each change (assess-health.ts). Whoever wants to
// know of changes is told of each, and only of those.
import type { Logger } from "../../../shared/log.js";
import { PushError, type PushErrorCode } from "../push-error.js";
import { type Assessment, assessHealth, type LinkFacts } from "./assess-health.js";

/** What is noted as it is found; the rest follows from what is done. */
type Noted = Pick<LinkFacts, "overload" | "lacksRoom" | "needsFull" | "heardFrom">;

/** What a hello that is answered makes good. What a push failed with stays until one goes well. */
const MENDED_BY_HELLO: readonly PushErrorCode[] = [
  ...(["unreachable", "login", "host-key", "stalled", "protocol-mismatch"] as const),
  ...(["foreign-store", "untrusted-origin", "bad-answer", "bad-request"] as const),
];

export class LinkCondition {
  readonly #name: string;
  readonly #lagMs: number;
  readonly #log: Logger;
  readonly #listeners = new Set<(assessment: Assessment) => void>();
  #noted: Noted = { overload: undefined, lacksRoom: undefined, needsFull: undefined, heardFrom: false };
  #doing = "not connected yet";
  #failure: PushError | undefined;
  #paused: string | undefined;
  #behindSinceMs: number | undefined;
  #lagTimer: NodeJS.Timeout | undefined;
  #last: Assessment;
  /** Attempts of any kind that failed. */
  failures = 0;

  /** `lagMs`: behind for longer is lagging. `paused`: why an operator holds it since before the start. */
  constructor(name: string, { lagMs, paused, log }: { lagMs: number; paused: string | undefined; log: Logger }) {
    this.#name = name;
    this.#lagMs = lagMs;
    this.#paused = paused;
    this.#log = log;
    this.#last = this.now();
  }

  get paused(): string | undefined {
    return this.#paused;
  }
  get behindSinceMs(): number | undefined {
    return this.#behindSinceMs;
  }
  get noted(): Readonly<Noted> {
    return this.#noted;
  }

  now(): Assessment {
    return assessHealth({
      ...this.#noted,
      doing: this.#doing,
      failure: this.#failure,
      paused: this.#paused,
      behindSinceMs: this.#behindSinceMs,
      nowMs: Date.now(),
      lagMs: this.#lagMs,
    });
  }

  /** Told of each change of health or of its code, until the function that it returns is called. */
  onChange(listener: (assessment: Assessment) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  does(doing: string): void {
    this.#doing = doing;
    this.assess();
  }

  /** All is well with the replica, as far as the link can see. */
  well(doing: string): void {
    this.#failure = undefined;
    this.does(doing);
  }

  /** Of several facts that are noted together only the last state is told: `assess` follows. */
  note(noted: Partial<Noted>): void {
    this.#noted = { ...this.#noted, ...noted };
  }

  /** A hello was answered; `assess` follows. */
  heard(): void {
    if (this.#failure && MENDED_BY_HELLO.includes(this.#failure.code)) this.#failure = undefined;
    this.note({ heardFrom: true });
  }

  failed(error: unknown): void {
    const failure =
      error instanceof PushError
        ? error
        : new PushError("fatal", "internal", (error as Error).message, { cause: error });
    const isNew = this.#failure?.message !== failure.message;
    this.#failure = failure;
    this.failures += 1;
    if (isNew) this.#log.warn("push failed", { replica: this.#name, code: failure.code, error: failure });
    this.assess();
  }

  /** `undefined` lets it go on. */
  pause(reason: string | undefined): void {
    this.#paused = reason;
    this.assess();
  }

  /** Since when there is something that the replica lacks; `undefined` when it has all. */
  behind(sinceMs: number | undefined): void {
    this.#behindSinceMs = sinceMs;
    clearTimeout(this.#lagTimer);
    if (sinceMs === undefined) return;
    const dueMs = sinceMs + this.#lagMs - Date.now();
    this.#lagTimer = setTimeout(() => this.assess(), Math.max(0, dueMs) + 1);
    this.#lagTimer.unref();
  }

  stop(): void {
    clearTimeout(this.#lagTimer);
  }

  assess(): void {
    const before = this.#last;
    const now = this.now();
    this.#last = now;
    if (now.health === before.health && now.code === before.code) return;
    const level = now.health === "healthy" || now.health === "paused" ? "info" : "warn";
    const { health, code, reason } = now;
    this.#log[level]("replica's health changed", {
      ...{ replica: this.#name, health, was: before.health, reason },
      ...(code === undefined ? {} : { code }),
    });
    for (const listener of this.#listeners) listener(now);
  }
}
