// One walk over a parsed value before it is canonicalised: counts members (to find duplicate keys), checks depth and
// numbers, puts keys in canonical order and replaces secrets, in place. It runs for every event, so it allocates only where it finds something.
import type { JsonValue } from "../../shared/format/canonical-json.js";
import { AdmitError } from "./admit-error.js";
import { REDACTED, redactText } from "./redact-text.js";
import { formatPath } from "./scan-json.js";
import type { SecretKeyTest } from "./secret-keys.js";

type JsonObject = { [key: string]: JsonValue };

export interface ValueCheck {
  /** Members of all objects in the value. */
  members: number;
  /** True when a number, a string or the depth needs the exact scan. */
  suspect: boolean;
  /** Every object below the fields has its keys in canonical order now, so `JSON.stringify` writes the canonical form. */
  sorted: boolean;
  /** Paths of what was replaced. */
  redacted: string[] | undefined;
}

export interface CheckOptions {
  maxDepth: number;
  isSecretKey: SecretKeyTest;
  /** Look into strings as well. */
  inStrings: boolean;
  /** Strings may hold half a surrogate pair: the line has escapes. */
  escapes: boolean;
}

/** Checks the object `root` (in place), whose members are the event's fields. @throws AdmitError `payload-too-large` */
export function checkValue(root: JsonObject, options: CheckOptions): ValueCheck {
  const walk = new Walk(options);
  walk.object(root, false);
  return walk;
}

/** An object that names a key in one member and holds its value in another: `{"name":"DB_PASSWORD","value":…}`. */
const NAMING = ["name", "key", "field"] as const;
const NAMED = new Set(["value", "old", "new", "old_value", "new_value"]);
/** One long key above many secrets would otherwise be written out once for each. */
const MAX_PATH_CHARS = 256 * 1024;

const UNSORTABLE = /^(?:\d+|__proto__)$/;

class Walk implements ValueCheck {
  members = 0;
  suspect = false;
  sorted = true;
  redacted: string[] | undefined;
  readonly #options: CheckOptions;
  readonly #path: (string | number)[] = [];
  #pathChars = 0;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  /** The object itself, or its members in canonical order in a new one. */
  object(object: JsonObject, inside: boolean): JsonObject {
    const keys = Object.keys(object);
    this.members += keys.length;
    const namesSecret = inside && this.#namesSecret(object);
    let inOrder = true;
    let before = "";
    for (const key of keys) {
      if (key < before) inOrder = false;
      before = key;
      this.#path.push(key);
      const value = object[key] as JsonValue;
      // The event's own fields are never secret by name; what lies under `state_snapshot` may be.
      const secret = inside && (this.#options.isSecretKey(key) || (namesSecret && NAMED.has(key)));
      if (secret && hides(value)) {
        this.#checkHidden(value);
        object[key] = this.#replaced();
      } else {
        const checked = this.#value(value, inside || key === "reason" || key === "state_snapshot");
        if (checked !== value) object[key] = checked;
      }
      if (this.#options.escapes && !key.isWellFormed()) this.suspect = true;
      this.#path.pop();
    }
    return inOrder || !inside ? object : this.#sort(object, keys);
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

  #value(value: JsonValue, inStrings: boolean): JsonValue {
    if (typeof value === "string") return this.#string(value, inStrings);
    if (typeof value === "number") {
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) this.suspect = true;
    } else if (typeof value === "object" && value !== null) {
      if (this.#path.length >= this.#options.maxDepth) this.suspect = true;
      else if (Array.isArray(value)) this.#array(value);
      else return this.object(value, true);
    }
    return value;
  }

  #array(array: JsonValue[]): void {
    for (let index = 0; index < array.length; index += 1) {
      this.#path.push(index);
      const value = array[index] as JsonValue;
      const checked = this.#value(value, true);
      if (checked !== value) array[index] = checked;
      this.#path.pop();
    }
  }

  #string(text: string, inStrings: boolean): string {
    if (this.#options.escapes && !text.isWellFormed()) this.suspect = true;
    if (!inStrings || !this.#options.inStrings) return text;
    const redacted = redactText(text, this.#options.isSecretKey);
    return redacted === text ? text : this.#replaced(redacted);
  }

  /** Checks what is about to be hidden, so that a fault under a secret key is still found. */
  #checkHidden(value: JsonValue): void {
    const redacted = this.redacted?.slice();
    this.#value(value, false);
    this.redacted = redacted;
  }

  #replaced(text: string = REDACTED): string {
    const path = formatPath(this.#path);
    this.#pathChars += path.length;
    if (this.#pathChars > MAX_PATH_CHARS) {
      throw new AdmitError("payload-too-large", {
        field: "state_snapshot",
        reason: `the paths of its redacted values have more than ${MAX_PATH_CHARS} characters`,
        hint: "leave secrets out, or send fewer at once",
      });
    }
    this.redacted ??= [];
    this.redacted.push(path);
    return text;
  }

  #namesSecret(object: JsonObject): boolean {
    for (const naming of NAMING) {
      const name = object[naming];
      if (typeof name === "string" && this.#options.isSecretKey(name)) return true;
    }
    return false;
  }
}

/** `null`, booleans and the empty string say nothing worth hiding. */
function hides(value: JsonValue): boolean {
  return value !== null && typeof value !== "boolean" && value !== "" && value !== REDACTED;
}
