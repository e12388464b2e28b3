// An entry: one line of `timing/entries`, the small half of an event. Its bytes, newline excluded, are what the event
// hash is taken over, so they are made once (here) and never again.
import { canonicalString } from "./canonical-json.js";
import { FormatError } from "./format-error.js";
import { isStoredTimestamp, STORED_TIMESTAMP } from "./timestamp.js";

export const PRIORITIES = ["critical", "high", "medium", "low"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Field names are those on disk. `seq` and `height` count from 0; hashes are 64 lower-case hex digits. */
export interface Entry {
  action: string;
  actor: string;
  element_id: string;
  element_type: string;
  /** Place in the element's chain; the first entry of an element has height 0. */
  height: number;
  /** SHA-256 of the stored payload line, newline excluded. */
  payload_hash: string;
  /** Event hash of the element's entry at `height − 1`; 64 zeros at height 0. */
  previous_event_hash: string;
  priority: Priority;
  /** When the primary wrote it. */
  recorded: string;
  /** Place in the ledger, and leaf index in the tree. */
  seq: number;
  /** Which event source brought it, such as `socket` or `packages`. */
  source: string;
  /** When it happened. */
  timestamp: string;
}

/** An entry line may be at most this long, so that a C2SP entry bundle's 16-bit length can hold it. */
export const MAX_ENTRY_BYTES = 60 * 1024;

/** The stored line of `entry` (RFC 8785), newline excluded. @throws FormatError `lone-surrogate` */
export function formatEntry(entry: Entry): string {
  return (
    `{"action":${canonicalString(entry.action)},"actor":${canonicalString(entry.actor)}` +
    `,"element_id":${canonicalString(entry.element_id)},"element_type":${canonicalString(entry.element_type)}` +
    `,"height":${entry.height},"payload_hash":"${entry.payload_hash}"` +
    `,"previous_event_hash":"${entry.previous_event_hash}","priority":"${entry.priority}"` +
    `,"recorded":"${entry.recorded}","seq":${entry.seq},"source":${canonicalString(entry.source)}` +
    `,"timestamp":"${entry.timestamp}"}`
  );
}

/** A string that stands in the line as it is: no escape, and no surrogate, which the other way of reading judges. */
const PLAIN = '"([^"\\\\\\x00-\\x1f\\ud800-\\udfff]*)"';
const COUNT = "(0|[1-9][0-9]{0,14})";
const HASH = '"([0-9a-f]{64})"';
const TIME = `"(${STORED_TIMESTAMP})"`;
/** What `formatEntry` writes for strings that are plain and numbers of at most 15 digits: such a line is canonical. */
const PLAIN_ENTRY = new RegExp(
  `^\\{"action":${PLAIN},"actor":${PLAIN},"element_id":${PLAIN},"element_type":${PLAIN},"height":${COUNT}` +
    `,"payload_hash":${HASH},"previous_event_hash":${HASH},"priority":"(${PRIORITIES.join("|")})"` +
    `,"recorded":${TIME},"seq":${COUNT},"source":${PLAIN},"timestamp":${TIME}\\}$`,
);

const STRING_FIELDS = ["action", "actor", "element_id", "element_type", "source"] as const;
const HASH_FIELDS = ["payload_hash", "previous_event_hash"] as const;
const COUNT_FIELDS = ["height", "seq"] as const;
const TIME_FIELDS = ["recorded", "timestamp"] as const;
const HEX_64 = /^[0-9a-f]{64}$/;

/**
 * Reads a stored line. A line that is well-formed but not byte for byte what `formatEntry` writes is refused: two lines
 * must never mean the same entry.
 *
 * @throws FormatError `bad-entry`, naming the field
 */
export function parseEntry(line: string): Entry {
  return parsePlain(line) ?? parseAny(line);
}

/** Nearly every line there is, at a quarter of the time; what it does not read may still be an entry. */
function parsePlain(line: string): Entry | undefined {
  const found = PLAIN_ENTRY.exec(line);
  if (!found) return undefined;
  return {
    action: found[1],
    actor: found[2],
    element_id: found[3],
    element_type: found[4],
    height: Number(found[5]),
    payload_hash: found[6],
    previous_event_hash: found[7],
    priority: found[8],
    recorded: found[9],
    seq: Number(found[10]),
    source: found[11],
    timestamp: found[12],
  } as Entry;
}

function parseAny(line: string): Entry {
  let entry: Entry;
  try {
    entry = JSON.parse(line) as Entry;
  } catch (cause) {
    throw new FormatError("bad-entry", "the entry line is not JSON", { cause });
  }
  if (typeof entry !== "object" || entry === null)
    throw new FormatError("bad-entry", "the entry line is not an object");
  const bad = wrongField(entry);
  if (bad) throw new FormatError("bad-entry", `the entry's ${bad} is ${JSON.stringify(entry[bad]) ?? "missing"}`);
  if (formatEntry(entry) !== line) throw new FormatError("bad-entry", "the entry line is not in canonical form");
  return entry;
}

function wrongField(entry: Entry): keyof Entry | undefined {
  return (
    STRING_FIELDS.find((name) => typeof entry[name] !== "string" || !entry[name].isWellFormed()) ??
    HASH_FIELDS.find((name) => typeof entry[name] !== "string" || !HEX_64.test(entry[name])) ??
    COUNT_FIELDS.find((name) => !Number.isSafeInteger(entry[name]) || entry[name] < 0) ??
    TIME_FIELDS.find((name) => typeof entry[name] !== "string" || !isStoredTimestamp(entry[name])) ??
    (PRIORITIES.includes(entry.priority) ? undefined : "priority")
  );
}
