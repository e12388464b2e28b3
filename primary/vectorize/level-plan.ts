// How each level makes its rows now: by its model, or, while that cannot be used, by the heuristic. What it says changes
// while the primary runs; whoever embeds asks it for each job. Nothing falls back without a word in the log, and `status`,
// metrics and the ledger are told from `state`.
import type { EmbedError, EmbedErrorCode } from "../../shared/embed/embed-error.js";
import { type EmbedderSpec, HEURISTIC_SPEC } from "../../shared/embed/embedder.js";
import type { RowLevel } from "../../shared/embed/levels.js";
import { spaceName } from "../../shared/format/space.js";
import type { Logger } from "../../shared/log.js";

/** Why a level is not in force. */
export interface LevelFault {
  code: EmbedErrorCode;
  message: string;
  /** The command that cures it. */
  hint: string;
}

/** What a level makes its rows with: its own, or the heuristic with the fault that made it so. */
export interface ResolvedLevel {
  level: RowLevel;
  spec: EmbedderSpec;
  fault?: LevelFault | undefined;
}

export interface LevelState {
  level: RowLevel;
  in_force: RowLevel;
  /** Name of the space that its rows go to. */
  space: string;
  fault: LevelFault | null;
}

export class LevelPlan {
  readonly #log: Logger;
  readonly #byLevel: Map<RowLevel, ResolvedLevel>;
  readonly #listeners = new Set<() => void>();

  constructor(resolved: readonly ResolvedLevel[], log: Logger) {
    this.#log = log;
    this.#byLevel = new Map(resolved.map((one) => [one.level, one]));
  }

  specOf(level: RowLevel): EmbedderSpec {
    return this.#byLevel.get(level)?.spec ?? HEURISTIC_SPEC;
  }

  /** Of all levels, each once; what is quick to open first. */
  specs(): EmbedderSpec[] {
    const bySpace = new Map([...this.#byLevel.values()].map(({ spec }) => [spaceName(spec.space), spec]));
    return [...bySpace.values()].sort((a, b) => Number(a.kind !== "heuristic") - Number(b.kind !== "heuristic"));
  }

  state(): LevelState[] {
    return [...this.#byLevel.values()].map(({ level, spec, fault }) => ({
      level,
      in_force: fault ? "heuristic" : level,
      space: spaceName(spec.space),
      fault: fault ?? null,
    }));
  }

  /** Nothing can be embedded in `space`: its levels fall back. Told again of the same, it does nothing. */
  failed(space: string, { code, message, hint }: EmbedError): void {
    for (const { level, spec } of this.#byLevel.values()) {
      if (spec.kind === "heuristic" || spaceName(spec.space) !== space) continue;
      this.set({ level, spec: HEURISTIC_SPEC, fault: { code, message, hint } });
    }
  }

  /** What a level is from now on. */
  set(resolved: ResolvedLevel): void {
    const { level, spec, fault } = resolved;
    const before = this.#byLevel.get(level);
    this.#byLevel.set(level, resolved);
    if (fault) this.#log.error("vector level falls back to heuristic", { level, ...fault });
    else if (before?.fault) this.#log.info("vector level is in force again", { level, space: spaceName(spec.space) });
    for (const listener of this.#listeners) listener();
  }

  /** Called after each change. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
