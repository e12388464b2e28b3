// Durations as people write them: `90s`, `15min`, `2h`, `1d`, `1w`.

const UNITS_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds. @throws Error naming `option` and the forms it takes */
export function parseDuration(text: string, option: string): number {
  const ms = readDuration(text);
  if (ms === undefined) {
    throw new Error(`${option} is ${JSON.stringify(text)}; write a duration such as 90s, 15min, 2h, 1d or 1w`);
  }
  return ms;
}

/** Milliseconds, or `undefined` if `text` is no duration. */
export function readDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text.trim());
  const unitMs = match ? UNITS_MS[match[2] as string] : undefined;
  return match && unitMs !== undefined ? Number(match[1]) * unitMs : undefined;
}

/** The shortest exact form, such as `15min`. */
export function formatDuration(ms: number): string {
  for (const unit of ["w", "d", "h", "min", "s"]) {
    const unitMs = UNITS_MS[unit] as number;
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}
