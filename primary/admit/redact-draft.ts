// The first interceptor: replaces secrets in a draft's state and reason, by key and in the text of strings, and keeps the
// paths of what it replaced. It runs before anything else may look at the values, and before anything is hashed: a
// secret that passes here can't be taken back.
import type { JsonValue } from "../../shared/format/canonical-json.js";
import type { EventDraft, Interceptor, SecretHints } from "../event.js";
import { AdmitError } from "./admit-error.js";
import { NAMING } from "./check-value.js";
import { REDACTED, redactText } from "./redact-text.js";
import { formatPath } from "./scan-json.js";
import type { SecretKeyTest } from "./secret-keys.js";

type JsonObject = { [key: string]: JsonValue };

export function createRedaction(isSecretKey: SecretKeyTest): Interceptor {
  return { name: "redaction", before: (draft) => redactDraft(draft, isSecretKey) };
}

function redactDraft(draft: EventDraft, isSecretKey: SecretKeyTest): void {
  const { secretKeys, secretTexts } = draft.mayHold;
  if (!secretKeys && !secretTexts) return;
  const walk = new Walk(isSecretKey, draft.mayHold, draft.redacted);
  draft.state = walk.member("state_snapshot", draft.state);
  if (draft.reason !== undefined) draft.reason = walk.member("reason", draft.reason) as string;
  draft.redacted = walk.redacted;
}

/** Members that hold the value of the key that another one names: `{"name":"DB_PASSWORD","value":…}`. */
const NAMED = new Set(["value", "old", "new", "old_value", "new_value"]);
/** One long key above many secrets would otherwise be written out once for each. */
const MAX_PATH_CHARS = 256 * 1024;

class Walk {
  redacted: string[] | undefined;
  readonly #isSecretKey: SecretKeyTest;
  readonly #mayHold: SecretHints;
  readonly #path: (string | number)[] = [];
  #pathChars = 0;

  constructor(isSecretKey: SecretKeyTest, mayHold: SecretHints, redacted: readonly string[] | undefined) {
    this.#isSecretKey = isSecretKey;
    this.#mayHold = mayHold;
    this.redacted = redacted?.slice();
  }

  /** `value`, which stands under `part`, changed in place; a scalar's replacement is returned. */
  member(part: string | number, value: JsonValue): JsonValue {
    if (typeof value === "string" ? !this.#mayHold.secretTexts : typeof value !== "object" || value === null)
      return value;
    this.#path.push(part);
    let result = value;
    if (typeof value === "string") result = this.#text(value);
    else if (Array.isArray(value)) this.#array(value);
    else this.#object(value as JsonObject);
    this.#path.pop();
    return result;
  }

  #object(object: JsonObject): void {
    const { secretKeys } = this.#mayHold;
    const namesSecret = secretKeys && this.#namesSecret(object);
    for (const key of Object.keys(object)) {
      const value = object[key] as JsonValue;
      if (secretKeys && (this.#isSecretKey(key) || (namesSecret && NAMED.has(key))) && hides(value)) {
        this.#path.push(key);
        object[key] = this.#replaced(REDACTED);
        this.#path.pop();
      } else {
        const redacted = this.member(key, value);
        if (redacted !== value) object[key] = redacted;
      }
    }
  }

  #array(array: JsonValue[]): void {
    for (let index = 0; index < array.length; index += 1) {
      const value = array[index] as JsonValue;
      const redacted = this.member(index, value);
      if (redacted !== value) array[index] = redacted;
    }
  }

  #text(text: string): string {
    const redacted = redactText(text, this.#isSecretKey);
    return redacted === text ? text : this.#replaced(redacted);
  }

  #replaced(text: string): string {
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
      if (typeof name === "string" && this.#isSecretKey(name)) return true;
    }
    return false;
  }
}

/** `null`, booleans and the empty string say nothing worth hiding. */
function hides(value: JsonValue): boolean {
  return value !== null && typeof value !== "boolean" && value !== "" && value !== REDACTED;
}
