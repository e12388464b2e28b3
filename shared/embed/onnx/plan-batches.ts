// Which texts go through a model together: such of nearly the same length, because all of a batch are padded to the
// longest; few enough that memory stays small whatever is asked. Pure.
import type { ModelWeights } from "../../models/stored-model.js";

export interface BatchBounds {
  mostTexts: number;
  /** Padded: texts × the longest. A single text may have more. */
  mostTokens: number;
}

/**
 * The int8 models are quantised dynamically: what a layer multiplies is scaled by the largest value in the whole batch, so a
 * text's neighbours change its vector (cosine down to 0.98 measured), and equal texts would get unequal vectors. They go
 * one by one. fp32 gains a third by 8 texts of 24 tokens at once, and nothing more by 32.
 */
export function batchBounds(weights: ModelWeights): BatchBounds {
  return weights === "int8" ? { mostTexts: 1, mostTokens: 512 } : { mostTexts: 16, mostTokens: 512 };
}

/** At most this part of a batch is padding. */
const MOST_PADDING = 1 / 8;

/** Places in `lengths`, each once, the shortest texts first. */
export function planBatches(lengths: readonly number[], { mostTexts, mostTokens }: BatchBounds): number[][] {
  const places = lengths.map((_, place) => place).sort((a, b) => lengthAt(lengths, a) - lengthAt(lengths, b));
  const batches: number[][] = [];
  let batch: number[] = [];
  let real = 0;
  for (const place of places) {
    const length = lengthAt(lengths, place);
    const padded = length * (batch.length + 1);
    const isFull = batch.length >= mostTexts || padded > mostTokens || padded - real - length > padded * MOST_PADDING;
    if (batch.length > 0 && isFull) {
      batches.push(batch);
      batch = [];
      real = 0;
    }
    batch.push(place);
    real += length;
  }
  return batch.length > 0 ? [...batches, batch] : batches;
}

function lengthAt(lengths: readonly number[], place: number): number {
  return lengths[place] as number;
}
