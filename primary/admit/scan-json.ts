// The slow, exact reading of a JSON text, run only on lines that the fast path suspects: it finds the first thing that
// would not survive canonicalisation unchanged and names its place. Builds no values. Linear in the text, which is hostile:
// strings are walked by code, since a pattern of them either backtracks or fills the engine's stack.
import type { AdmitErrorCode } from "./admit-error.js";

export interface JsonFault {
  code: Extract<
    AdmitErrorCode,
    "not-json" | "duplicate-key" | "number-out-of-range" | "lone-surrogate" | "too-deep" | "not-an-object"
  >;
  /** Keys and indexes from the root to the fault. */
  path: readonly (string | number)[];
  /** The offending text: a number, a key, one character. Never a string value. */
  shown?: string;
  /** 1-based, in UTF-16 units. */
  column: number;
}

/** The first fault of `text`, or `undefined` for a text that can be kept exactly. */
export function findJsonFault(text: string, maxDepth: number): JsonFault | undefined {
  try {
    new Scanner(text, maxDepth).scan();
    return undefined;
  } catch (fault) {
    if (fault instanceof Fault) return fault.found;
    throw fault;
  }
}

class Fault extends Error {
  readonly found: JsonFault;
  constructor(found: JsonFault) {
    super(found.code);
    this.found = found;
  }
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE_CODE = 0x20;

class Scanner {
  readonly #text: string;
  readonly #maxDepth: number;
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  scan(): void {
    this.#match(SPACE);
    this.#value();
    this.#match(SPACE);
    if (this.#at < this.#text.length) this.#unexpected();
  }

  #value(): void {
    const next = this.#text[this.#at];
    if (next === "{") this.#container("}", () => this.#member(new Set()));
    else if (next === "[") this.#container("]", () => this.#item());
    else if (next === '"') this.#string();
    else if (this.#match(WORD) === undefined) this.#number();
  }

  /** `{…}` or `[…]`; `makePart` gives the reader of one member, called for each. */
  #container(close: "}" | "]", makePart: () => (index: number) => void): void {
    if (this.#path.length >= this.#maxDepth) this.#fail("too-deep");
    const part = makePart();
    this.#at += 1;
    this.#match(SPACE);
    if (this.#take(close)) return;
    for (let index = 0; ; index += 1) {
      part(index);
      this.#path.pop();
      this.#match(SPACE);
      if (this.#take(close)) return;
      if (!this.#take(",")) this.#unexpected();
      this.#match(SPACE);
    }
  }

  #member(seen: Set<string>): () => void {
    return () => {
      if (this.#text[this.#at] !== '"') this.#unexpected();
      const key = this.#string();
      this.#path.push(key);
      if (seen.has(key)) this.#fail("duplicate-key", key);
      seen.add(key);
      this.#match(SPACE);
      if (!this.#take(":")) this.#unexpected();
      this.#match(SPACE);
      this.#value();
    };
  }

  #item(): (index: number) => void {
    return (index) => {
      this.#path.push(index);
      this.#value();
    };
  }

  #string(): string {
    const start = this.#at;
    this.#skipString();
    const value = JSON.parse(this.#text.slice(start, this.#at)) as string;
    if (!value.isWellFormed()) {
      this.#at = start;
      this.#fail("lone-surrogate");
    }
    return value;
  }

  /** From the opening quote to behind the closing one, or to what no string may hold. */
  #skipString(): void {
    for (this.#at += 1; ; ) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        if (this.#match(ESCAPE) === undefined) this.#unexpected();
      } else if (code >= SPACE_CODE) this.#at += 1;
      // A raw control character, or NaN: the text ends here.
      else this.#unexpected();
    }
    this.#at += 1;
  }

  #number(): void {
    const start = this.#at;
    const raw = this.#match(NUMBER);
    if (raw === undefined) this.#unexpected();
    const value = Number(raw);
    if (Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))) return;
    this.#at = start;
    this.#fail("number-out-of-range", raw);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #unexpected(): never {
    const character = this.#text[this.#at];
    if (character === undefined) this.#fail("not-json");
    this.#fail("not-json", character < " " ? JSON.stringify(character).slice(1, -1) : character);
  }

  #fail(code: JsonFault["code"], shown?: string): never {
    const found = { code, path: [...this.#path], column: this.#at + 1 };
    throw new Fault(shown === undefined ? found : { ...found, shown });
  }
}

/** `a.b[2]` from keys and indexes. */
export function formatPath(path: readonly (string | number)[]): string {
  let text = "";
  for (const part of path) text += typeof part === "number" ? `[${part}]` : text === "" ? part : `.${part}`;
  return text;
}
