// How each level makes its rows now: by its model, or, while that cannot be used, by the heuristic. What it says changes
// while the primary runs; whoever embeds asks it for each job. Nothing falls back without a word in the log, and `status`,
// metrics and the ledger are told from `state`.
import type { EmbedError } from "../../shared/embed/embed-error.js";
import { type EmbedderSpec, HEURISTIC_SPEC } from "../../shared/embed/embedder.js";
import type { RowLevel } from "../../shared/embed/levels.js";
import type { LevelFault, ResolvedLevel } from "../../shared/embed/resolve-level.js";
import { spaceName } from "../../shared/format/space.js";
import type { Logger } from "../../shared/log.js";

export interface LevelState {
  level: RowLevel;
  in_force: RowLevel;
  /** Name of the space that its rows go to. */
  space: string;
  fault: LevelFault | null;
  /** Some process has opened what it needs: nothing is known against it, and something for it. */
  proven: boolean;
}

export class LevelPlan {
  readonly #log: Logger;
  readonly #byLevel: Map<RowLevel, ResolvedLevel>;
  /** Names of spaces that were opened since their level is in force. */
  readonly #opened = new Set<string>([spaceName(HEURISTIC_SPEC.space)]);
  readonly #listeners = new Set<() => void>();

  constructor(resolved: readonly ResolvedLevel[], log: Logger) {
    this.#log = log;
    this.#byLevel = new Map(resolved.map((one) => [one.level, one]));
    for (const { level, fault } of resolved) if (fault) this.#logFault(level, fault);
  }

  specOf(level: RowLevel): EmbedderSpec {
    return this.#byLevel.get(level)?.spec ?? HEURISTIC_SPEC;
  }

  /** Of all levels, or of those given, each once; what is quick to open first. */
  specs(levels: readonly RowLevel[] = [...this.#byLevel.keys()]): EmbedderSpec[] {
    const bySpace = new Map(levels.map((level) => this.specOf(level)).map((spec) => [spaceName(spec.space), spec]));
    return [...bySpace.values()].sort((a, b) => Number(a.kind !== "heuristic") - Number(b.kind !== "heuristic"));
  }

  state(): LevelState[] {
    return [...this.#byLevel.values()].map(({ level, spec, fault }) => ({
      level,
      in_force: fault ? "heuristic" : level,
      space: spaceName(spec.space),
      fault: fault ?? null,
      proven: !fault && this.#opened.has(spaceName(spec.space)),
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
    if (spec.kind !== "heuristic") this.#opened.delete(spaceName(spec.space));
    if (fault) this.#logFault(level, fault);
    else if (before?.fault) this.#log.info("vector level is tried again", { level, space: spaceName(spec.space) });
    this.#tell();
  }

  /** A process has opened what makes the rows of `space`. */
  opened(space: string): void {
    if (this.#opened.has(space)) return;
    this.#opened.add(space);
    this.#tell();
  }

  /** Called after each change of what `state` says. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #logFault(level: RowLevel, fault: LevelFault): void {
    this.#log.error("vector level falls back to heuristic", { level, ...fault });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
