// The `relevance` bench: how many right answers stand among the first ten, for each level and each mode of `search`, beside
// plain BM25 over the same events in the same run. All through the pipeline: a primary ingests, seals and pushes, and the
// replica's own search answers. What the bench knows of right answers must never reach the daemons.
import { setTimeout as sleep } from "node:timers/promises";
import { askSocket } from "../../shared/cli/ask-socket.js";
import { expectConverged, ingest, QUIET, seal } from "../support/drive-fleet.js";
import { type Fleet, makeFleet, replicaAnswers } from "../support/start-fleet.js";
import type { BenchRow } from "./bench-row.js";
import { findDataSets, type LabelledQuestion, type QuestionSet } from "./relevance/find-data-sets.js";
import { type BenchLevel, findLevels } from "./relevance/find-levels.js";
import { type Judged, judge, meanOf } from "./relevance/judge-ranking.js";
import { PlainBm25 } from "./relevance/plain-bm25.js";

export const MODES = ["text", "semantic", "hybrid"] as const;
type Mode = (typeof MODES)[number];
const DEPTH = 10;
const SEMANTIC_GOAL = 0.62;

/** Of one data set: BM25's figures and those of each mode of one level. */
interface SetFigures {
  set: string;
  level: string;
  bm25: Judged;
  modes: Record<Mode, Judged>;
}

export async function benchRelevance(dataDir?: string): Promise<BenchRow[]> {
  const sets = await findDataSets(dataDir);
  const { levels, leftOut } = findLevels();
  for (const { level, why } of leftOut) process.stderr.write(`relevance: level ${level} is left out: ${why}\n`);
  const figures: SetFigures[] = [];
  for (const level of levels) for (const set of sets) figures.push(await measureSet(set, level));
  const perSet = figures.flatMap((one) => rowsOf(`${one.set}`, one, undefined));
  const means = levels.flatMap(({ level }) => {
    const of = figures.filter((one) => one.level === level);
    return rowsOf("mean", meanFigures(level, of), goalsOf(level));
  });
  return [...perSet, ...means];
}

async function measureSet(set: QuestionSet, { level, prepare }: BenchLevel): Promise<SetFigures> {
  process.stderr.write(`relevance: ${set.name}, ${set.events.length} events, level ${level}\n`);
  const plain = PlainBm25.of(set.events);
  const bm25 = meanOf(
    set.questions.map((question) => judge(plain.search(question.query, DEPTH), rightOf(set, question))),
  );
  const fleet = await makeFleet({ volume: "1G", primary: { ...QUIET, vectorize: { level } } });
  try {
    await prepare(fleet);
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    const acks = await ingest(fleet, set.events);
    await seal(fleet, { force: true });
    await replicaAnswers(fleet, set.events.length);
    await allHaveRows(fleet, level, set.events.length);
    const modes = await askAll(fleet, set, new Map(acks.map(({ seq }, index) => [seq, index])));
    await expectConverged(fleet);
    return { set: set.name, level, bm25, modes };
  } finally {
    await fleet.stop();
  }
}

async function askAll(fleet: Fleet, set: QuestionSet, indexOf: Map<number, number>): Promise<Record<Mode, Judged>> {
  const modes = {} as Record<Mode, Judged>;
  for (const mode of MODES) {
    const each: Judged[] = [];
    for (const question of set.questions) {
      each.push(judge(await ask(fleet, question.query, mode, indexOf), rightOf(set, question)));
    }
    modes[mode] = meanOf(each);
  }
  return modes;
}

/** Indexes of the events that answer a question. */
function rightOf({ labels }: QuestionSet, { relevant }: LabelledQuestion): Set<number> {
  return new Set(labels.flatMap((label, index) => (relevant.includes(label) ? [index] : [])));
}

/** Answers as indexes of events, best first; what is no event of the data set (a seal) stays in its place as −1. */
async function ask(fleet: Fleet, q: string, mode: Mode, indexOf: Map<number, number>): Promise<number[]> {
  const path = `/v1/search?${new URLSearchParams({ q, mode, limit: String(DEPTH) })}`;
  const { results } = await askSocket<{ results: { seq: number }[] }>({
    socketPath: fleet.replica.socket("query"),
    path,
  });
  return results.map(({ seq }) => indexOf.get(seq) ?? -1);
}

/** A row may come with a later generation than its event. At a level of a model its own space must have them all. */
async function allHaveRows(fleet: Fleet, level: string, events: number): Promise<void> {
  const status = { socketPath: fleet.replica.socket("query"), path: "/v1/status" };
  type Space = { index: { rows: number }; questions: { embedded: boolean } };
  const isWhole = ({ index, questions }: Space) =>
    index.rows >= events && questions.embedded === (level !== "heuristic");
  for (let tries = 0; tries < 120; tries += 1) {
    const { stores } = await askSocket<{ stores: { spaces: Space[] }[] }>(status);
    if (stores.some(({ spaces }) => spaces.some(isWhole))) return;
    await sleep(1000);
    await seal(fleet, { force: true });
  }
  throw new Error(`not every event got its vector of level ${level} within two minutes`);
}

function meanFigures(level: string, figures: readonly SetFigures[]): SetFigures {
  const modes = {} as Record<Mode, Judged>;
  for (const mode of MODES) modes[mode] = meanOf(figures.map((one) => one.modes[mode]));
  return { set: "mean", level, bm25: meanOf(figures.map(({ bm25 }) => bm25)), modes };
}

interface Goal {
  text: string;
  isMet(figures: SetFigures): boolean;
}

function goalsOf(level: string): Partial<Record<Mode, Goal>> {
  if (level === "heuristic") {
    const isMet = ({ modes, bm25 }: SetFigures) => modes.hybrid.precision >= bm25.precision;
    return { hybrid: { text: ">= BM25", isMet } };
  }
  const hybrid = {
    text: ">= semantic",
    isMet: ({ modes }: SetFigures) => modes.hybrid.precision >= modes.semantic.precision,
  };
  if (level !== "medium") return { hybrid };
  const isMet = ({ modes }: SetFigures) => modes.semantic.precision >= SEMANTIC_GOAL;
  return { semantic: { text: `>= ${SEMANTIC_GOAL}`, isMet }, hybrid };
}

function rowsOf(set: string, figures: SetFigures, goals: Partial<Record<Mode, Goal>> = {}): BenchRow[] {
  return MODES.flatMap((mode) => {
    const goal = goals[mode];
    const metric = `${set}, ${figures.level} ${mode}`;
    const row = (name: string, of: keyof Judged): BenchRow => {
      const [ours, yardstick] = [figures.modes[mode][of], figures.bm25[of]];
      const ratio = yardstick === 0 ? null : ours / yardstick;
      return {
        bench: "relevance",
        metric: `${metric}, ${name}`,
        unit: "share",
        ours,
        yardstick,
        ratio,
        goal: "",
        met: null,
      };
    };
    const precision = row("P@10", "precision");
    return [goal ? { ...precision, goal: goal.text, met: goal.isMet(figures) } : precision, row("nDCG@10", "gain")];
  });
}
