// Reads one event and checks it as it is read: the stored entry line against the tree, the payload line against the
// entry, the names against the place asked for. An event that fails is never answered; the error names where it stands.
import type { JsonValue } from "../format/canonical-json.js";
import { type Entry, parseEntry } from "../format/entry.js";
import { GENESIS_HASH, leafHash, sha256Hex } from "../format/hash.js";
import { type Payload, parsePayload } from "../format/payload.js";
import { CatalogDamage } from "./catalog.js";
import type { EventLayer, EventRow, StoredEvent } from "./event-layer.js";
import { QueryError } from "./query-error.js";

export interface VerifiedEvent {
  row: EventRow;
  entry: Entry;
  payload: Payload;
  hash: string;
  /** Of the stored payload line. */
  payloadBytes: number;
}

/**
 * @throws QueryError `broken-chain`
 * @throws CatalogDamage when it is the catalog, not the ledger, that is wrong
 */
export function verifyEvent(layer: EventLayer, row: EventRow): VerifiedEvent {
  const stored = layer.stored(row);
  const hash = leafHash(stored.entry);
  if (!hash.equals(stored.leaf))
    throw broken(row, stored, "the entry's bytes do not have the hash that the tree holds");
  if (!hash.equals(row.hash)) throw new CatalogDamage(`the catalog's hash of event ${row.seq} is not the tree's`);
  const entry = parsed(row, stored, () => parseEntry(stored.entry.toString("utf8")));
  if (entry.seq !== row.seq || entry.element_id !== row.element || entry.height !== row.height) {
    throw broken(row, stored, "the entry is of another event than its place says");
  }
  const payloadPlace = { ...stored, file: stored.payloadFile, offset: stored.payloadOffset };
  if (sha256Hex(stored.payload) !== entry.payload_hash) {
    throw broken(row, payloadPlace, "the payload's bytes do not have the hash that the entry holds");
  }
  const payload = parsed(row, payloadPlace, () => parsePayload(stored.payload.toString("utf8")));
  if (payload.seq !== row.seq) throw broken(row, payloadPlace, `the payload names event ${payload.seq}`);
  return { row, entry, payload, hash: hash.toString("hex"), payloadBytes: stored.payload.length };
}

/** Checks that `event` follows on `previous` in its chain; `undefined` stands for the start. @throws QueryError `broken-chain` */
export function verifyLink(layer: EventLayer, event: VerifiedEvent, previous: VerifiedEvent | undefined): void {
  const height = previous ? previous.entry.height + 1 : 0;
  const stored = () => layer.stored(event.row);
  if (event.entry.height !== height) {
    throw broken(
      event.row,
      stored(),
      `height ${height} of the chain is missing; the next entry has ${event.entry.height}`,
    );
  }
  if (event.entry.previous_event_hash !== (previous?.hash ?? GENESIS_HASH)) {
    throw broken(event.row, stored(), "previous_event_hash is not the hash of the entry before");
  }
}

function parsed<T>(row: EventRow, stored: Pick<StoredEvent, "file" | "offset">, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw broken(row, stored, (cause as Error).message, cause);
  }
}

function broken(
  row: EventRow,
  { file, offset }: Pick<StoredEvent, "file" | "offset">,
  reason: string,
  cause?: unknown,
): QueryError {
  const { element, seq, height } = row;
  const place = { element, seq, height, file, offset };
  return new QueryError(
    "broken-chain",
    `the chain of ${element} is broken at event ${seq} (height ${height}), ${file} at byte ${offset}: ${reason}`,
    { cause, place, hint: `run \`verify --element ${element}\` to see how far the damage goes` },
  );
}

/** The state that an event left its element in. */
export function stateOf({ payload }: VerifiedEvent): JsonValue {
  return payload.state_snapshot ?? null;
}
