// Which of a question's names the events hold. A name is looked for in the full text, as it stands, because the text that a
// model sees of an event has numbers and addresses masked.
import type { QueryContext } from "../query-context.js";

export interface HeldNames {
  /** Names that some event of the store holds; the others tell nothing apart. */
  known: string[];
  unknown: string[];
}

export function findNames({ layer, size }: QueryContext, names: readonly string[]): HeldNames {
  const isKnown = (name: string) => layer.holding([name], 1, size).length > 0;
  return { known: names.filter(isKnown), unknown: names.filter((name) => !isKnown(name)) };
}

/** The share of `known` that each of the events holds; events that hold none are left out. */
export function sharesOf(
  { layer, size }: QueryContext,
  known: readonly string[],
  seqs: readonly number[],
): Map<number, number> {
  const shares = new Map<number, number>();
  for (const name of known) {
    for (const { seq } of layer.text([name], seqs.length, size, { among: seqs })) {
      shares.set(seq, (shares.get(seq) ?? 0) + 1 / known.length);
    }
  }
  return shares;
}
