// Rates as people write them: `20 Mbit/s`, `512 kbit/s`, `2.5 MB/s`, `1MiB/s`. Bits and kB are powers of 1000, KiB of 1024.

const UNITS_BITS: Record<string, number> = {
  "bit/s": 1,
  "kbit/s": 1e3,
  "Mbit/s": 1e6,
  "Gbit/s": 1e9,
  "B/s": 8,
  "kB/s": 8e3,
  "MB/s": 8e6,
  "GB/s": 8e9,
  "KiB/s": 8 * 2 ** 10,
  "MiB/s": 8 * 2 ** 20,
  "GiB/s": 8 * 2 ** 30,
};

/** The units that `parseRate` knows, for messages. */
export const RATE_UNITS = Object.keys(UNITS_BITS).join(", ");

/** Bits per second, or `undefined` if `text` is no rate. The case counts: `Mb` and `MB` are eight times apart. */
export function parseRate(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]+\/s)$/.exec(text.trim());
  const unitBits = UNITS_BITS[match?.[2] ?? ""];
  if (!match || unitBits === undefined) return undefined;
  const bitsPerSecond = Math.round(Number(match[1]) * unitBits);
  return Number.isSafeInteger(bitsPerSecond) ? bitsPerSecond : undefined;
}

/** Three digits and a unit of bits, such as `9.81 Mbit/s`. */
export function formatRate(bitsPerSecond: number): string {
  for (const unit of ["Gbit/s", "Mbit/s", "kbit/s"]) {
    const scale = UNITS_BITS[unit] as number;
    if (bitsPerSecond >= scale) return `${Number((bitsPerSecond / scale).toPrecision(3))} ${unit}`;
  }
  return `${Math.round(bitsPerSecond)} bit/s`;
}
