// Sets of sequence numbers as ranges: `[[3, 7], [9, 9]]`, both ends included, rising, never touching. One set has one
// form, so what is hashed as part of a seal can be compared as a value. Pure.
import type { JsonValue } from "./canonical-json.js";

export type SeqRange = readonly [first: number, last: number];
export type SeqRanges = readonly SeqRange[];

/** Whether `value` is the one form of a set of sequence numbers. */
export function isSeqRanges(value: JsonValue | undefined): value is JsonValue & SeqRanges {
  if (!Array.isArray(value)) return false;
  let before = -2;
  for (const range of value) {
    if (!Array.isArray(range) || range.length !== 2) return false;
    const [first, last] = range;
    if (!isSeq(first) || !isSeq(last) || first <= before + 1 || last < first) return false;
    before = last;
  }
  return true;
}

export function countSeqs(ranges: SeqRanges): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

export function hasSeq(ranges: SeqRanges, seq: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as SeqRange)[1] < seq) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low];
  return range !== undefined && range[0] <= seq;
}

/** What is in `from` and not in `taken`. */
export function withoutSeqs(from: SeqRanges, taken: SeqRanges): SeqRange[] {
  const left: SeqRange[] = [];
  let at = 0;
  for (const [first, last] of from) {
    let begin = first;
    while (at < taken.length && (taken[at] as SeqRange)[1] < begin) at += 1;
    for (let i = at; i < taken.length && (taken[i] as SeqRange)[0] <= last; i += 1) {
      const [gone, goneTo] = taken[i] as SeqRange;
      if (gone > begin) left.push([begin, gone - 1]);
      begin = goneTo + 1;
    }
    if (begin <= last) left.push([begin, last]);
  }
  return left;
}

/** Rising numbers, each once, as ranges. */
export function rangesOf(seqs: Iterable<number>): SeqRange[] {
  const ranges: [number, number][] = [];
  for (const seq of seqs) {
    const range = ranges.at(-1);
    if (range && range[1] === seq - 1) range[1] = seq;
    else ranges.push([seq, seq]);
  }
  return ranges;
}

function isSeq(value: JsonValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
