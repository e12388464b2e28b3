// One walk over a parsed value: counts members (to find duplicate keys), checks depth and numbers, and puts keys in
// canonical order, in place. It changes no value. It also notes whether any key is one that a later step watches for, so
// that most events are walked once only. It runs for every event, so it allocates only where it finds something.
import type { JsonValue } from "../../shared/format/canonical-json.js";

type JsonObject = { [key: string]: JsonValue };

export interface ValueCheck {
  /** Members of all objects in the value. */
  members: number;
  /** True when a number, a string or the depth needs the exact scan. */
  suspect: boolean;
  /** Every object below the fields has its keys in canonical order now, so `JSON.stringify` writes the canonical form. */
  sorted: boolean;
  /** Some object below the fields has a watched key, or names one: `{"name":"DB_PASSWORD","value":…}`. */
  watched: boolean;
}

export interface CheckOptions {
  maxDepth: number;
  isWatched: (key: string) => boolean;
  /** Strings may hold half a surrogate pair: the line has escapes. */
  escapes: boolean;
}

/** Members that name a key whose value stands in another member. */
export const NAMING: readonly string[] = ["name", "key", "field"];

/** Checks `root`: the event's fields, or an array of such objects. */
export function checkValue(root: JsonObject | JsonValue[], options: CheckOptions): ValueCheck {
  const walk = new Walk(options);
  if (Array.isArray(root)) walk.array(root);
  else walk.object(root, false);
  return walk;
}

const UNSORTABLE = /^(?:\d+|__proto__)$/;

class Walk implements ValueCheck {
  members = 0;
  suspect = false;
  sorted = true;
  watched = false;
  readonly #options: CheckOptions;
  #depth = 0;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  /** The object itself, or its members in canonical order in a new one. `inside`: it lies below the event's fields. */
  object(object: JsonObject, inside: boolean): JsonObject {
    const keys = Object.keys(object);
    this.members += keys.length;
    this.#depth += 1;
    let inOrder = true;
    let before = "";
    for (const key of keys) {
      if (key < before) inOrder = false;
      before = key;
      const value = object[key] as JsonValue;
      if (inside && !this.watched) this.#watch(key, value);
      if (typeof value === "object" && value !== null) {
        const checked = this.#container(value);
        if (checked !== value) object[key] = checked;
      } else this.#scalar(value);
      if (this.#options.escapes && !key.isWellFormed()) this.suspect = true;
    }
    this.#depth -= 1;
    return inOrder || !inside ? object : this.#sort(object, keys);
  }

  array(array: JsonValue[]): void {
    this.#depth += 1;
    for (let index = 0; index < array.length; index += 1) {
      const value = array[index] as JsonValue;
      if (typeof value === "object" && value !== null) {
        const checked = this.#container(value);
        if (checked !== value) array[index] = checked;
      } else this.#scalar(value);
    }
    this.#depth -= 1;
  }

  #watch(key: string, value: JsonValue): void {
    const { isWatched } = this.#options;
    this.watched = isWatched(key) || (typeof value === "string" && NAMING.includes(key) && isWatched(value));
  }

  #container(value: JsonObject | JsonValue[]): JsonValue {
    if (this.#depth >= this.#options.maxDepth) this.suspect = true;
    else if (Array.isArray(value)) this.array(value);
    else return this.object(value, true);
    return value;
  }

  #scalar(value: null | boolean | number | string): void {
    if (typeof value === "number") {
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) this.suspect = true;
    } else if (this.#options.escapes && typeof value === "string" && !value.isWellFormed()) this.suspect = true;
  }

  #sort(object: JsonObject, keys: string[]): JsonObject {
    const sorted: JsonObject = {};
    for (const key of keys.sort()) {
      // An object keeps keys such as `10` in number order, and `__proto__` would not become a member at all.
      if (UNSORTABLE.test(key)) {
        this.sorted = false;
        return object;
      }
      sorted[key] = object[key] as JsonValue;
    }
    return sorted;
  }
}
