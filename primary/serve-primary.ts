// The primary's daemon: volume, publisher, links, query process, control socket, sources, started in that order and
// stopped in reverse. All adapters are made here.
import { chmod, mkdir } from "node:fs/promises";
import { type StopStack, startOrStop } from "../shared/cli/stop-stack.js";
import { createLogger, type Logger } from "../shared/log.js";
import { type QueryProcess, startQueryProcess } from "../shared/query/query-process.js";
import { readVersion } from "../shared/read-version.js";
import { btrfsVersions, freeSpace } from "../shared/store/btrfs.js";
import { loadPrimaryIdentity, type PrimaryIdentity } from "../shared/store/identity.js";
import { readTransportKey } from "../shared/store/key-files.js";
import { RootLayout, type StoreLayout } from "../shared/store/layout.js";
import { lockRoot } from "../shared/store/lock-root.js";
import { SpareProcesses } from "../shared/store/spare-processes.js";
import { ensureMounted } from "../shared/store/volume.js";
import { type Admitter, createAdmitter } from "./admit/admit-event.js";
import { SECRET_TERMS } from "./admit/secret-keys.js";
import { type BusState, EventBus } from "./bus/event-bus.js";
import { type PrimaryConfig, primarySockets } from "./config.js";
import { ControlError, ControlServer } from "./control/control-server.js";
import type { EventSink } from "./event.js";
import { PrimaryFace, type PrimaryFaceState } from "./face/primary-face.js";
import type { LedgerError } from "./ledger/ledger-error.js";
import { Publisher, type PublisherOptions } from "./publish.js";
import { measureSend } from "./push/measure-send.js";
import type { PushPlan } from "./push/plan-push.js";
import { type LinkStatus, ReplicaLink } from "./push/replica-link.js";
import { IngestSocket, LINE_FRAME_BYTES } from "./sources/ingest-socket.js";
import { PackagesSource } from "./sources/packages/packages-source.js";
import type { Source, SourceState } from "./sources/source.js";

/** What `status` answers. */
export interface PrimaryStatus {
  role: "primary";
  origin: string;
  store: string;
  vkey: string;
  root: string;
  ledger: { size: number; sealed: number; generation: number };
  backlog: { vectors: number; ledger: number };
  bus: BusState;
  vectorize: { level: string };
  volume: { free_bytes: number; total_bytes: number };
  memory_bytes: number;
  replicas: LinkStatus[];
  sources: Record<string, SourceState>;
  dbus: PrimaryFaceState;
}

export interface PrimaryDaemon {
  /** Rejects when the ledger takes no more: the process must end, and be started again. */
  failed: Promise<never>;
  stop(): Promise<void>;
}

/** Questions can wait for events; on a busy host the primary's own index lags, and its answers say so. */
const QUERY_NICENESS = 10;
/** A seal and one push: two snapshots, two sends. */
const SPARES = 4;
const ANNOUNCE_DELAY_MS = 100;

/** @throws StoreError, LedgerError `corrupt`; what was started until then has been stopped */
export function servePrimary(config: PrimaryConfig): Promise<PrimaryDaemon> {
  return startOrStop((stops) => startPrimary(config, stops));
}

async function startPrimary(config: PrimaryConfig, stops: StopStack): Promise<PrimaryDaemon> {
  const log = createLogger(config.log_level);
  await ensureMounted(config.root);
  const identity = await loadPrimaryIdentity(config.root);
  const lock = lockRoot(config.root);
  stops.add(() => lock.release());
  const layout = new RootLayout(config.root);
  await chmod(layout.stores, 0o700);
  const store = layout.store(identity.uuid);
  const sockets = primarySockets(config);
  await mkdir(config.run_dir, { recursive: true, mode: 0o755 });
  let fail: (error: LedgerError) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);

  const query = await startQueryProcess({
    root: config.root,
    socketPath: sockets.query,
    indexProcesses: config.index.processes,
    niceness: QUERY_NICENESS,
    log,
  });
  stops.add(() => query.stop());
  const spares = new SpareProcesses(SPARES);
  spares.start();
  stops.add(() => spares.stop());
  const bus = new EventBus({ log });
  stops.add(() => bus.stop());
  const admit = makeAdmit(config);
  const face: PrimaryFace = makeFace(config, identity, {
    ...{ admit, sink: bus, log },
    publisher: () => publisher,
    links: () => links,
  });
  const publisher = await openPublisher(config, identity, store, {
    spares,
    log,
    onAppended: (events) => {
      bus.appended(events);
      const last = events.at(-1);
      if (last) face.appended(last.seq);
    },
    onSealed: () => {
      announce();
      face.sealed();
    },
    onFailure: (error) => fail(error),
  });
  stops.add(() => publisher.stop());
  bus.attach(publisher, publisher.ledgerSize());
  const announce = announcer(query, publisher, log);
  const links = await makeLinks(config, store, publisher, { spares, log });
  for (const link of links) await link.pinLastBase();
  publisher.attach(links);
  const ending = new AbortController();
  stops.add(() => Promise.all(links.map((link) => link.stop())));
  stops.add(() => ending.abort());
  for (const link of links) link.start(ending.signal);
  const headTimer = setInterval(() => tellHead(query, publisher), 1000);
  stops.add(() => clearInterval(headTimer));
  const sources = makeSources(config, sockets.ingest, { admit, sink: bus, log });
  const control = new ControlServer({
    seal: async (force) => describeSeal(await publisher.seal({ force })),
    resync: (request) => resync(publisher, links, request),
    status: () => describe(config, identity, { publisher, bus, links, sources, face }),
  });
  stops.add(() => control.stop());
  await control.start(sockets.control);
  for (const source of sources) {
    stops.add(() => source.stop());
    await source.start(ending.signal);
  }
  stops.add(() => face.stop());
  await face.start();
  stops.add(() => bus.release());
  log.info("serving", { root: config.root, origin: identity.origin, store: identity.uuid, ingest: sockets.ingest });

  return {
    failed,
    async stop() {
      await stops.stop();
      log.info("stopped", { root: config.root });
    },
  };
}

async function openPublisher(
  config: PrimaryConfig,
  identity: PrimaryIdentity,
  store: StoreLayout,
  parts: Pick<PublisherOptions, "spares" | "log" | "onAppended" | "onSealed" | "onFailure">,
): Promise<Publisher> {
  const { ledger, vectorize, seal } = config;
  return Publisher.open({
    store,
    storeUuid: identity.uuid,
    signer: identity.signer,
    ledger: { maxBatchEvents: ledger.max_batch_events, maxQueuedEvents: ledger.max_queued_events },
    vectorize: { level: vectorize.level, workers: vectorize.workers, maxQueuedEvents: vectorize.max_queued_events },
    sealDelaysMs: { critical: 0, high: seal.high_ms, medium: seal.medium_ms, low: seal.low_ms },
    versions: await btrfsVersions(),
    ...parts,
  });
}

async function makeLinks(
  config: PrimaryConfig,
  store: StoreLayout,
  publisher: Publisher,
  parts: { spares: SpareProcesses; log: Logger },
) {
  const { privateKey } = await readTransportKey(config.root);
  const { push } = config;
  return config.replicas.map(
    ({ name, host, port, user, host_key: hostKey }) =>
      new ReplicaLink(publisher, {
        name,
        target: { host, port, user, hostKey, privateKey },
        helloMs: push.hello_seconds * 1000,
        stallMs: push.stall_seconds * 1000,
        compressedData: push.compressed_data,
        zstdLevel: push.compression === "zstd" ? push.zstd_level : undefined,
        hintPath: (replicaUuid) => store.link(replicaUuid),
        hintDir: store.links,
        onBaseMoved: () => publisher.tidy(),
        onFullWanted: () => publisher.seal({ force: true }),
        ...parts,
      }),
  );
}

/** What events pass, from wherever they come. */
function makeAdmit(config: PrimaryConfig): Admitter {
  return createAdmitter({
    maxPayloadBytes: config.admit.max_payload_bytes,
    redactKeys: config.admit.redact ? [...SECRET_TERMS, ...config.admit.redact_keys] : [],
    priority: { rules: config.admit.priority_rules, byAction: config.admit.priorities },
  });
}

interface EventParts {
  admit: Admitter;
  sink: EventSink;
  log: Logger;
}

function makeSources(config: PrimaryConfig, ingestPath: string, { admit, sink, log }: EventParts): Source[] {
  const maxLineBytes = config.admit.max_payload_bytes + LINE_FRAME_BYTES;
  const sources: Source[] = [new IngestSocket({ path: ingestPath, admit, sink, log, maxLineBytes })];
  const { packages } = config.sources;
  if (packages.enabled) sources.push(new PackagesSource({ admit, sink, log, path: packages.log }));
  return sources;
}

/** Made before what it shows, because appended events are told to it: it asks for the publisher when it is called. */
function makeFace(
  config: PrimaryConfig,
  identity: PrimaryIdentity,
  { publisher, links, ...parts }: EventParts & { publisher(): Publisher; links(): readonly ReplicaLink[] },
): PrimaryFace {
  return new PrimaryFace({
    options: config.dbus,
    root: config.root,
    querySocket: primarySockets(config).query,
    maxLineBytes: config.admit.max_payload_bytes + LINE_FRAME_BYTES,
    facts: {
      version: readVersion(),
      origin: identity.origin,
      storeUuid: identity.uuid,
      publicKey: identity.signer.vkey,
      ledgerSize: () => publisher().ledgerSize(),
      newest: () => publisher().newest(),
      replicas: () => Object.fromEntries(links().map((link) => [link.name, link.status().health])),
    },
    seal: async (force) => describeSeal(await publisher().seal({ force })),
    resync: (request) => resync(publisher(), links(), request),
    ...parts,
  });
}

/**
 * Tells the primary's own queries of new generations a moment later, and of several at once: the push that begins now is
 * what replicas wait for.
 */
function announcer(query: QueryProcess, publisher: Publisher, log: Logger): () => void {
  let planned = false;
  return () => {
    tellHead(query, publisher);
    if (planned) return;
    planned = true;
    setTimeout(() => {
      planned = false;
      const generation = publisher.newest()?.generation ?? 0;
      query.promoted(publisher.storeUuid, generation).catch((error: unknown) => {
        log.error("a generation is not answered yet", { generation, error });
      });
    }, ANNOUNCE_DELAY_MS);
  };
}

function tellHead(query: QueryProcess, publisher: Publisher): void {
  const generation = publisher.newest()?.generation ?? 0;
  if (generation > 0)
    query.setPrimaryHead(publisher.storeUuid, { size: publisher.ledgerSize(), generation, atMs: Date.now() });
}

function describeSeal(result: Awaited<ReturnType<Publisher["seal"]>>): unknown {
  if (!result.sealed) return result;
  const { generation, size, root } = result.generation;
  return { sealed: true, generation, size, root: root.toString("base64") };
}

/** A full resync needs a generation that the replica does not have yet, so one is sealed for it. */
async function resync(
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

async function describe(
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
    backlog: publisher.backlog(),
    bus: bus.state(),
    vectorize: { level: config.vectorize.level },
    volume: { free_bytes: freeBytes, total_bytes: totalBytes },
    memory_bytes: process.memoryUsage.rss(),
    replicas: links.map((link) => link.status()),
    sources: Object.fromEntries(sources.map((source) => [source.name, source.state()])),
    dbus: face.state(),
  };
}
