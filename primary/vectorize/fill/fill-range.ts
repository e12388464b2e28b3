// One range of one fill: embedded in parts, each written before the next begins. A range that ends its workers is made ever
// smaller, to find the event that does it; that one is left without a row, which it has in another space.
import type { RowLevel } from "../../../shared/embed/levels.js";
import type { Logger } from "../../../shared/log.js";
import { VectorizeError } from "../vectorize-error.js";
import { WorkerDied } from "../worker-process.js";
import type { Fill, FillTarget } from "./fill.js";
import type { FilledPart, FillGround } from "./fill-ground.js";
import { eventsOf, type FillRange } from "./next-range.js";

export interface RangeParts {
  ground: FillGround;
  /** Bytes that rows may still take of the volume. */
  roomBytes: () => Promise<number>;
  /** So many bytes of rows were written, and wait for a generation. */
  onRows: (bytes: number) => void;
  log: Logger;
}

/** What `tried` gives once the fill has ended. */
export const STOPPED = Symbol("the fill has ended");

/** `tried` does something again until it succeeds or the fill ends; a dead worker is no reason to try again. */
export async function fillRange(
  parts: RangeParts,
  fill: Fill,
  range: FillRange,
  tried: <T>(fill: Fill, work: () => Promise<T>) => Promise<T | typeof STOPPED>,
): Promise<void> {
  let most = range.to - range.from;
  for (let from = range.from; from < range.to; ) {
    const rest = within(range, from, Math.min(range.to, from + most));
    const part = await tried(fill, () => orDied(() => fillPart(parts, fill, rest)));
    if (part === STOPPED) return;
    if (part === undefined && rest.to - from > 1) {
      most = Math.max(1, Math.floor((rest.to - from) / 8));
      continue;
    }
    if (part === undefined) leaveOut(parts, fill, rest);
    // Not all at once: where one such event is, another is often near.
    else most *= 2;
    from = part?.end ?? rest.to;
  }
}

function within({ skip }: FillRange, from: number, to: number): FillRange {
  return { from, to, skip: skip.filter((seq) => seq >= from && seq < to) };
}

async function orDied(work: () => Promise<FilledPart>): Promise<FilledPart | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof WorkerDied) return undefined;
    throw error;
  }
}

async function fillPart(parts: RangeParts, fill: Fill, range: FillRange): Promise<FilledPart> {
  const { ground, roomBytes, onRows } = parts;
  const { level, priorities } = fill.scope;
  const { space, rowBytes } = fill.target as FillTarget;
  const beganMs = performance.now();
  if ((await roomBytes()) < rowBytes * (range.to - range.from)) throw noRoom(space);
  if ((await ground.target(level)).space !== space) throw otherSpace(level, space);
  const part = await orEnded(ground.embed(level, priorities, range), fill.ending.signal);
  if (part.rows) await ground.append(part.rows);
  const seqs = eventsOf({ ...range, to: part.end });
  fill.finish(seqs);
  fill.made += part.rows?.count ?? 0;
  const nowMs = performance.now();
  fill.pace.note(seqs.length, nowMs - beganMs, nowMs);
  if (part.rows) onRows(part.rows.bytes.length);
  return part;
}

/** A worker is not waited for once nobody wants what it makes. */
function orEnded<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(signal.reason as Error);
    if (signal.aborted) ended();
    else signal.addEventListener("abort", ended, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", ended));
  });
}

function leaveOut({ log }: RangeParts, fill: Fill, range: FillRange): void {
  const [seq] = eventsOf(range);
  if (seq === undefined) return;
  fill.leftOut += 1;
  fill.finish([seq]);
  log.error("event left without a row in the space that is filled: it ended three workers", {
    space: fill.target?.space,
    seq,
  });
}

/** The model of the level was changed while the fill was under way. */
export function otherSpace(level: RowLevel, space: string): VectorizeError {
  return new VectorizeError("space-differs", `level ${level} makes rows of another space now, not of ${space}`, {
    hint: `configure the model of before, or \`isochron-primary reembed --space ${space} --cancel\``,
  });
}

function noRoom(space: string): VectorizeError {
  return new VectorizeError("no-room", `the volume has too little room for more rows of ${space}`, {
    hint: "make room or a larger volume; the fill goes on by itself",
  });
}
