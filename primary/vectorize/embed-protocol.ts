// What the vectorizer and its worker processes say to each other: flat arrays, because every event crosses.

/** Strings of one event in a job: action, element id, element type, timestamp, state in RFC 8785 form. */
export const STRINGS_PER_EVENT = 5;

export interface EmbedRequest {
  id: number;
  seqs: number[];
  /** STRINGS_PER_EVENT strings for each event. */
  texts: string[];
}

export interface EmbedReply {
  id: number;
  /** Rows as they are stored, in the order of the request: the primary's own process only has to append them. */
  rows: Uint8Array;
}
