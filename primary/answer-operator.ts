// What operators and the D-Bus face ask of a running primary: seal, resync, status.
import type { LevelOfPriority, VectorLevel } from "../shared/embed/levels.js";
import type { Priority } from "../shared/format/entry.js";
import { freeSpace } from "../shared/store/btrfs.js";
import type { PrimaryIdentity } from "../shared/store/identity.js";
import { describeKept, type KeptGeneration } from "../shared/store/select-kept.js";
import type { BusState, EventBus } from "./bus/event-bus.js";
import { levelsOf, type PrimaryConfig } from "./config.js";
import { ControlError } from "./control/control-error.js";
import type { PrimaryFace, PrimaryFaceState } from "./face/primary-face.js";
import type { Publisher } from "./publish.js";
import type { LinkStatus } from "./push/link-status.js";
import { measureSend } from "./push/measure-send.js";
import type { PushPlan } from "./push/plan-push.js";
import type { ReplicaLink } from "./push/replica-link.js";
import type { SealScheduleState } from "./seal/schedule-seals.js";
import type { Source, SourceState } from "./sources/source.js";
import type { VectorizerState } from "./vectorize/vectorizer.js";

/** What `status` answers. */
export interface PrimaryStatus {
  role: "primary";
  origin: string;
  store: string;
  vkey: string;
  root: string;
  ledger: { size: number; sealed: number; generation: number };
  /** Generations that `keep` keeps, ascending; the newest is the last. */
  kept: KeptGeneration[];
  backlog: { vectors: number; ledger: number };
  seals: SealScheduleState;
  bus: BusState;
  vectorize: VectorizeStatus;
  volume: { free_bytes: number; total_bytes: number };
  memory_bytes: number;
  replicas: LinkStatus[];
  sources: Record<string, SourceState>;
  dbus: PrimaryFaceState;
}

export interface VectorizeStatus {
  level: VectorLevel;
  levels: LevelOfPriority;
  /** How long a generation with a critical event waits for vectors; 0 for ever. */
  critical_deadline_ms: number;
  /** Events that wait for their vector. */
  backlog: Record<Priority, number>;
  /** Events that a generation went without the vectors of: those whose vector is not there yet, and all since the start. */
  late: { waiting: number; since_start: number };
  /** `deaths` and events embedded without their state (`degraded`) since the start. */
  workers: { pids: number[]; deaths: number; degraded: number };
}

/** The answer to a seal on demand. */
export function describeSeal(result: Awaited<ReturnType<Publisher["seal"]>>): unknown {
  if (!result.sealed) return result;
  const { generation, size, root } = result.generation;
  return { sealed: true, generation, size, root: root.toString("base64") };
}

/** A full resync needs a generation that the replica does not have yet, so one is sealed for it. */
export async function resync(
  publisher: Publisher,
  links: readonly ReplicaLink[],
  { replica, full, dryRun }: { replica: string; full: boolean; dryRun: boolean },
): Promise<unknown> {
  const link = links.find(({ name }) => name === replica);
  if (!link) {
    const names = links.map(({ name }) => name).join(", ") || "none";
    throw new ControlError("unknown-replica", `there is no replica ${JSON.stringify(replica)}`, `configured: ${names}`);
  }
  const unknown = { kind: "unknown" as const, reason: `${replica} has not said hello: ${link.status().reason}` };
  const plan = link.plan(full) ?? unknown;
  const answer = { replica, dry_run: dryRun, plan, bytes: dryRun ? await measurePlan(publisher, plan) : null };
  if (dryRun) return answer;
  // Asked for before the seal: an increment of the new generation would leave nothing to send in full.
  link.resync(full);
  if (full) await publisher.seal({ force: true });
  return answer;
}

async function measurePlan(publisher: Publisher, plan: PushPlan | { kind: "unknown" }): Promise<number | null> {
  if (plan.kind !== "increment" && plan.kind !== "full") return null;
  const base = plan.kind === "increment" ? publisher.tree(plan.base) : undefined;
  return measureSend(publisher.tree(plan.generation), base);
}

function describeVectorizing(options: PrimaryConfig["vectorize"], state: VectorizerState): VectorizeStatus {
  const { backlog, late, workerPids, workerDeaths, degraded } = state;
  const { level, critical_deadline_ms } = options;
  const workers = { pids: workerPids, deaths: workerDeaths, degraded };
  return { level, levels: levelsOf(options), critical_deadline_ms, backlog, late, workers };
}

export async function describePrimary(
  config: PrimaryConfig,
  identity: PrimaryIdentity,
  parts: {
    publisher: Publisher;
    bus: EventBus;
    links: readonly ReplicaLink[];
    sources: readonly Source[];
    face: PrimaryFace;
  },
): Promise<PrimaryStatus> {
  const { publisher, bus, links, sources, face } = parts;
  const newest = publisher.newest();
  const { freeBytes, totalBytes } = await freeSpace(config.root);
  return {
    role: "primary",
    origin: identity.origin,
    store: identity.uuid,
    vkey: identity.signer.vkey,
    root: config.root,
    ledger: { size: publisher.ledgerSize(), sealed: newest?.size ?? 0, generation: newest?.generation ?? 0 },
    kept: describeKept(publisher.kept()),
    backlog: publisher.backlog(),
    seals: publisher.seals(),
    bus: bus.state(),
    vectorize: describeVectorizing(config.vectorize, publisher.vectorizing()),
    volume: { free_bytes: freeBytes, total_bytes: totalBytes },
    memory_bytes: process.memoryUsage.rss(),
    replicas: links.map((link) => link.status()),
    sources: Object.fromEntries(sources.map((source) => [source.name, source.state()])),
    dbus: face.state(),
  };
}
