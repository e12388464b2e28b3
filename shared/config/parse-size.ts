// Sizes as people write them: `4G`, `512M`, `64MiB`, `1048576`. Units are powers of 1024.

const UNITS: Record<string, number> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Size in bytes, or `undefined` if `text` is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (!match) return undefined;
  const sizeBytes = Math.round(Number(match[1]) * (UNITS[(match[2] as string).toUpperCase()] as number));
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}

/** The shortest exact form, such as `64MiB`. */
export function formatSize(sizeBytes: number): string {
  for (const unit of ["T", "G", "M", "K"]) {
    const scale = UNITS[unit] as number;
    if (sizeBytes >= scale && sizeBytes % scale === 0) return `${sizeBytes / scale}${unit}iB`;
  }
  return String(sizeBytes);
}

/** To the nearest whole mebibyte, for people: `117MiB`, `2GiB`. */
export function formatMebibytes(sizeBytes: number): string {
  return formatSize(Math.round(sizeBytes / 2 ** 20) * 2 ** 20);
}
