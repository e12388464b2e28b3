// A value as OVSDB sends it (RFC 7047, section 5.1) to plain JSON. There a set of one is the bare element and one of none an
// empty set; here the schema decides: what can have one value is that value, a set is a sorted list, a map an object.
import type { JsonValue } from "../../../shared/format/canonical-json.js";
import { OvsdbError } from "./ovsdb-error.js";
import type { Column } from "./read-schema.js";

/** How one element's state is made. */
export interface PlainRules {
  /** What stands in the place of a reference to a row. */
  refer(uuid: string): JsonValue;
  /** Keys of maps that are left out. */
  ignoredKeys: ReadonlySet<string>;
  /** Values that the state may still take in: rows that refer to each other could make it grow without end. */
  valuesLeft: number;
}

/** Undefined: it is empty. @throws OvsdbError `bad-message` */
export function plainValue(wire: unknown, { name, kind }: Column, rules: PlainRules): JsonValue | undefined {
  if (kind === "map") return plainMap(pairsOf(wire, name), name, rules);
  const atoms = atomsOf(wire).map((atom) => plainAtom(atom, name, rules));
  if (kind === "set") return atoms.length > 0 ? atoms.sort(inOrder) : undefined;
  const [only, ...more] = atoms;
  if (more.length > 0) throw malformed(name, wire);
  return only === "" ? undefined : only;
}

function plainMap(pairs: [unknown, unknown][], name: string, rules: PlainRules): JsonValue | undefined {
  const plain = pairs
    .map(([key, value]) => [String(plainAtom(key, name, rules)), plainAtom(value, name, rules)] as const)
    .filter(([key]) => !rules.ignoredKeys.has(key));
  return plain.length > 0 ? Object.fromEntries(plain) : undefined;
}

function atomsOf(wire: unknown): unknown[] {
  return Array.isArray(wire) && wire[0] === "set" && Array.isArray(wire[1]) ? wire[1] : [wire];
}

function pairsOf(wire: unknown, name: string): [unknown, unknown][] {
  const pairs = Array.isArray(wire) && wire[0] === "map" ? wire[1] : undefined;
  if (!Array.isArray(pairs)) throw malformed(name, wire);
  for (const pair of pairs) if (!Array.isArray(pair) || pair.length !== 2) throw malformed(name, wire);
  return pairs as [unknown, unknown][];
}

function plainAtom(atom: unknown, name: string, rules: PlainRules): JsonValue {
  rules.valuesLeft -= 1;
  if (rules.valuesLeft < 0)
    throw new OvsdbError("bad-message", `column ${name} brings more values than a state can hold`);
  if (typeof atom === "string" || typeof atom === "number" || typeof atom === "boolean") return atom;
  if (Array.isArray(atom) && atom[0] === "uuid" && typeof atom[1] === "string") return rules.refer(atom[1]);
  throw malformed(name, atom);
}

/** OVSDB sorts sets by the rows' UUIDs, which mean nothing to a reader and change when a row is made anew. */
function inOrder(a: JsonValue, b: JsonValue): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function malformed(column: string, wire: unknown): OvsdbError {
  const shown = JSON.stringify(wire)?.slice(0, 100);
  return new OvsdbError("bad-message", `column ${column} holds ${shown}, which is no value of its type`);
}
