import assert from "node:assert/strict";
import { test } from "node:test";
import { formatCursor, parseCursor } from "../../../shared/query/cursor.js";
import { QueryError } from "../../../shared/query/query-error.js";

const refused = (error: unknown) =>
  error instanceof QueryError && error.code === "bad-parameter" && error.hint !== undefined;

test("a cursor comes back as it was made", () => {
  const cursor = { size: 42, place: [-5, 2 ** 50] };
  assert.deepEqual(parseCursor(formatCursor(cursor, ["q"]), ["q"], 2, 100), cursor);
});

test("a cursor of another query, of a larger ledger, or of no query at all is refused", () => {
  const text = formatCursor({ size: 42, place: [1] }, ["q"]);
  assert.throws(() => parseCursor(text, ["other"], 1, 100), refused);
  assert.throws(() => parseCursor(text, ["q"], 2, 100), refused);
  assert.throws(() => parseCursor(text, ["q"], 1, 41), refused);
  for (const rubbish of ["", "x", "bnVsbA", "W10"]) assert.throws(() => parseCursor(rubbish, ["q"], 1, 100), refused);
});
