// `keep`: how many generations stay on disk, as an object or in the short form `hourly 24, daily 7`. The same option on
// both daemons; what follows from it is chosen in shared/store/select-kept.ts.
import { z } from "zod";
import { KEEP_CURRENT, type KeepRule } from "../store/select-kept.js";

/** What `config options` says of each; a record has no properties that it could ask for. */
const WORDS: Record<keyof KeepRule, { least: number; description: string }> = {
  last: { least: 1, description: "The newest so many; 1 is the current one alone." },
  hourly: { least: 0, description: "The newest of each of so many hours (UTC) that have one." },
  daily: { least: 0, description: "The newest of each of so many days (UTC) that have one." },
  weekly: { least: 0, description: "The newest of each of so many weeks, from Monday, that have one." },
};
/** Each generation is two subvolumes, and every look at them costs a little: forty days of hours are 960. */
const MOST = 1000;

interface KeepIssue {
  path: string[];
  message: string;
}

export function keepOption() {
  return z
    .union([z.string(), z.record(z.string(), z.unknown())], `must be ${FORM}`)
    .transform((value, context): KeepRule => {
      const keep = typeof value === "string" ? parseKeep(value) : readKeep(value);
      if (!Array.isArray(keep)) return keep;
      for (const issue of keep) context.addIssue({ code: "custom", input: inputAt(value, issue), ...issue });
      return z.NEVER;
    })
    .prefault("last 1")
    .meta({
      description:
        "Generations that stay on disk, here or in short as `hourly 24, daily 7`. What they share is stored once. Smaller numbers delete what is too many at the next start; what is erased later stays in older ones until they go.",
      properties: Object.fromEntries(
        Object.entries(WORDS).map(([word, { description }]) => [
          word,
          { description, default: KEEP_CURRENT[word as keyof KeepRule] },
        ]),
      ),
    });
}

const FORM = "words with numbers such as `hourly 24, daily 7`, of last, hourly, daily and weekly";

/** The rule that `hourly 24, daily 7` names, or what is wrong with it. */
export function parseKeep(text: string): KeepRule | KeepIssue[] {
  const given: Record<string, number> = {};
  for (const part of text.split(",")) {
    const match = /^\s*([a-z]+)\s+(\d{1,9})\s*$/.exec(part);
    if (!match) return [{ path: [], message: `must be ${FORM}; ${JSON.stringify(part.trim())} is none` }];
    const word = match[1] as string;
    if (Object.hasOwn(given, word)) return [{ path: [], message: `names ${word} twice` }];
    given[word] = Number(match[2]);
  }
  const keep = readKeep(given);
  // The short form has no paths inside it.
  return Array.isArray(keep) ? keep.map(({ path, message }) => ({ path: [], message: `${path}: ${message}` })) : keep;
}

function readKeep(given: Record<string, unknown>): KeepRule | KeepIssue[] {
  const issues = Object.entries(given).flatMap(([word, value]) => issueOf(word, value));
  return issues.length > 0 ? issues : { ...KEEP_CURRENT, ...(given as Partial<KeepRule>) };
}

function issueOf(word: string, value: unknown): KeepIssue[] {
  const known = Object.hasOwn(WORDS, word) ? WORDS[word as keyof KeepRule] : undefined;
  if (!known) return [{ path: [word], message: `is none of ${Object.keys(WORDS).join(", ")}` }];
  const { least } = known;
  const isGood = Number.isInteger(value) && (value as number) >= least && (value as number) <= MOST;
  return isGood ? [] : [{ path: [word], message: `must be a whole number from ${least} to ${MOST}` }];
}

function inputAt(value: string | Record<string, unknown>, { path: [word] }: KeepIssue): unknown {
  return typeof value === "string" || word === undefined ? value : value[word];
}
