// The data sets of the `relevance` bench: folders with events, the label of each, and questions with the labels that
// answer them. Where there are none, the bench runs on a small set of its own.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FleetEvent } from "../../support/drive-fleet.js";
import { makeOwnData } from "./make-own-data.js";

export interface LabelledQuestion {
  query: string;
  /** Labels of the events that answer it. */
  relevant: readonly string[];
}

export interface QuestionSet {
  name: string;
  events: readonly FleetEvent[];
  /** One for each event, in their order. */
  labels: readonly string[];
  /** Only those that some event answers. */
  questions: readonly LabelledQuestion[];
}

/** Beside the project's folder. */
const USUAL_DIR = fileURLToPath(new URL("../../../../../shared/data/loghub", import.meta.url));
const FILES = ["events.jsonl", "labels.json", "queries.json"];

/** Folders of `dir` that hold the three files. @throws when `dir` was named and holds none */
export async function findDataSets(dir?: string): Promise<QuestionSet[]> {
  const from = dir ?? USUAL_DIR;
  const sets: QuestionSet[] = [];
  for (const name of (await readdir(from).catch(noneThere)).sort()) {
    const names = await readdir(join(from, name)).catch(noneThere);
    if (FILES.every((file) => names.includes(file))) sets.push(await readSet(join(from, name), name));
  }
  if (sets.length > 0) return sets;
  if (dir !== undefined) throw new Error(`no folder of ${dir} holds ${FILES.join(", ")}`);
  process.stderr.write(`relevance: there are no data sets in ${USUAL_DIR}; a small one of our own is used\n`);
  return [answerable(makeOwnData())];
}

async function readSet(dir: string, name: string): Promise<QuestionSet> {
  const [lines, labels, questions] = await Promise.all(FILES.map((file) => readFile(join(dir, file), "utf8")));
  const events = (lines as string)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as FleetEvent & { idempotency_key: string });
  const labelOf = JSON.parse(labels as string) as Record<string, string>;
  return answerable({
    name,
    events,
    labels: events.map(({ idempotency_key }) => labelOf[idempotency_key] ?? ""),
    questions: JSON.parse(questions as string) as LabelledQuestion[],
  });
}

/** A question that no event answers says nothing about a search. */
function answerable(set: QuestionSet): QuestionSet {
  const there = new Set(set.labels);
  return { ...set, questions: set.questions.filter(({ relevant }) => relevant.some((label) => there.has(label))) };
}

function noneThere(error: NodeJS.ErrnoException): string[] {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
  throw error;
}
