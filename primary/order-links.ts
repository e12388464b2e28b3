// What operators do to single replicas: resync, pause, resume, drain; each can be tried without effect first. An order that
// is waited for and then left (Ctrl-C) takes back what it asked for.
import { setTimeout as sleep } from "node:timers/promises";
import { ControlError } from "./control/control-error.js";
import type { Publisher } from "./publish.js";
import type { LinkHealth } from "./push/health/assess-health.js";
import type { LinkStatus, PushProgress, PushRecord } from "./push/link-status.js";
import type { PausedLinks } from "./push/paused-links.js";
import type { PushPlan } from "./push/plan-push.js";
import type { ReplicaLink } from "./push/replica-link.js";
import { measureSend } from "./push/wire/measure-send.js";

export interface LinkOrdersParts {
  publisher: Publisher;
  links: readonly ReplicaLink[];
  paused: PausedLinks;
}

/** Someone who waits for the end of an order. */
export interface Follower {
  /** Fires when they leave. */
  signal: AbortSignal;
  tell(progress: OrderProgress): void;
}

export interface OrderProgress {
  replica: string;
  health: LinkHealth;
  reason: string;
  pushing: PushProgress | null;
}

export interface ResyncAnswer {
  replica: string;
  dry_run: boolean;
  plan: PushPlan | { kind: "unknown"; reason: string };
  /** Bytes of the streams that would be sent, before compression on the wire; `null` where nothing would be. */
  bytes: number | null;
  /** What brought it, when it was waited for. */
  done?: PushRecord | null;
}

export interface PauseAnswer {
  replica: string;
  dry_run: boolean;
  paused: boolean;
  /** What it was before. */
  was_paused: boolean;
  /** Bytes of a push under way that is ended, or would be. */
  ends_push_after_bytes: number | null;
}

export interface DrainAnswer {
  replica: string;
  dry_run: boolean;
  /** Entries in the ledger that the replica must hold before it is paused. */
  size: number;
  /** Of those, entries that it did not hold when this was asked. */
  missing: number;
  paused: boolean;
}

const LOOK_MS = 200;
/** Not mended by waiting: an order that meets one of these ends with it. */
const STANDS: readonly LinkHealth[] = ["diverged", "foreign", "version-mismatch", "paused"];

export class LinkOrders {
  readonly #parts: LinkOrdersParts;

  constructor(parts: LinkOrdersParts) {
    this.#parts = parts;
  }

  /**
   * A full resync needs a generation that the replica does not have yet, so one is sealed for it.
   *
   * @throws ControlError `unknown-replica`, `paused`, `not-delivered`
   */
  async resync(
    { replica, full, dryRun }: { replica: string; full: boolean; dryRun: boolean },
    follower?: Follower,
  ): Promise<ResyncAnswer> {
    const { publisher } = this.#parts;
    const link = this.#find(replica);
    const unknown = { kind: "unknown" as const, reason: `${replica} has not said hello: ${link.status().reason}` };
    const plan = link.plan(full) ?? unknown;
    const bytes = dryRun ? await measurePlan(publisher, plan) : null;
    const answer: ResyncAnswer = { replica, dry_run: dryRun, plan, bytes };
    if (dryRun) return answer;
    this.#requireUnpaused(link);
    const before = link.status();
    // Asked for before the seal: an increment of the new generation would leave nothing to send in full.
    link.resync(full);
    if (full) await takenBack(publisher.seal({ force: true }), () => link.withdraw());
    if (!follower) return answer;
    const wanted = publisher.newest()?.generation ?? 0;
    const holds = (now: LinkStatus) => ((full ? link.lastFull?.generation : now.generation) ?? 0) >= wanted;
    const waited = this.#until(link, before, holds, follower);
    await (full ? takenBack(waited, () => link.withdraw()) : waited);
    return { ...answer, done: full ? (link.lastFull ?? null) : link.status().last_push };
  }

  /** Pushes nothing to it until `resume`, restarts of the primary included. @throws ControlError `unknown-replica` */
  async pause({ replica, reason, dryRun }: { replica: string; reason: string; dryRun: boolean }): Promise<PauseAnswer> {
    const link = this.#find(replica);
    const answer = this.#pauseAnswer(link, dryRun, true);
    if (dryRun) return answer;
    await this.#parts.paused.pause(replica, reason);
    link.pause(this.#parts.paused.reason(replica) as string);
    return answer;
  }

  /** @throws ControlError `unknown-replica` */
  async resume({ replica, dryRun }: { replica: string; dryRun: boolean }): Promise<PauseAnswer> {
    const link = this.#find(replica);
    const answer = this.#pauseAnswer(link, dryRun, false);
    if (dryRun) return answer;
    await this.#parts.paused.resume(replica);
    link.resume();
    return answer;
  }

  /**
   * Seals what waits, pushes until the replica holds all that is in the ledger now, then pauses it. Left before its end,
   * nothing is paused.
   *
   * @throws ControlError `unknown-replica`, `paused`, `not-delivered`
   */
  async drain({ replica, dryRun }: { replica: string; dryRun: boolean }, follower: Follower): Promise<DrainAnswer> {
    const { publisher } = this.#parts;
    const link = this.#find(replica);
    const before = link.status();
    const size = publisher.ledgerSize();
    const missing = Math.max(0, size - (before.size ?? 0));
    if (dryRun) return { replica, dry_run: true, size, missing, paused: false };
    this.#requireUnpaused(link);
    if (size > (publisher.newest()?.size ?? 0)) await publisher.seal();
    link.askAnew();
    await this.#until(link, before, (now) => (now.size ?? 0) >= size, follower);
    await this.pause({ replica, reason: "drained", dryRun: false });
    return { replica, dry_run: false, size, missing, paused: true };
  }

  #find(replica: string): ReplicaLink {
    const { links } = this.#parts;
    const link = links.find(({ name }) => name === replica);
    if (link) return link;
    const names = links.map(({ name }) => name).join(", ") || "none";
    throw new ControlError("unknown-replica", `there is no replica ${JSON.stringify(replica)}`, `configured: ${names}`);
  }

  #requireUnpaused(link: ReplicaLink): void {
    const { health, reason } = link.status();
    if (health !== "paused") return;
    throw new ControlError(
      "paused",
      `${link.name} is paused: ${reason}`,
      `first: isochron-primary resume ${link.name}`,
    );
  }

  #pauseAnswer(link: ReplicaLink, dryRun: boolean, paused: boolean): PauseAnswer {
    const { health, pushing } = link.status();
    return {
      replica: link.name,
      dry_run: dryRun,
      paused,
      was_paused: health === "paused",
      ends_push_after_bytes: paused ? (pushing?.bytes ?? null) : null,
    };
  }

  /** Waits until the link's status is as wanted. @throws ControlError `not-delivered`; the reason of the follower's signal */
  async #until(
    link: ReplicaLink,
    before: LinkStatus,
    holds: (now: LinkStatus) => boolean,
    { signal, tell }: Follower,
  ): Promise<void> {
    for (let now = link.status(); !holds(now); now = link.status()) {
      const { health, reason, hint, pushing } = now;
      if (health === "paused" || (now.failures > before.failures && STANDS.includes(health))) {
        throw new ControlError("not-delivered", `${link.name} is ${health}: ${reason}`, hint);
      }
      tell({ replica: link.name, health, reason, pushing });
      await sleep(LOOK_MS, undefined, { signal });
    }
  }
}

/** What could not be done, or is not waited for, must not come later by itself. */
async function takenBack<T>(done: Promise<T>, takeBack: () => void): Promise<T> {
  return done.catch((error: unknown) => {
    takeBack();
    throw error;
  });
}

async function measurePlan(publisher: Publisher, plan: ResyncAnswer["plan"]): Promise<number | null> {
  if (plan.kind !== "increment" && plan.kind !== "full") return null;
  const base = plan.kind === "increment" ? publisher.tree(plan.base) : undefined;
  return measureSend(publisher.tree(plan.generation), base);
}
