// Field-level changes between two states of an element: which paths are new, gone or different. Assembled when asked for,
// never stored.
import type { JsonValue } from "../format/canonical-json.js";

/** `old` is left out for a field that was not there before, `new` for one that is gone. */
export interface FieldChange {
  /** Path within the state: `address.v4`, `dns[0]`, `["odd key"].mtu`; empty for the state as a whole. */
  field: string;
  old?: JsonValue;
  new?: JsonValue;
}

/** Changes in order of path as the states name them. `undefined` stands for no state at all. */
export function compareStates(before: JsonValue | undefined, after: JsonValue | undefined): FieldChange[] {
  const changes: FieldChange[] = [];
  compare(before, after, "", changes);
  return changes;
}

function compare(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  field: string,
  changes: FieldChange[],
): void {
  const old = childrenOf(before);
  const now = childrenOf(after);
  if (old && now && Array.isArray(before) === Array.isArray(after)) {
    for (const key of new Set([...old.keys(), ...now.keys()])) {
      compare(old.get(key), now.get(key), pathOf(field, key), changes);
    }
  } else if (before === undefined && now && now.size > 0) {
    for (const [key, value] of now) compare(undefined, value, pathOf(field, key), changes);
  } else if (after === undefined && old && old.size > 0) {
    for (const [key, value] of old) compare(value, undefined, pathOf(field, key), changes);
  } else if (!sameValue(before, after)) {
    changes.push({
      field,
      ...(before === undefined ? {} : { old: before }),
      ...(after === undefined ? {} : { new: after }),
    });
  }
}

function childrenOf(value: JsonValue | undefined): Map<string | number, JsonValue> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  return Array.isArray(value) ? new Map(value.entries()) : new Map(Object.entries(value));
}

function pathOf(field: string, key: string | number): string {
  if (typeof key === "number") return `${field}[${key}]`;
  if (!/^[\p{L}\p{N}_$-]+$/u.test(key)) return `${field}[${JSON.stringify(key)}]`;
  return field === "" ? key : `${field}.${key}`;
}

/** Of two values of which at most one has fields. */
function sameValue(before: JsonValue | undefined, after: JsonValue | undefined): boolean {
  return (
    before === after ||
    (before !== undefined && after !== undefined && JSON.stringify(before) === JSON.stringify(after))
  );
}
