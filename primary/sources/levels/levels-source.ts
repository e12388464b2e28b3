// What the primary tells of its own vector levels, as events of the ledger: that one fell back to the heuristic and why, and
// that it is in force again. Each change once, whatever number of restarts lies between.
import type { SourceParts } from "../source.js";
import { OwnSource } from "../watch/own-source.js";

/** A level, as far as this source looks at it. */
export interface WatchedLevel {
  level: string;
  in_force: string;
  space: string;
  fault: { code: string; message: string; hint: string } | null;
  /** A process has opened what it needs: until then it may still fall back. */
  proven: boolean;
}

export interface LevelsSourceOptions extends SourceParts {
  levels: () => readonly WatchedLevel[];
  /** Told of each change; returns what ends it. */
  onChange: (listener: () => void) => () => void;
}

const SOURCE = "isochron";
const LEVEL_TYPE = "VectorSpace";
const ACTOR = "isochron-primary";

export class LevelsSource extends OwnSource {
  readonly #options: LevelsSourceOptions;

  constructor(options: LevelsSourceOptions) {
    super(SOURCE, options);
    this.#options = options;
  }

  protected watch(): () => void {
    const unwatch = this.#options.onChange(() => this.#write());
    this.#writeDropped();
    this.#write();
    return unwatch;
  }

  #write(): void {
    for (const level of this.#options.levels()) {
      if (level.fault) this.#writeDegraded(level, level.fault);
      else if (level.proven) this.#writeRestored(level);
    }
  }

  #writeDegraded({ level, in_force, space }: WatchedLevel, { code, message, hint }: Fault): void {
    this.writer.writeIfChanged({
      elementId: idOf(level),
      elementType: LEVEL_TYPE,
      action: "level_degraded",
      actor: ACTOR,
      state: { wanted: level, in_force, code },
      reason: message,
      priority: "high",
      change: { space, hint },
    });
  }

  /** Only after it fell back: that all is well from the start is no event. */
  #writeRestored({ level, in_force, space }: WatchedLevel): void {
    if (this.writer.last(idOf(level))?.code === undefined) return;
    this.writer.write({
      elementId: idOf(level),
      elementType: LEVEL_TYPE,
      action: "level_restored",
      actor: ACTOR,
      state: { wanted: level, in_force },
      priority: "medium",
      change: { space },
    });
  }

  /** Levels that fell back and are no longer asked for. */
  #writeDropped(): void {
    const wanted = new Set(this.#options.levels().map(({ level }) => idOf(level)));
    for (const { elementId, elementType } of this.#options.known.list(SOURCE)) {
      if (elementType !== LEVEL_TYPE || wanted.has(elementId)) continue;
      if (this.writer.last(elementId)?.code === undefined) continue;
      this.writer.write({ elementId, elementType, action: "level_dropped", actor: ACTOR, state: {}, priority: "low" });
    }
  }
}

type Fault = NonNullable<WatchedLevel["fault"]>;

function idOf(level: string): string {
  return `vectors:${level}`;
}
