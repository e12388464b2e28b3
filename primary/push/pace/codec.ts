// The ways a generation can travel: its send streams as they are or with extents as they are on disk, and either of them
// through zstd or not.

export interface Codec {
  /** `raw`, `extents`, `zstd-9`, `extents+zstd-1`: what status and logs call it. */
  readonly name: string;
  /** Send protocol 2 with extents as they are compressed on disk. */
  readonly compressedData: boolean;
  readonly zstdLevel: number | undefined;
}

export function codecOf(compressedData: boolean, zstdLevel: number | undefined): Codec {
  const parts = [...(compressedData ? ["extents"] : []), ...(zstdLevel === undefined ? [] : [`zstd-${zstdLevel}`])];
  return { name: parts.join("+") || "raw", compressedData, zstdLevel };
}

/** What a link may use. */
export interface CodecLimits {
  /** Both ends are known good with extents as they are on disk. */
  compressedData: boolean;
  /** Both ends have zstd. */
  zstd: boolean;
}

/** Levels of which each is the best for some link: those between them gain nothing that a link would notice. */
const ZSTD_LEVELS = [1, 3, 9, 19];

/** All that a push may travel as, least processor time first. */
export function possibleCodecs({ compressedData, zstd }: CodecLimits): Codec[] {
  return [
    ...(compressedData ? [codecOf(true, undefined)] : []),
    ...(compressedData && zstd ? [codecOf(true, 1)] : []),
    codecOf(false, undefined),
    ...(zstd ? ZSTD_LEVELS.map((level) => codecOf(false, level)) : []),
  ];
}
