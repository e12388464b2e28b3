// What fills ask of the vectorizer: its workers, behind everything else, and its files of rows.
import type { RowLevel } from "../../../shared/embed/levels.js";
import type { Priority } from "../../../shared/format/entry.js";
import type { RowsOfSpace } from "../embed-protocol.js";
import type { SeqSet } from "../seq-set.js";
import type { FillTarget } from "./fill.js";
import type { FillRange } from "./next-range.js";

/** What of a range was embedded: its events before `end`. */
export interface FilledPart {
  rows: RowsOfSpace | undefined;
  end: number;
}

export interface FillGround {
  /** Workers that may each have a range. */
  readonly lanes: number;
  /** The level's space. @throws EmbedError where the level cannot be had */
  target(level: RowLevel): Promise<FillTarget>;
  /** The same, made ready to append to. */
  prepare(level: RowLevel): Promise<FillTarget>;
  /** Events below `size` that have a row in the space; kept up from then on if it is ready. */
  seqsOf(space: string, size: number): Promise<SeqSet>;
  /** Rows of the first events of the range, at least of one. @throws WorkerDied, EmbedError, also where the level cannot be had */
  embed(level: RowLevel, priorities: readonly Priority[], range: FillRange): Promise<FilledPart>;
  /** @throws VectorizeError `write-failed` */
  append(rows: RowsOfSpace): Promise<void>;
}
