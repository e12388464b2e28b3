// How unlikely something is, in bits: −log2 of its probability (10 bits: 1 in 1024). Two measures, one for what hardly
// ever happened and one for what happened too often.

/**
 * Share of what has been seen `count` times in `of`, smoothed so that what was never seen is rare and not impossible: half
 * a time is added to both outcomes (Krichevsky and Trofimov, "The performance of universal encoding", IEEE Trans. Inf.
 * Theory 27(2), 1981).
 */
export function smoothedShare(count: number, of: number): number {
  return (count + 0.5) / (of + 1);
}

export function bitsOf(probability: number): number {
  return -Math.log2(probability);
}

/**
 * Bits of the probability that `count` or more events happen where `expected` do on average and each for itself: the
 * Poisson surprise of Legéndy and Salcman, "Bursts and recurrences of bursts in the spike trains of spontaneously active
 * striate cortex neurons", J. Neurophysiology 53(4), 1985. 0 where there are no more than expected.
 */
export function burstBits(count: number, expected: number): number {
  if (count <= expected) return 0;
  // The tail is its first term times 1 + λ/(n+1) + λ²/((n+1)(n+2)) + …: in logarithms it never underflows.
  let term = 1;
  let sum = 1;
  for (let next = count + 1; term > sum * Number.EPSILON; next += 1) {
    term *= expected / next;
    sum += term;
  }
  const logTail = count * Math.log(expected) - expected - logFactorial(count) + Math.log(sum);
  return Math.max(0, -logTail / Math.LN2);
}

/** Below this the product itself is taken; from it on Stirling's series is exact to 12 digits. */
const STIRLING_FROM = 20;

/** ln(n!), by Stirling's series (DLMF 5.11.1) for large n. */
function logFactorial(n: number): number {
  if (n < STIRLING_FROM) {
    let product = 1;
    for (let i = 2; i <= n; i += 1) product *= i;
    return Math.log(product);
  }
  const series = 1 / (12 * n) - 1 / (360 * n ** 3) + 1 / (1260 * n ** 5);
  return (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + series;
}
