// What a ranking is worth: precision and normalised discounted cumulative gain of its first ten, with right and wrong
// as the only judgements.

export interface Judged {
  /** Right answers among the first ten, of at most as many as there are. */
  precision: number;
  /** nDCG@10: a right answer at place i counts 1 / log2(i + 1); 1 is the best order there can be. */
  gain: number;
}

const DEPTH = 10;

/** `ranking` best first; `right` is not empty. */
export function judge(ranking: readonly number[], right: ReadonlySet<number>): Judged {
  const first = ranking.slice(0, DEPTH);
  const possible = Math.min(DEPTH, right.size);
  const gain = first.reduce((sum, one, i) => (right.has(one) ? sum + gainAt(i) : sum), 0);
  let best = 0;
  for (let i = 0; i < possible; i += 1) best += gainAt(i);
  return { precision: first.filter((one) => right.has(one)).length / possible, gain: gain / best };
}

function gainAt(index: number): number {
  return 1 / Math.log2(index + 2);
}

export function meanOf(all: readonly Judged[]): Judged {
  const mean = (of: keyof Judged) => all.reduce((sum, one) => sum + one[of], 0) / all.length;
  return { precision: mean("precision"), gain: mean("gain") };
}
