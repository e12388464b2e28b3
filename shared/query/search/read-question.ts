// What a question asks for: words for the full text, names that must be found to the letter, and the meaning that a model is
// asked for. Decided by the shape of what was written alone, never by lists of known words. Pure.
import { maskText } from "../../embed/text/mask-text.js";

export interface Question {
  /** Each holds a letter or a digit. */
  words: readonly string[];
  /**
   * What names one thing: in quotes, or with a digit or a sign within (`ovsbr1`, `10.0.0.7`, `nginx.service`, `/etc/hosts`).
   * No model knows them, and the text that is embedded of an event has them masked or drowned.
   */
  names: readonly string[];
  /** What a model is asked; empty if the question is nothing but names. */
  meaning: string;
}

/** More names are only words. */
const MOST_NAMES = 8;

export function readQuestion(text: string): Question {
  // At control characters too: FTS5 takes a NUL for the end of the question.
  const parts = text.split(/[\s\p{Cc}]+/u).filter(saysSomething);
  const quoted = [...text.matchAll(QUOTED)].map(([, inner = ""]) => inner).filter(saysSomething);
  const bare = text
    .replace(QUOTED, " ")
    .split(/[\s\p{Cc}]+/u)
    .map(strip);
  const names = [...new Set([...quoted, ...bare.filter(isName)])].slice(0, MOST_NAMES);
  // The longest first: of `veth0` nothing must be left because `eth0` is a name too.
  const byLength = [...names].sort((a, b) => b.length - a.length);
  const rest = byLength.reduce((left, name) => left.replaceAll(name, " "), text);
  return { words: parts, names, meaning: maskText(rest) === "" ? "" : maskText(text) };
}

const QUOTED = /["“”]([^"“”]{1,256})["“”]/gu;
const SIGN_WITHIN = /[\p{L}\p{N}][.:/@_\\][\p{L}\p{N}]/u;
/** One or two digits count things or number steps; longer numbers are ports, codes and process ids. */
const LONG_NUMBER = /^\p{N}{3,}$/u;

function isName(word: string): boolean {
  if (!saysSomething(word)) return false;
  if (SIGN_WITHIN.test(word) || /^\/\p{L}/u.test(word)) return true;
  return /\p{N}/u.test(word) && (/\p{L}/u.test(word) || LONG_NUMBER.test(word));
}

/** Without the signs that a sentence puts around a word. A path keeps its first slash. */
function strip(word: string): string {
  return word.replace(/^[^\p{L}\p{N}/]+/u, "").replace(/[^\p{L}\p{N}]+$/u, "");
}

function saysSomething(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text);
}
