// The levels that the configuration asks for, as this machine can serve them: at the start, and again once a minute for
// those that are not in force.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { rowLevelsOf } from "../shared/embed/levels.js";
import { type LevelOptions, type ResolvedLevel, resolveLevel } from "../shared/embed/resolve-level.js";
import { checkModel } from "../shared/models/model-store.js";
import type { StoreLayout } from "../shared/store/layout.js";
import { embeddedTextsPath, makeIndexFolder } from "../shared/store/make-index-folder.js";
import { laterLevels, levelsOf, type PrimaryConfig } from "./config.js";

/** What levels are resolved by. Makes the folder of the texts' vectors. */
export async function makeLevelOptions({ root, vectorize }: PrimaryConfig, store: StoreLayout): Promise<LevelOptions> {
  const { models, dtype, cache } = vectorize;
  const folder = embeddedTextsPath(store.index);
  await makeIndexFolder(store.index);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return { root, models, dtype, cache: { path: join(folder, "vectors.db"), maxBytes: cache } };
}

/** Each level that makes rows. */
export function resolveLevels(config: PrimaryConfig, options: LevelOptions): Promise<ResolvedLevel[]> {
  return Promise.all(rowLevelsOf(levelsOf(config.vectorize)).map((level) => resolveLevel(level, options)));
}

/** For `config check`: what would fall back, with the models' files read through. One line each. */
export async function adviseOnLevels(config: PrimaryConfig): Promise<string[]> {
  const { root, vectorize } = config;
  const lines: string[] = [];
  for (const resolved of await resolveLevels(config, { root, models: vectorize.models, dtype: vectorize.dtype })) {
    const fault = resolved.fault ?? (await findDamage(resolved));
    if (fault) lines.push(`level ${resolved.level} falls back to heuristic: ${fault.message}; ${fault.hint}`);
  }
  for (const level of new Set(Object.values(laterLevels(vectorize)))) {
    const resolved = await resolveLevel(level, { root, models: vectorize.models, dtype: vectorize.dtype });
    const fault = resolved.fault ?? (await findDamage(resolved));
    if (fault) lines.push(`level ${level}, which vectorize.later names, waits: ${fault.message}; ${fault.hint}`);
  }
  return lines;
}

async function findDamage({ spec }: ResolvedLevel): Promise<{ message: string; hint: string } | undefined> {
  if (spec.kind !== "model") return undefined;
  return checkModel(spec.model).then(
    () => undefined,
    (error: Error & { hint?: string }) => ({ message: error.message, hint: error.hint ?? "" }),
  );
}
