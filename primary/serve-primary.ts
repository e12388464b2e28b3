// The primary's daemon: volume, publisher, links, query process, control socket, sources, started in that order and
// stopped in reverse. All adapters are made here.
import { mkdir, stat } from "node:fs/promises";
import { Registry } from "prom-client";
import type { Daemon } from "../shared/cli/run-daemon.js";
import { type StopStack, startOrStop } from "../shared/cli/stop-stack.js";
import { findUser } from "../shared/config/find-user.js";
import { parseListenAddress } from "../shared/config/listen-address.js";
import type { RowLevel } from "../shared/embed/levels.js";
import { groundOfLevel, resolveLevel } from "../shared/embed/resolve-level.js";
import { createLogger, type Logger } from "../shared/log.js";
import { MetricsPage } from "../shared/metrics/metrics-page.js";
import { MetricsServer } from "../shared/metrics/serve-metrics.js";
import { nameAnswerer } from "../shared/query/name-answerer.js";
import { type Queries, startQueries } from "../shared/query/start-queries.js";
import { readVersion } from "../shared/read-version.js";
import { btrfsVersions } from "../shared/store/btrfs.js";
import { currentGeneration } from "../shared/store/generations.js";
import { loadPrimaryIdentity, type PrimaryIdentity } from "../shared/store/identity.js";
import { readTransportKey } from "../shared/store/key-files.js";
import { RootLayout, type StoreLayout } from "../shared/store/layout.js";
import { lockRoot } from "../shared/store/lock-root.js";
import { SpareProcesses } from "../shared/store/spare-processes.js";
import { ensureMounted } from "../shared/store/volume.js";
import { widenModes } from "../shared/store/widen-modes.js";
import { describePrimary, type PrimaryStatus, sealOnDemand } from "./answer-operator.js";
import { EventBus } from "./bus/event-bus.js";
import { laterLevels, levelsOf, type PrimaryConfig, primarySockets, QUERY_NICENESS } from "./config.js";
import { ControlServer } from "./control/control-server.js";
import { PrimaryFace } from "./face/primary-face.js";
import { FillOrders } from "./fill-orders.js";
import { HangFinder } from "./find-hang.js";
import { SigningKeys } from "./keys/signing-keys.js";
import type { LedgerError } from "./ledger/ledger-error.js";
import { AppendedReader } from "./ledger/read-appended.js";
import { makeLevelOptions, resolveLevels } from "./make-levels.js";
import { makePaces } from "./make-paces.js";
import { deliveredTo, type EventParts, makeAdmit, makeSources, openKnownElements } from "./make-sources.js";
import type { PrimaryState } from "./metrics/ledger-metrics.js";
import { PRIMARY_METRICS, PrimaryMetrics } from "./metrics/primary-metrics.js";
import { KeyOrders } from "./order-keys.js";
import { LinkOrders } from "./order-links.js";
import { Publisher, type PublisherOptions } from "./publish.js";
import { pinBounds } from "./push/base/pin-options.js";
import { PinWatch } from "./push/base/watch-pins.js";
import { SendSizes } from "./push/pace/estimate-size.js";
import { PausedLinks } from "./push/paused-links.js";
import { PushTurns } from "./push/push-turns.js";
import { ReplicaLink } from "./push/replica-link.js";
import { measureSend } from "./push/wire/measure-send.js";
import { SharedSends } from "./push/wire/shared-sends.js";
import { makeStrategy } from "./seal/options.js";
import { LINE_FRAME_BYTES } from "./sources/lines/ingest-socket.js";
import { LevelPlan } from "./vectorize/level-plan.js";
import { LevelWatch } from "./vectorize/watch-levels.js";

export interface PrimaryDaemon extends Daemon {
  /** Rejects when the ledger takes no more: the process must end, and be started again. */
  failed: Promise<never>;
}

/** A seal and one push: two snapshots, two sends, and two that count for the choice of a codec. */
const SPARES = { spares: 4, shells: 2 };
const ANNOUNCE_DELAY_MS = 100;
/** A push that takes longer waits for its link, and costs next to nothing. */
const PUSH_TURN_MS = 2000;

/** @throws StoreError, LedgerError `corrupt`; what was started until then has been stopped */
export function servePrimary(config: PrimaryConfig): Promise<PrimaryDaemon> {
  return startOrStop((stops) => startPrimary(config, stops));
}

async function startPrimary(config: PrimaryConfig, stops: StopStack): Promise<PrimaryDaemon> {
  const log = createLogger(config.log_level);
  const user = config.query.user === undefined ? undefined : await findUser("query.user", config.query.user);
  await ensureMounted(config.root);
  const identity = await loadPrimaryIdentity(config.root);
  const lock = lockRoot(config.root);
  stops.add(() => lock.release());
  // Behind the lock: without a daemon, `key rotate` changes them under it.
  const keys = await SigningKeys.open(config.root, identity.origin);
  const layout = new RootLayout(config.root);
  const store = layout.store(identity.uuid);
  await widenModes(store.live);
  const sockets = primarySockets(config);
  await mkdir(config.run_dir, { recursive: true, mode: 0o755 });
  let fail: (error: LedgerError) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);

  const query = await startQueries({
    root: config.root,
    socketPath: sockets.query,
    indexProcesses: config.index.processes,
    daemon: "primary",
    niceness: QUERY_NICENESS,
    user,
    feedPath: sockets.feed,
    isKnown: (storeUuid) => storeUuid === identity.uuid,
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
    ...{ admit, sink: bus, keys, log },
    publisher: () => publisher,
    links: () => links,
    orders: () => orders,
    fills: () => fills,
  });
  const known = await openKnownElements(config, store, log);
  stops.add(() => known.close());
  const registry = new Registry();
  const counted = new PrimaryMetrics(registry, await sealTimeOf(store));
  const levelOptions = await makeLevelOptions(config, store);
  const levels = new LevelPlan(await resolveLevels(config, levelOptions), log);
  const resolve = (level: RowLevel) => resolveLevel(level, levelOptions);
  const publisher = await openPublisher(
    config,
    { storeUuid: identity.uuid, keys },
    store,
    { plan: levels, resolve },
    {
      spares,
      log,
      onAppended: (events) => {
        known.appended(events);
        counted.appended(events);
        bus.appended(events);
        const last = events.at(-1);
        if (last) face.appended(last.seq);
      },
      onSealed: () => {
        announce();
        face.sealed();
      },
      onSealTried: (outcome) => counted.sealTried(outcome),
      onFailure: (error) => fail(error),
    },
  );
  stops.add(() => publisher.stop());
  bus.attach(publisher, publisher.ledgerSize());
  const levelWatch = new LevelWatch({
    plan: levels,
    groundOf: (level) => groundOfLevel(level, levelOptions),
    resolve,
    log,
  });
  stops.add(() => levelWatch.stop());
  await levelWatch.start();
  const announce = announcer(query, publisher);
  const sends = new SharedSends();
  stops.add(() => sends.stop());
  const paused = await PausedLinks.open(store.pausedLinks, log);
  const links = await makeLinks(config, store, publisher, { spares, sends, paused, counted, log });
  const orders = new LinkOrders({ publisher, links, paused });
  const fills = new FillOrders({ publisher, entries: store.live.entries });
  for (const link of links) await link.pinLastBase();
  publisher.attach(links);
  const ending = new AbortController();
  stops.add(() => Promise.all(links.map((link) => link.stop())));
  stops.add(() => ending.abort());
  for (const link of links) link.start(ending.signal);
  const pinWatch = watchPins(config, publisher, links, log);
  stops.add(() => pinWatch.stop());
  pinWatch.start();
  const headTimer = setInterval(() => tellHead(query, publisher), 1000);
  stops.add(() => clearInterval(headTimer));
  // Long where much was written while this primary was another version: seals and pushes go on beside it.
  const reader = new AppendedReader(store.live);
  await known.catchUp(
    (fromSeq, limit) => reader.read(fromSeq, limit),
    () => publisher.ledgerSize(),
  );
  const sources = makeSources(config, sockets.ingest, {
    ...{ admit, sink: bus, log, known, store, links, levels, keys },
    delivered: (signal) => deliveredTo(links, publisher.ledgerSize(), signal),
  });
  const status = (): Promise<PrimaryStatus> =>
    describePrimary(config, identity, { publisher, keys, query, bus, links, sources, face, metrics });
  const page = makePage(config, registry, counted, { status, query });
  page.start();
  stops.add(() => page.stop());
  const metrics = makeMetricsServer(config, page, log);
  const control = new ControlServer({
    seal: (request) => sealOnDemand(publisher, request),
    orders,
    fills,
    keys: new KeyOrders({ keys, publisher, links, log }),
    status,
    metrics: () => page.text(),
    events: bus,
  });
  stops.add(() => control.stop());
  await control.start(sockets.control);
  stops.add(() => metrics.stop());
  await metrics.start();
  for (const source of sources) {
    stops.add(() => source.stop());
    await source.start(ending.signal);
  }
  stops.add(() => face.stop());
  await face.start();
  stops.add(() => bus.release());
  log.info("serving", { root: config.root, origin: identity.origin, store: identity.uuid, ingest: sockets.ingest });

  const hangs = new HangFinder({ turnBeganMs: () => publisher.turnBeganMs, log });
  return {
    failed,
    describe: () => describeInShort(publisher, links),
    findHang: (patienceMs) => hangs.look(patienceMs),
    async stop() {
      await stops.stop();
      log.info("stopped", { root: config.root });
    },
  };
}

function describeInShort(publisher: Publisher, links: readonly ReplicaLink[]): string {
  const healthy = links.filter((link) => link.status().health === "healthy").length;
  const generation = publisher.newest()?.generation ?? 0;
  return `${publisher.ledgerSize()} entries, generation ${generation}, ${healthy} of ${links.length} replicas healthy`;
}

async function openPublisher(
  config: PrimaryConfig,
  ledgerOf: Pick<PublisherOptions, "storeUuid" | "keys">,
  store: StoreLayout,
  levels: Pick<PublisherOptions["vectorize"], "plan" | "resolve">,
  parts: Pick<PublisherOptions, "spares" | "log" | "onAppended" | "onSealed" | "onSealTried" | "onFailure">,
): Promise<Publisher> {
  const { ledger, vectorize, seal } = config;
  return Publisher.open({
    store,
    ...ledgerOf,
    ledger: { maxBatchEvents: ledger.max_batch_events, maxQueuedEvents: ledger.max_queued_events },
    vectorize: {
      ...levels,
      levels: levelsOf(vectorize),
      maxWorkerRssBytes: vectorize.worker_memory,
      workers: vectorize.workers,
      urgentWorkers: vectorize.urgent_workers,
      maxQueuedEvents: vectorize.max_queued_events,
      later: laterLevels(vectorize),
      criticalDeadlineMs: vectorize.critical_deadline_ms,
    },
    sealStrategy: makeStrategy(seal),
    keep: config.keep,
    versions: await btrfsVersions(),
    ...parts,
  });
}

async function makeLinks(
  config: PrimaryConfig,
  store: StoreLayout,
  publisher: Publisher,
  parts: { spares: SpareProcesses; sends: SharedSends; paused: PausedLinks; counted: PrimaryMetrics; log: Logger },
) {
  const { privateKey } = await readTransportKey(config.root);
  const { push } = config;
  const { paused, counted, ...common } = parts;
  const turns = new PushTurns(push.concurrency, PUSH_TURN_MS);
  const paceOf = await makePaces(config, parts.log);
  const sizes = new SendSizes((tree, base) => measureSend(tree, base, { compressedData: true, spares: parts.spares }));
  return config.replicas.map(
    ({ name, host, port, user, host_key: hostKey, limit }) =>
      new ReplicaLink(publisher, {
        name,
        target: { host, port, user, hostKey, privateKey },
        helloMs: push.hello_seconds * 1000,
        stallMs: push.stall_seconds * 1000,
        lagMs: push.lag_seconds * 1000,
        mostLoad: push.max_load,
        turns,
        paused: paused.reason(name),
        full: push.full,
        pace: paceOf(limit),
        sizes,
        hintPath: (replicaUuid) => store.link(replicaUuid),
        sendingPath: (replicaUuid) => store.sending(replicaUuid),
        hintDir: store.links,
        onBaseMoved: () => publisher.tidy(),
        onFullWanted: () => publisher.seal({ force: true }),
        onPushEnded: (outcome) => counted.pushed(name, outcome),
        ...common,
      }),
  );
}

function makePage(
  config: PrimaryConfig,
  registry: Registry,
  counted: PrimaryMetrics,
  { status, query }: { status: () => Promise<PrimaryStatus>; query: Queries },
): MetricsPage<PrimaryState> {
  return new MetricsPage<PrimaryState>({
    registry,
    daemon: "primary",
    version: readVersion(),
    metrics: PRIMARY_METRICS,
    state: async () => ({
      status: await status(),
      appended: counted.appendedCounts,
      lastSealAtMs: counted.lastSealAtMs,
    }),
    querySocket: primarySockets(config).query,
    answeredBy: () => query.state(),
  });
}

function makeMetricsServer(config: PrimaryConfig, page: MetricsPage<PrimaryState>, log: Logger): MetricsServer {
  const { listen } = config.metrics;
  return new MetricsServer({
    socketPath: primarySockets(config).metrics,
    listen: listen === undefined ? undefined : parseListenAddress(listen),
    page: () => page.text(),
    log,
  });
}

function watchPins(config: PrimaryConfig, publisher: Publisher, links: readonly ReplicaLink[], log: Logger): PinWatch {
  return new PinWatch({
    links,
    newest: () => publisher.newest()?.generation ?? 0,
    isKept: (generation) => publisher.keeps(generation),
    tree: (generation) => publisher.tree(generation),
    volume: config.root,
    bounds: pinBounds(config.push.pins),
    log,
  });
}

/** Of the current generation: its checkpoint was written by the seal, and the snapshot has it as it was. */
async function sealTimeOf(store: StoreLayout): Promise<number | undefined> {
  return stat(store.generation(currentGeneration(store)).checkpoint).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}

interface LaterParts {
  keys: SigningKeys;
  publisher(): Publisher;
  links(): readonly ReplicaLink[];
  orders(): LinkOrders;
  fills(): FillOrders;
}

/** Made before what it shows, because appended events are told to it: it asks for the publisher when it is called. */
function makeFace(
  config: PrimaryConfig,
  identity: PrimaryIdentity,
  { keys, publisher, links, orders, fills, ...parts }: EventParts & LaterParts,
): PrimaryFace {
  return new PrimaryFace({
    options: config.dbus,
    root: config.root,
    answerer: nameAnswerer("primary", primarySockets(config).query, config.query.user),
    maxLineBytes: config.admit.max_payload_bytes + LINE_FRAME_BYTES,
    facts: {
      version: readVersion(),
      origin: identity.origin,
      storeUuid: identity.uuid,
      publicKey: () => keys.current.vkey,
      ledgerSize: () => publisher().ledgerSize(),
      newest: () => publisher().newest(),
      replicas: () => Object.fromEntries(links().map((link) => [link.name, link.status().health])),
    },
    seal: (force) => sealOnDemand(publisher(), { force, dryRun: false }),
    orders,
    fills,
    ...parts,
  });
}

/**
 * Tells the primary's own queries of new generations a moment later, and of several at once: the push that begins now is
 * what replicas wait for.
 */
function announcer(query: Queries, publisher: Publisher): () => void {
  let planned = false;
  return () => {
    tellHead(query, publisher);
    if (planned) return;
    planned = true;
    setTimeout(() => {
      planned = false;
      query.promoted(publisher.storeUuid, publisher.newest()?.generation ?? 0);
    }, ANNOUNCE_DELAY_MS);
  };
}

function tellHead(query: Queries, publisher: Publisher): void {
  const generation = publisher.newest()?.generation ?? 0;
  if (generation > 0)
    query.setPrimaryHead(publisher.storeUuid, { size: publisher.ledgerSize(), generation, atMs: Date.now() });
}
