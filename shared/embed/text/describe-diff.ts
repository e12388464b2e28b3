// What a unified diff takes out and puts in, as words. Its headers and the lines around say nothing new.
import { maskText } from "./mask-text.js";

const MOST_CHARS = 4096;
const HEADER = /^(?:\+\+\+|---) /;

export function describeDiff(diff: string): string {
  const lines = diff
    .slice(0, MOST_CHARS)
    .split("\n")
    .filter((line) => !HEADER.test(line));
  return [...saidBy(lines, "-", "removed"), ...saidBy(lines, "+", "added")].join(", ");
}

function saidBy(lines: readonly string[], sign: string, word: string): string[] {
  const said = lines.filter((line) => line.startsWith(sign)).map((line) => maskText(line.slice(1)));
  const distinct = [...new Set(said)].filter((line) => line !== "");
  return distinct.length > 0 ? [`${word} ${distinct.join(", ")}`] : [];
}
