// Which events of the ledger a fill takes next: pure. A range is short enough that its end is never far, and names the
// events in it that are to be left alone.

/** Events from `from` up to but not including `to`, without those of `skip`. */
export interface FillRange {
  from: number;
  to: number;
  skip: number[];
}

export interface WantedEvents {
  /** Where to begin to look. */
  from: number;
  /** Up to but not including it. */
  end: number;
  /** Whether it has its row, gets none, or is given out already. */
  isTaken: (seq: number) => boolean;
  /** Whether its first row is still to come: it is passed over, and comes up again later. */
  isLate: (seq: number) => boolean;
}

export interface RangeBounds {
  events: number;
  /** From its first event to its last, so that few are read in vain. */
  span: number;
}

/** The first range in which an event is wanted; `undefined` if none is. */
export function nextRange({ from, end, isTaken, isLate }: WantedEvents, most: RangeBounds): FillRange | undefined {
  const isWanted = (seq: number) => !isTaken(seq) && !isLate(seq);
  let first = from;
  while (first < end && !isWanted(first)) first += 1;
  if (first >= end) return undefined;
  const skip: number[] = [];
  let to = first;
  for (let seq = first, events = 0; seq < Math.min(end, first + most.span) && events < most.events; seq += 1) {
    if (!isWanted(seq)) continue;
    for (let between = to; between < seq; between += 1) skip.push(between);
    to = seq + 1;
    events += 1;
  }
  return { from: first, to, skip };
}

export function eventsOf({ from, to, skip }: FillRange): number[] {
  const skipped = new Set(skip);
  return Array.from({ length: to - from }, (_, i) => from + i).filter((seq) => !skipped.has(seq));
}
