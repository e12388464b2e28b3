// IEEE 754 half precision (binary16), as bits: 1 sign, 5 exponent, 10 fraction. Rounded to nearest, ties to even.

/** Bits of 2^-14, the smallest normal half, as a single. */
const SMALLEST_NORMAL = 0x38800000;
const SUBNORMAL_STEP = 2 ** -24;
/** Bits of an infinite single; those of NaN are above. */
const INFINITE_SINGLE = 0x7f800000;
/** What rounds to a half beyond the largest, 65504, is infinite. */
const INFINITE_HALF = 0x7c00;

/** Bits of the half nearest to the single with these `bits`, whose value is `value`. Beyond the range it is an infinity. */
export function toHalf(bits: number, value: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > INFINITE_SINGLE) return sign | INFINITE_HALF | 0x200;
  if (magnitude < SMALLEST_NORMAL) return sign | roundHalfEven(Math.abs(value) / SUBNORMAL_STEP);
  // The exponent's bias goes from 127 to 15. A fraction that rounds up to the next power of two carries into the exponent.
  const rebiased = magnitude - (112 << 23);
  const rounded = (rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13;
  return sign | Math.min(INFINITE_HALF, rounded);
}

/** Whether the bits are those of a number, neither an infinity nor NaN. */
export function isFiniteHalf(half: number): boolean {
  return (half & INFINITE_HALF) !== INFINITE_HALF;
}

/** The value of every half by its bits: to look it up is several times as fast as to make it. */
export function makeHalfTable(): Float32Array {
  const values = new Float32Array(65_536);
  for (let exponent = 0; exponent < 32; exponent += 1) {
    // The lowest exponent's halves lack the leading one, and are as far apart as those of the next.
    const lead = exponent === 0 ? 0 : 0x400;
    const step = SUBNORMAL_STEP * 2 ** Math.max(0, exponent - 1);
    for (let fraction = 0; fraction < 0x400; fraction += 1) {
      const value = exponent < 31 ? (lead + fraction) * step : fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
      values[(exponent << 10) | fraction] = value;
      values[0x8000 | (exponent << 10) | fraction] = -value;
    }
  }
  return values;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const above = value - floor;
  return above > 0.5 || (above === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
