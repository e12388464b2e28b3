// What operators and the D-Bus face ask of a running primary as a whole: seal, status.
import type { LevelOfPriority, VectorLevel } from "../shared/embed/levels.js";
import type { Priority } from "../shared/format/entry.js";
import type { MetricsServer, MetricsState } from "../shared/metrics/serve-metrics.js";
import type { AnsweredBy, Queries } from "../shared/query/start-queries.js";
import { freeSpace } from "../shared/store/btrfs.js";
import type { PrimaryIdentity } from "../shared/store/identity.js";
import { describeKept, type KeptGeneration } from "../shared/store/select-kept.js";
import type { BusState, EventBus } from "./bus/event-bus.js";
import { levelsOf, type PrimaryConfig } from "./config.js";
import type { PrimaryFace, PrimaryFaceState } from "./face/primary-face.js";
import type { SigningKeys } from "./keys/signing-keys.js";
import type { Publisher } from "./publish.js";
import type { LinkStatus } from "./push/link-status.js";
import type { ReplicaLink } from "./push/replica-link.js";
import type { SealScheduleState } from "./seal/schedule-seals.js";
import type { Source, SourceState } from "./sources/source.js";
import type { FillStatus } from "./vectorize/fill/fill-status.js";
import type { LevelState } from "./vectorize/level-plan.js";
import type { VectorizerState } from "./vectorize/vectorizer.js";

/** What `status` answers. */
export interface PrimaryStatus {
  role: "primary";
  origin: string;
  store: string;
  /** The key in force. */
  vkey: string;
  /** The one that a rotation has prepared: checkpoints carry both signatures. */
  next_vkey: string | null;
  root: string;
  ledger: { size: number; sealed: number; generation: number };
  /** Generations that `keep` keeps, ascending; the newest is the last. */
  kept: KeptGeneration[];
  backlog: { vectors: number; ledger: number };
  seals: SealScheduleState;
  bus: BusState;
  /** Who answers queries. */
  queries: AnsweredBy;
  vectorize: VectorizeStatus;
  volume: { free_bytes: number; total_bytes: number };
  memory_bytes: number;
  replicas: LinkStatus[];
  sources: Record<string, SourceState>;
  dbus: PrimaryFaceState;
  /** The port that metrics are served on; null where none is asked for. */
  metrics: MetricsState;
}

export interface VectorizeStatus {
  level: VectorLevel;
  levels: LevelOfPriority;
  /** Each level that makes vectors: what it makes them with now, and, where that is not its own model, why and what cures it. */
  in_force: LevelState[];
  /** How long a generation with a critical event waits for vectors; 0 for ever. */
  critical_deadline_ms: number;
  /** Events that wait for their vector. */
  backlog: Record<Priority, number>;
  /** Events that a generation went without the vectors of: those whose vector is not there yet, and all since the start. */
  late: { waiting: number; since_start: number };
  /** Since the start: `deaths`, events embedded without their state (`degraded`), those replaced for their size (`outgrown`). */
  workers: { pids: number[]; deaths: number; degraded: number; outgrown: number };
  /** Spaces that are being filled with rows of older events. */
  fills: FillStatus[];
}

/** Seals on demand, or says what would be sealed. */
export async function sealOnDemand(
  publisher: Publisher,
  { force, dryRun }: { force: boolean; dryRun: boolean },
): Promise<unknown> {
  if (dryRun) {
    const entries = publisher.ledgerSize() - (publisher.newest()?.size ?? 0);
    return { sealed: false, dry_run: true, would_seal: force || entries > 0, entries };
  }
  const result = await publisher.seal({ force });
  if (!result.sealed) return result;
  const { generation, size, root } = result.generation;
  return { sealed: true, generation, size, root: root.toString("base64") };
}

function describeVectorizing(
  options: PrimaryConfig["vectorize"],
  state: VectorizerState,
  fills: FillStatus[],
): VectorizeStatus {
  const { inForce, backlog, late, workerPids, workerDeaths, degraded, workersOutgrown } = state;
  const { level, critical_deadline_ms } = options;
  const workers = { pids: workerPids, deaths: workerDeaths, degraded, outgrown: workersOutgrown };
  return { level, levels: levelsOf(options), in_force: inForce, critical_deadline_ms, backlog, late, workers, fills };
}

export async function describePrimary(
  config: PrimaryConfig,
  identity: PrimaryIdentity,
  parts: {
    publisher: Publisher;
    keys: SigningKeys;
    query: Queries;
    bus: EventBus;
    links: readonly ReplicaLink[];
    sources: readonly Source[];
    face: PrimaryFace;
    metrics: MetricsServer;
  },
): Promise<PrimaryStatus> {
  const { publisher, keys, query, bus, links, sources, face, metrics } = parts;
  const newest = publisher.newest();
  const { freeBytes, totalBytes } = await freeSpace(config.root);
  return {
    role: "primary",
    origin: identity.origin,
    store: identity.uuid,
    vkey: keys.current.vkey,
    next_vkey: keys.next?.vkey ?? null,
    root: config.root,
    ledger: { size: publisher.ledgerSize(), sealed: newest?.size ?? 0, generation: newest?.generation ?? 0 },
    kept: describeKept(publisher.kept()),
    backlog: publisher.backlog(),
    seals: publisher.seals(),
    bus: bus.state(),
    queries: query.state(),
    vectorize: describeVectorizing(config.vectorize, publisher.vectorizing(), publisher.filler.states()),
    volume: { free_bytes: freeBytes, total_bytes: totalBytes },
    memory_bytes: process.memoryUsage.rss(),
    replicas: links.map((link) => link.status()),
    sources: Object.fromEntries(sources.map((source) => [source.name, source.state()])),
    dbus: face.state(),
    metrics: metrics.state(),
  };
}
