// What a search is about: the question as it was read, the names in it that the store knows, and its vectors. The same
// however deep is looked.
import type { LegPlace } from "../fuse.js";
import type { QueryContext } from "../query-context.js";
import { type Asked, askSpaces } from "./ask-spaces.js";
import { findNames, type HeldNames } from "./hold-names.js";
import type { Question } from "./read-question.js";

/** Which legs answer: words, vectors, or both. */
export const SEARCH_MODES = ["text", "semantic", "hybrid"] as const;
export type SearchMode = (typeof SEARCH_MODES)[number];

export interface Inquiry {
  question: Question;
  mode: SearchMode;
  /** What models are asked; empty if none is. */
  meaning: string;
  names: HeldNames;
  asked: Asked;
}

/** `space` where the question had a vector of its own. */
export type VectorPlace = LegPlace & { space?: string };

/** An event in its place among the answers. */
export interface RankedHit {
  seq: number;
  score: number;
  /** Where a leg found it, and how good it was there. */
  text?: LegPlace;
  vector?: VectorPlace;
  /** What the score is the sum of. */
  parts: { vector: number; words: number; names: number };
}

export interface Ranking {
  /** Best first. */
  hits: RankedHit[];
  /** Looking deeper would find nothing more. */
  exhausted: boolean;
  /** What each leg did. */
  legs: { text: string; vector: string };
  /** How the hits were put in order, and why so. */
  order: string;
}

export async function inquire(context: QueryContext, question: Question, mode: SearchMode): Promise<Inquiry> {
  const names = mode === "semantic" ? { known: [], unknown: [] } : findNames(context, question.names);
  const meaning = meaningIn(question, mode);
  const asked = meaning === "" ? { spaces: [], unable: [] } : await askSpaces(context, meaning);
  return { question, mode, meaning, names, asked };
}

function meaningIn({ meaning, words }: Question, mode: SearchMode): string {
  if (mode === "text") return "";
  // Whoever wants nearness alone gets it for names, too.
  return mode === "semantic" ? meaning || words.join(" ") : meaning;
}

export function textLegOf({ question, mode }: Inquiry): string {
  return mode === "semantic" ? "none: mode semantic" : `bm25 over ${question.words.length} word(s), any of them`;
}

/** What the names of the question did, for `order`. */
export function namesOf({ question, names }: Inquiry): string {
  if (question.names.length === 0) return "";
  const known = names.known.length > 0 ? `events that hold ${list(names.known)} stand first` : "";
  const unknown = names.unknown.length > 0 ? `no event holds ${list(names.unknown)}` : "";
  return [known, unknown].filter((part) => part !== "").join("; ");
}

function list(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(", ");
}
