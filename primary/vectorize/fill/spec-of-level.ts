// What a level makes its rows with, for a fill: never what it falls back to, which would fill another space than was asked for.
import { EmbedError } from "../../../shared/embed/embed-error.js";
import type { EmbedderSpec } from "../../../shared/embed/embedder.js";
import type { RowLevel } from "../../../shared/embed/levels.js";
import type { ResolvedLevel } from "../../../shared/embed/resolve-level.js";
import type { LevelPlan } from "../level-plan.js";

/** A level in force is asked of the plan, which knows what broke since; any other of this machine. @throws EmbedError */
export async function specOfLevel(
  level: RowLevel,
  plan: LevelPlan,
  resolve: (level: RowLevel) => Promise<ResolvedLevel>,
): Promise<EmbedderSpec> {
  const state = plan.state().find((one) => one.level === level);
  const { spec, fault } = state ? { spec: plan.specOf(level), fault: state.fault } : await resolve(level);
  if (!fault) return spec;
  throw new EmbedError(fault.code, fault.message, { hint: fault.hint });
}
