// The `replicas` source: how each replica is doing, as events of the ledger itself. A change is written once it has lasted a
// moment; a link that changes often is written less and less often, because each such event is pushed to replicas in
// its turn and must not keep the fleet busy by itself.
import type { Priority } from "../../../shared/format/entry.js";
import type { SourceParts } from "../source.js";
import { OwnSource } from "../watch/own-source.js";

/** A link, as far as this source looks at it. */
export interface WatchedLink {
  readonly name: string;
  status(): LinkState;
  /** Told of each change; returns what ends it. */
  onHealth(listener: () => void): () => void;
}

export interface LinkState {
  health: string;
  code: string | undefined;
  reason: string;
  hint: string | undefined;
  generation: number | undefined;
}

export interface ReplicasSourceOptions extends SourceParts {
  links: readonly WatchedLink[];
  /** How long a state must have lasted. */
  settleMs: number;
}

export const REPLICA_TYPE = "Replica";
const SOURCE = "replicas";

/** What needs someone at once is written at once, however often the link changed, unless it is what was written last. */
const URGENT: ReadonlySet<string> = new Set(["diverged", "foreign", "full", "needs-full", "version-mismatch"]);
/** Changes of one link within an hour that are written without further delay. */
const FREE_CHANGES = 6;
const HOUR_MS = 3_600_000;

export class ReplicasSource extends OwnSource {
  readonly #options: ReplicasSourceOptions;
  readonly #watches: LinkWatch[];

  constructor(options: ReplicasSourceOptions) {
    super(SOURCE, options);
    this.#options = options;
    this.#watches = options.links.map((link) => this.#watchOf(link));
  }

  protected watch(): () => void {
    this.#writeRemoved();
    for (const watch of this.#watches) watch.start();
    return () => {
      for (const watch of this.#watches) watch.stop();
    };
  }

  #watchOf(link: WatchedLink): LinkWatch {
    const written = () => this.writer.last(idOf(link.name))?.health;
    return new LinkWatch(link, this.#options.settleMs, { write: () => this.#write(link), written });
  }

  /** True if it was written; false if the ledger knows it already. */
  #write(link: WatchedLink): boolean {
    const { health, code, reason, hint, generation } = link.status();
    const elementId = idOf(link.name);
    const state = { health, ...(code === undefined ? {} : { code }) };
    const before = this.writer.last(elementId);
    if (before?.health === health && before.code === code) return false;
    return this.writer.write({
      elementId,
      elementType: REPLICA_TYPE,
      action: `replica_${health.replaceAll("-", "_")}`,
      actor: "isochron-primary",
      state,
      reason,
      priority: priorityOf(health),
      change: {
        was: before?.health ?? null,
        ...(generation === undefined ? {} : { generation }),
        ...(hint === undefined ? {} : { hint }),
      },
    });
  }

  /** Replicas that are no longer configured. */
  #writeRemoved(): void {
    const configured = new Set(this.#options.links.map(({ name }) => idOf(name)));
    for (const { elementId, elementType } of this.#options.known.list(SOURCE)) {
      const isGone = elementType === REPLICA_TYPE && !configured.has(elementId);
      if (!isGone || Object.keys(this.writer.last(elementId) ?? {}).length === 0) continue;
      this.writer.write({ elementId, elementType, action: "replica_removed", actor: "isochron-primary", state: {} });
    }
  }
}

function idOf(name: string): string {
  return `replica:${name}`;
}

function priorityOf(health: string): Priority {
  if (URGENT.has(health)) return "high";
  return health === "healthy" || health === "paused" ? "low" : "medium";
}

interface LinkEvents {
  /** True if there was something to write. */
  write(): boolean;
  /** The health that was written last. */
  written(): unknown;
}

/** Decides when a link's state is written. */
class LinkWatch {
  readonly #link: WatchedLink;
  readonly #settleMs: number;
  readonly #events: LinkEvents;
  /** Times of what was written within the last hour. */
  #writtenMs: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #unwatch: () => void = () => undefined;

  constructor(link: WatchedLink, settleMs: number, events: LinkEvents) {
    this.#link = link;
    this.#settleMs = settleMs;
    this.#events = events;
  }

  start(): void {
    this.#unwatch = this.#link.onHealth(() => this.#changed());
    this.#changed();
  }

  stop(): void {
    this.#unwatch();
    clearTimeout(this.#timer);
  }

  #changed(): void {
    clearTimeout(this.#timer);
    const { health, code } = this.#link.status();
    // Nothing is known yet; and a host that is busy would have to take the event of it as well.
    if (health === "connecting" || code === "overloaded") return;
    this.#timer = setTimeout(() => this.#settled(), this.#delayMs(health));
    this.#timer.unref();
  }

  #settled(): void {
    if (this.#events.write()) this.#writtenMs.push(Date.now());
  }

  #delayMs(health: string): number {
    if (URGENT.has(health) && health !== this.#events.written()) return 0;
    const since = Date.now() - HOUR_MS;
    this.#writtenMs = this.#writtenMs.filter((timeMs) => timeMs > since);
    const tooMany = this.#writtenMs.length - FREE_CHANGES;
    const settleMs = URGENT.has(health) ? 0 : this.#settleMs;
    return tooMany < 0 ? settleMs : Math.min(HOUR_MS, Math.max(1000, this.#settleMs) * 2 ** (tooMany + 1));
  }
}
