// Where the next page starts. A cursor also keeps the size that the first page answered for, so that all pages together
// are one consistent answer however much the ledger has grown since: it only grows at the end.
import { sha256Hex } from "../format/hash.js";
import { badParameter } from "./query-error.js";

export interface Cursor {
  /** The size that all pages answer for. */
  size: number;
  /** Numbers that say where the next page starts; what they mean is the query's own. */
  place: number[];
}

/** An opaque text. `query` is all that must stay the same from page to page. */
export function formatCursor({ size, place }: Cursor, query: unknown): string {
  return Buffer.from(JSON.stringify([markOf(query), size, ...place])).toString("base64url");
}

/** @throws QueryError `bad-parameter` for a cursor of another query, or of none */
export function parseCursor(text: string, query: unknown, places: number, answeredSize: number): Cursor {
  const wayOut = "use the cursor as it came, with the same query, or leave it out to start again";
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    throw badParameter("cursor", text.slice(0, 100), wayOut);
  }
  const [mark, size, ...place] = Array.isArray(parts) ? (parts as unknown[]) : [];
  const numbers = [size, ...place];
  const good = mark === markOf(query) && place.length === places && numbers.every((one) => Number.isSafeInteger(one));
  if (!good || (size as number) > answeredSize) throw badParameter("cursor", text.slice(0, 100), wayOut);
  return { size: size as number, place: place as number[] };
}

function markOf(query: unknown): string {
  return sha256Hex(JSON.stringify(query)).slice(0, 12);
}
