// The shape of a state: how deep, how wide, of which types. One walk, no copies.
import type { JsonValue } from "../format/canonical-json.js";

export interface StateMeasures {
  /** Levels of objects and arrays; 0 for a plain value. */
  depth: number;
  /** Members of all objects. */
  members: number;
  /** Items of all arrays. */
  items: number;
  /** UTF-16 units of all string values. */
  characters: number;
  strings: number;
  numbers: number;
  /** Booleans and nulls. */
  flags: number;
  /** Objects and arrays, the state itself included. */
  containers: number;
}

export function measureState(state: JsonValue): StateMeasures {
  const measures = {
    depth: 0,
    members: 0,
    items: 0,
    characters: 0,
    strings: 0,
    numbers: 0,
    flags: 0,
    containers: 0,
  };
  measure(state, 1, measures);
  return measures;
}

function measure(value: JsonValue, level: number, measures: StateMeasures): void {
  if (typeof value === "string") {
    measures.strings += 1;
    measures.characters += value.length;
  } else if (typeof value === "number") measures.numbers += 1;
  else if (typeof value === "boolean" || value === null) measures.flags += 1;
  else {
    measures.containers += 1;
    if (level > measures.depth) measures.depth = level;
    if (Array.isArray(value)) {
      measures.items += value.length;
      for (const item of value) measure(item, level + 1, measures);
    } else {
      const keys = Object.keys(value);
      measures.members += keys.length;
      for (const key of keys) measure(value[key] as JsonValue, level + 1, measures);
    }
  }
}
