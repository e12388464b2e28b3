// A seal: the entry that ends a generation. Its payload's `state_snapshot` is this object, so the root signed next
// commits to the generation's number and, through their hashes, to every vector row the generation added.
import type { JsonValue } from "./canonical-json.js";
import { FormatError } from "./format-error.js";
import { isSeqRanges, type SeqRanges } from "./seq-ranges.js";

export const SEAL_ACTION = "sealed";
export const SEAL_ELEMENT_TYPE = "Store";

const HEX_64 = /^[0-9a-f]{64}$/;
const VECTOR_FILE = /^\d{20}\.vec$/;

export function sealElementId(storeUuid: string): string {
  return `store:${storeUuid}`;
}

/** A run of rows of one vector file: `rows` rows from row `first`, with the SHA-256 of their bytes. */
export interface SealedRows {
  file: string;
  first: number;
  rows: number;
  sha256: string;
}

/** What a generation added to one space. `definition` is the SHA-256 of the bytes of its `space.json`. */
export interface SealedSpace {
  space: string;
  definition: string;
  added: SealedRows[];
}

export interface Seal {
  generation: number;
  /** By space name, in name order. A space that gained no rows is left out. */
  spaces: SealedSpace[];
  /**
   * All events so far that are to have a row and have none yet: a later generation brings it. Left out where there are
   * none, at most MOST_LATE_RANGES.
   */
  late?: SeqRanges;
}

/** A seal with more waits for rows: what says that something is missing must itself stay small. */
export const MOST_LATE_RANGES = 4096;

export function sealState(seal: Seal): JsonValue {
  return seal as unknown as JsonValue;
}

/** Reads a seal's `state_snapshot`. @throws FormatError `bad-payload`, naming the field */
export function parseSeal(state: JsonValue): Seal {
  const seal = state as unknown as Seal;
  const count = (value: unknown, least: number) => Number.isSafeInteger(value) && (value as number) >= least;
  if (typeof seal !== "object" || seal === null || !count(seal.generation, 1)) throw badSeal("generation");
  if (!Array.isArray(seal.spaces)) throw badSeal("spaces");
  if (seal.late !== undefined && !isLate(seal.late as unknown as JsonValue)) throw badSeal("late events");
  for (const one of seal.spaces) {
    const { space, definition, added } = one ?? {};
    if (typeof space !== "string" || !HEX_64.test(definition) || !Array.isArray(added)) throw badSeal("spaces");
    for (const run of added) {
      const { file, first, rows, sha256 } = run ?? {};
      const good = VECTOR_FILE.test(file) && count(first, 0) && count(rows, 1) && HEX_64.test(sha256);
      if (!good) throw badSeal(`rows of ${space}`);
    }
  }
  return seal;
}

function isLate(late: JsonValue): boolean {
  return isSeqRanges(late) && late.length >= 1 && late.length <= MOST_LATE_RANGES;
}

function badSeal(field: string): FormatError {
  return new FormatError("bad-payload", `the seal's ${field} cannot be read`);
}
