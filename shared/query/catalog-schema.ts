// The tables of `index/catalog.db`. They say where the bytes of each event lie and how to find them; they hold no bytes
// of the ledger themselves. A change here is a new CATALOG_FORMAT: a catalog of another format is deleted and rebuilt.

export const CATALOG_FORMAT = 2;

// The index on chains holds the action too, so that the actions of an element are counted without reading its rows.
// Every index ends in the rowid, which is `seq`: the index on `at` is the timeline's order (time, then seq). The index
// on the first eight bytes of the hash serves prefixes; the whole hash would make it four times as large.
//
// `facets` lists the elements of a type or a source (both are ids of `names`) by name: every element that ever had it.
// `tallies` counts the rows of `entries` by the kinds of `tallies.ts`; `second` is 0 where a kind has one name.
export const CATALOG_SCHEMA = `
CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 0),
  store TEXT NOT NULL,
  format INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  filled INTEGER NOT NULL
);
CREATE TABLE elements (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE entries (
  seq INTEGER PRIMARY KEY,
  element INTEGER NOT NULL,
  type INTEGER NOT NULL,
  action INTEGER NOT NULL,
  actor INTEGER NOT NULL,
  source INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  at INTEGER NOT NULL,
  height INTEGER NOT NULL,
  hash BLOB NOT NULL,
  entry_file INTEGER NOT NULL,
  entry_offset INTEGER NOT NULL,
  entry_length INTEGER NOT NULL,
  payload_file INTEGER NOT NULL,
  payload_offset INTEGER NOT NULL,
  payload_length INTEGER NOT NULL
);
CREATE INDEX entries_chain ON entries (element, height, at, action);
CREATE INDEX entries_timeline ON entries (at);
CREATE INDEX entries_type ON entries (type, at);
CREATE INDEX entries_action ON entries (action, at);
CREATE INDEX entries_actor ON entries (actor, at);
CREATE INDEX entries_hash ON entries (substr(hash, 1, 8));
CREATE TABLE facets (
  facet INTEGER NOT NULL,
  name TEXT NOT NULL,
  element INTEGER NOT NULL,
  PRIMARY KEY (facet, name)
) WITHOUT ROWID;
CREATE TABLE tallies (
  kind INTEGER NOT NULL,
  first INTEGER NOT NULL,
  second INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (kind, first, second)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(
  element, type, action, actor, reason, state, content='', tokenize='porter unicode61'
);
`;

/** bm25 weights of the columns of `words`: a word in an element's name says more than one in its state. */
export const WORD_WEIGHTS = "4.0, 2.0, 3.0, 2.0, 2.0, 1.0";
