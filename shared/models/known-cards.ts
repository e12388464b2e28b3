// What the cards of well-known models say, for copies of them that came without the files that say it. Used only where the
// model's own files are silent.

export interface KnownCard {
  pooling: "mean";
  maxTokens: number;
}

const CARDS: Readonly<Record<string, KnownCard>> = {
  "paraphrase-minilm-l3-v2": { pooling: "mean", maxTokens: 128 },
  "all-minilm-l6-v2": { pooling: "mean", maxTokens: 256 },
  "all-minilm-l12-v2": { pooling: "mean", maxTokens: 128 },
  "all-mpnet-base-v2": { pooling: "mean", maxTokens: 384 },
  "paraphrase-multilingual-minilm-l12-v2": { pooling: "mean", maxTokens: 128 },
};

/** The card of the first of `names` that has one. */
export function knownCard(names: readonly string[]): KnownCard | undefined {
  return names.map((name) => CARDS[name.toLowerCase()]).find((card) => card !== undefined);
}
