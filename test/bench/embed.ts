// The `embed` bench: texts that become vectors a second, by level and by worker processes, beside the bare runtime on the
// same batches of tokens in the same processes (rounds of the two alternate, so that a noisy machine harms both); and log
// events that go through a whole primary, beside one whose vectors cost next to nothing.
import { requireRuntime } from "../../shared/embed/onnx/load-runtime.js";
import { composeText } from "../../shared/embed/text/compose-text.js";
import type { JsonValue } from "../../shared/format/canonical-json.js";
import type { Entry } from "../../shared/format/entry.js";
import type { FleetEvent } from "../support/drive-fleet.js";
import { withFolder } from "../support/with-folder.js";
import type { BenchRow } from "./bench-row.js";
import { type EncodeRun, EncodeWorkers } from "./embed/encode-workers.js";
import { type BenchModel, findModels } from "./embed/find-models.js";
import { measurePipeline, PACED_PER_SECOND, type PipelineRun } from "./embed/measure-pipeline.js";
import type { WatchedDelays } from "./embed/watched-loops.js";
import { findDataSets } from "./relevance/find-data-sets.js";

const WORKERS = [1, 2];
const TEXTS = 64;
const ROUNDS = 5;
const GOAL = 0.9;
const PIPELINE_LEVEL = "medium";
/** How often the same logs are sent again. */
const REPEATS = 5;
const EVENTS_GOAL = 2000;
const HOLD_GOAL_MS = 20;

export async function benchEmbed(): Promise<BenchRow[]> {
  requireRuntime();
  const logs = (await findDataSets()).flatMap(({ events }) => events);
  const texts = distinctTexts(logs, TEXTS);
  return withFolder(async (folder) => {
    const rows: BenchRow[] = [];
    for (const model of await findModels(folder)) {
      for (const workers of WORKERS) rows.push(...(await measureModel(model, workers, texts)));
      if (model.level === PIPELINE_LEVEL) rows.push(...(await pipelineRows(model, logs)));
    }
    return rows;
  });
}

type LoggedEvent = Pick<Entry, "action" | "element_id" | "element_type"> & { state_snapshot?: JsonValue };

/** What the pipeline would embed of them: long and short, no two the same. */
function distinctTexts(logs: readonly FleetEvent[], count: number): string[] {
  const events = logs as readonly (FleetEvent & LoggedEvent)[];
  const all = [...new Set(events.map((event) => composeText(event, event.state_snapshot ?? null)))];
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

/** The yardstick is the same primary with level heuristic, whose vectors cost next to nothing. */
async function pipelineRows(of: BenchModel, logs: readonly FleetEvent[]): Promise<BenchRow[]> {
  const name = `${of.level}: ${of.model.name} ${of.model.weights}`;
  process.stderr.write(`embed: ${name}, events through a primary\n`);
  const plain = await measurePipeline("heuristic", logs, REPEATS);
  const ours = await measurePipeline(of, logs, REPEATS);
  const { fresh, known, steady } = ours;
  const met = known.perSecond >= EVENTS_GOAL;
  const pace = `at ${PACED_PER_SECOND}/s`;
  return [
    rowOf(`${name}, ${fresh.events} events, their texts new`, "events/s", fresh.perSecond, plain.fresh.perSecond),
    {
      ...rowOf(
        `${name}, ${known.events} events, their texts known`,
        "events/s",
        known.perSecond,
        plain.known.perSecond,
      ),
      goal: `>= ${EVENTS_GOAL}/s`,
      met,
    },
    rowOf(`${name}, those ${pace}`, "events/s", steady.perSecond, plain.steady.perSecond),
    holdRow(`${name}, longest hold of the loop ${pace}`, ours.steady, plain.steady),
    { ...holdRow(`${name}, longest hold of the loop, all at once`, ours.known, plain.known), goal: "-", met: null },
    lateRow(`${name}, latest timer of the primary ${pace}`, steady.delays),
  ];
}

/** By processor time, as above: a timer that waited for a busy machine was not held up by the daemon. */
function holdRow(metric: string, ours: PipelineRun, plain: PipelineRun): BenchRow {
  const heldMs = ours.delays.daemon.longestBusyMs;
  const row = rowOf(metric, "ms of processor", heldMs, plain.delays.daemon.longestBusyMs);
  return { ...row, ratio: null, goal: `<= ${HOLD_GOAL_MS} ms`, met: heldMs <= HOLD_GOAL_MS };
}

/** The yardstick is a process that does nothing: what its timers are late, the machine is. */
function lateRow(metric: string, { daemon, idle }: WatchedDelays): BenchRow {
  return { ...rowOf(metric, "ms", daemon.longestMs, idle.longestMs), ratio: null };
}
