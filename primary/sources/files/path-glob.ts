// One glob over absolute paths, segment by segment: so it can also say whether a folder may hold matches at all, and nothing
// is walked in vain. `**` stands for any number of folders; in a segment picomatch decides, and dots are nothing special.
import picomatch from "picomatch";
import { fromText, type RawPath, toBytes } from "./raw-path.js";

const ANY_DEPTH = Symbol("**");
type Segment = typeof ANY_DEPTH | { literal: string } | { matches(name: string): boolean };

/** How far a path has come in the glob: places in its segments. */
export type GlobPlaces = readonly number[];

export class PathGlob {
  readonly #segments: Segment[];

  /** A glob that does not begin with `/` counts in every folder. @see globProblem */
  constructor(glob: string, { nocase = false } = {}) {
    const words = glob.split("/").filter((word) => word !== "");
    if (!glob.startsWith("/")) words.unshift("**");
    this.#segments = words
      .filter((word, index) => word !== "**" || words[index - 1] !== "**")
      .map((word) => toSegment(word, nocase));
  }

  matches(names: readonly string[]): boolean {
    return this.#isEnd(names.reduce((places, name) => this.#step(places, name), this.#start()));
  }

  /** Whether the path or a folder that it lies in matches. */
  matchesAbove(names: readonly string[]): boolean {
    let places = this.#start();
    for (const name of names) {
      places = this.#step(places, name);
      if (places.length === 0) return false;
      if (this.#isEnd(places)) return true;
    }
    return false;
  }

  /** Whether something in the folder `names`, however deep, can match. */
  reachesInto(names: readonly string[]): boolean {
    return this.#open(names).length > 0;
  }

  /** Whether the glob names this folder letter by letter, and means something in it. */
  namesFolder(names: readonly string[]): boolean {
    const literals = names.every((name, index) => {
      const segment = this.#segments[index];
      return segment !== undefined && segment !== ANY_DEPTH && "literal" in segment && segment.literal === name;
    });
    return literals && this.#segments.length > names.length;
  }

  /** Names that the next segment can be, in a folder that it reaches into; undefined: any. */
  nextNames(names: readonly string[]): RawPath[] | undefined {
    const literals: RawPath[] = [];
    for (const place of this.#open(names)) {
      const segment = this.#segments[place] as Segment;
      if (segment === ANY_DEPTH || !("literal" in segment)) return undefined;
      literals.push(fromText(segment.literal));
    }
    return literals;
  }

  #open(names: readonly string[]): GlobPlaces {
    const places = names.reduce((before, name) => this.#step(before, name), this.#start());
    return places.filter((place) => place < this.#segments.length);
  }

  #start(): GlobPlaces {
    return this.#passAnyDepth([0]);
  }

  #step(places: GlobPlaces, name: string): GlobPlaces {
    const next: number[] = [];
    for (const place of places) {
      const segment = this.#segments[place];
      if (segment === undefined) continue;
      if (segment === ANY_DEPTH) next.push(place);
      else if ("literal" in segment ? segment.literal === name : segment.matches(name)) next.push(place + 1);
    }
    return this.#passAnyDepth(next);
  }

  /** `**` may also stand for no folder at all. */
  #passAnyDepth(places: number[]): GlobPlaces {
    for (const place of places) {
      if (this.#segments[place] === ANY_DEPTH && !places.includes(place + 1)) places.push(place + 1);
    }
    return places;
  }

  #isEnd(places: GlobPlaces): boolean {
    return places.includes(this.#segments.length);
  }
}

/** A path's names as globs see them: text, in which what is no text or cannot be seen is a replacement character. */
export function globNames(path: RawPath): string[] {
  const text = toBytes(path)
    .toString("utf8")
    .replace(/\p{Cc}/gu, "\uFFFD");
  return text.split("/").filter((name) => name !== "");
}

/** What is wrong with a glob, or undefined. */
export function globProblem(glob: string): string | undefined {
  const words = glob.split("/");
  if (words.includes("..") || words.includes(".")) return "must have no `.` or `..` in it";
  if (glob.includes("\0")) return "must have no NUL in it";
  if (words.some((word) => !isBalanced(word))) return "must have no `/` inside braces, brackets or parentheses";
  return undefined;
}

function toSegment(word: string, nocase: boolean): Segment {
  if (word === "**") return ANY_DEPTH;
  const { isGlob, negated } = picomatch.scan(word);
  if (!isGlob && !negated && !nocase && !word.includes("\\")) return { literal: word };
  const isMatch = picomatch(word, { dot: true, nocase, nonegate: true });
  return { matches: (name) => isMatch(name) };
}

const PAIRS = [
  ["{", "}"],
  ["(", ")"],
  ["[", "]"],
] as const;

function isBalanced(word: string): boolean {
  const bare = word.replace(/\\./g, "");
  return PAIRS.every(([open, close]) => bare.split(open).length === bare.split(close).length);
}
