// The `embed` bench: texts that become vectors a second, by level and by worker processes, beside the bare runtime on the
// same batches of tokens in the same processes. Rounds of the two alternate, so that a noisy machine harms both.
import { composeText } from "../../shared/embed/text/compose-text.js";
import type { JsonValue } from "../../shared/format/canonical-json.js";
import type { Entry } from "../../shared/format/entry.js";
import { withFolder } from "../support/with-folder.js";
import type { BenchRow } from "./bench-row.js";
import { type EncodeRun, EncodeWorkers } from "./embed/encode-workers.js";
import { type BenchModel, findModels } from "./embed/find-models.js";
import { findDataSets } from "./relevance/find-data-sets.js";

const WORKERS = [1, 2];
const TEXTS = 64;
const ROUNDS = 5;
const GOAL = 0.9;

export async function benchEmbed(): Promise<BenchRow[]> {
  const texts = await distinctTexts(TEXTS);
  return withFolder(async (folder) => {
    const rows: BenchRow[] = [];
    for (const model of await findModels(folder)) {
      for (const workers of WORKERS) rows.push(...(await measureModel(model, workers, texts)));
    }
    return rows;
  });
}

type LoggedEvent = Pick<Entry, "action" | "element_id" | "element_type"> & { state_snapshot?: JsonValue };

/** What the pipeline would embed of the events of real logs: long and short, no two the same. */
async function distinctTexts(count: number): Promise<string[]> {
  const texts = new Set<string>();
  for (const { events } of await findDataSets(undefined)) {
    for (const event of events as readonly LoggedEvent[]) texts.add(composeText(event, event.state_snapshot ?? null));
  }
  const all = [...texts];
  const step = Math.max(1, Math.floor(all.length / count));
  return all.filter((_, i) => i % step === 0).slice(0, count);
}

async function measureModel(of: BenchModel, workers: number, texts: readonly string[]): Promise<BenchRow[]> {
  const { level, model, isReal } = of;
  const name = `${level}: ${model.name} ${model.weights}, ${workers} ${workers === 1 ? "worker" : "workers"}`;
  process.stderr.write(`embed: ${name}\n`);
  const pool = await EncodeWorkers.start(workers, { model, texts });
  try {
    // The first round warms up, and is the last with nothing but a worker's own memory.
    const { memoryMib } = await pool.run("ours");
    await pool.run("bare");
    const ours: EncodeRun[] = [];
    const bare: EncodeRun[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(await pool.run("ours"));
      bare.push(await pool.run("bare"));
    }
    const memory = rowOf(`memory of each, ${name}`, "MiB", memoryMib, null);
    return [speedRow(name, ours, bare), costRow(name, ours, bare, isReal), memory];
  } finally {
    await pool.stop();
  }
}

function speedRow(name: string, ours: readonly EncodeRun[], bare: readonly EncodeRun[]): BenchRow {
  return rowOf(name, "texts/s", median(ours, "textsPerSecond"), median(bare, "textsPerSecond"));
}

/**
 * The goal is judged by processor time, which a busy machine does not stretch. Not for made models: there the runtime has
 * next to nothing to do, and beside it anything is slow.
 */
function costRow(name: string, ours: readonly EncodeRun[], bare: readonly EncodeRun[], isReal: boolean): BenchRow {
  const key = "textsPerProcessorSecond";
  const row = rowOf(name, "texts/s of one processor", median(ours, key), median(bare, key));
  if (!isReal) return row;
  return { ...row, goal: `>= ${GOAL} of the bare runtime`, met: (row.ratio as number) >= GOAL };
}

function median(runs: readonly EncodeRun[], key: "textsPerSecond" | "textsPerProcessorSecond"): number {
  const sorted = runs.map((run) => run[key]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

function rowOf(metric: string, unit: string, ours: number, yardstick: number | null): BenchRow {
  const ratio = yardstick === null ? null : ours / yardstick;
  return { bench: "embed", metric, unit, ours, yardstick, ratio, goal: "-", met: null };
}
