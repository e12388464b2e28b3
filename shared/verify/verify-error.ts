// The verdicts of `verify`, and the error that carries the first bad place.

/** `tampered`: bytes are not what was signed. `incomplete`: bytes are missing. `unsigned`: nothing trusted signed them.
 *  `stale`: all is well, but a newer state is known to exist. `newer`: a later version wrote what cannot be read here. */
export type Verdict = "tampered" | "incomplete" | "unsigned" | "stale" | "newer";

/** Exit codes of `verify`; 0 is intact, 1 means that it could not be found out. */
export const VERDICT_EXIT_CODES = { intact: 0, tampered: 3, incomplete: 4, unsigned: 5, stale: 6, newer: 7 } as const;

/** Where it is bad: a path below the generation's folder and, where they are known, the rest. */
export interface Place {
  file: string;
  /** Byte offset in the file. */
  offset?: number;
  seq?: number;
  elementId?: string;
}

export class VerifyError extends Error {
  readonly verdict: Verdict;
  readonly place: Place;
  constructor(verdict: Verdict, place: Place, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "VerifyError";
    this.verdict = verdict;
    this.place = place;
  }
}

export function formatPlace({ file, offset, seq, elementId }: Place): string {
  let text = file;
  if (offset !== undefined) text += ` at byte ${offset}`;
  if (seq !== undefined) text += `, event ${seq}`;
  if (elementId !== undefined) text += `, element ${elementId}`;
  return text;
}
