// The replica's daemon: volume, stores, agent, query process, started in that order and stopped in reverse.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Registry } from "prom-client";
import type { Daemon } from "../shared/cli/run-daemon.js";
import { type StopStack, startOrStop } from "../shared/cli/stop-stack.js";
import { findUser } from "../shared/config/find-user.js";
import { parseListenAddress } from "../shared/config/listen-address.js";
import { createLogger, type Logger } from "../shared/log.js";
import { MetricsPage } from "../shared/metrics/metrics-page.js";
import { MetricsServer } from "../shared/metrics/serve-metrics.js";
import { nameAnswerer } from "../shared/query/name-answerer.js";
import { type Queries, startQueries } from "../shared/query/start-queries.js";
import { readVersion } from "../shared/read-version.js";
import { freeSpace } from "../shared/store/btrfs.js";
import { loadReplicaIdentity, type ReplicaIdentity } from "../shared/store/identity.js";
import { lockRoot } from "../shared/store/lock-root.js";
import { SpareProcesses } from "../shared/store/spare-processes.js";
import { TrustedKeysReader } from "../shared/store/vkey-lists.js";
import { ensureMounted } from "../shared/store/volume.js";
import { AgentServer } from "./agent/agent-server.js";
import { ReplicaStores } from "./agent/replica-stores.js";
import { type ReplicaConfig, replicaSockets } from "./config.js";
import { CosignKey } from "./cosign-key.js";
import { ReplicaFace } from "./face/replica-face.js";
import { REPLICA_METRICS, ReplicaMetrics, type ReplicaState } from "./metrics/replica-metrics.js";
import { ReplicaRoom } from "./receive/require-room.js";

/** One push: beside its verification a list and a sync; and its receive, with one more for a push of another store. */
const SHELLS = 2;

/** @throws StoreError if the root is not what it should be; what was started until then has been stopped */
export function serveReplica(config: ReplicaConfig): Promise<Daemon> {
  return startOrStop((stops) => startReplica(config, stops));
}

async function startReplica(config: ReplicaConfig, stops: StopStack): Promise<Daemon> {
  const log = createLogger(config.log_level);
  const user = config.query.user === undefined ? undefined : await findUser("query.user", config.query.user);
  await ensureMounted(config.root);
  const identity = await loadReplicaIdentity(config.root);
  const lock = lockRoot(config.root);
  stops.add(() => lock.release());
  const sockets = replicaSockets(config);
  await mkdir(config.run_dir, { recursive: true, mode: 0o755 });

  const fed = { shells: SHELLS, folder: join(config.run_dir, "receive") };
  const spares = new SpareProcesses({ spares: 0, shells: SHELLS, fed });
  spares.start();
  stops.add(() => spares.stop());
  const room = new ReplicaRoom(config.root, config.receive.min_free_bytes);
  const registry = new Registry();
  const counted = new ReplicaMetrics(registry);
  const cosignKey = new CosignKey(config.root, identity);
  const trusted = new TrustedKeysReader(config.root, config.trust);
  const trustedKeys = () => trusted.read();
  const stores = new ReplicaStores({
    root: config.root,
    signer: () => cosignKey.current,
    trustedKeys,
    stallMs: config.receive.stall_seconds * 1000,
    room,
    keep: config.keep,
    parts: { leastBytes: config.receive.part_bytes, leastMs: config.receive.part_seconds * 1000 },
    keepPartialMs: config.receive.keep_partial_hours * 3_600_000,
    spares,
    onPromoted: (storeUuid, generation) => {
      face.promoted();
      query.promoted(storeUuid, generation);
    },
    onReceived: (origin, received) => counted.received(origin, received),
    log,
  });
  const face = makeFace(config, identity, { cosignKey, stores, log });
  stops.add(() => stores.stop());
  await stores.start();
  const { processes } = config.index;
  const query = await startQueries({
    root: config.root,
    socketPath: sockets.query,
    indexProcesses: processes,
    daemon: "replica",
    user,
    feedPath: sockets.feed,
    isKnown: (storeUuid) => stores.holds(storeUuid),
    onAnswered: (storeUuid, { size }) => face.answered(storeUuid, size - 1),
    log,
  });
  stops.add(() => query.stop());
  const metrics = makeMetrics(config, registry, stores, { query, stops, log });
  const agent = new AgentServer({
    room,
    replica: identity,
    readSigner: () => cosignKey.read(),
    find: (storeUuid, origin) => stores.find(storeUuid, origin),
    open: (storeUuid) => stores.open(storeUuid),
    trusts: async (origin) => (await trustedKeys()).filter(({ name }) => name === origin).map(({ vkey }) => vkey),
    heard: (storeUuid, head) => query.setPrimaryHead(storeUuid, head),
    want: (storeUuid, what) => stores.want(storeUuid, what),
    status: () => ({
      ...{ stores: stores.status(), queries: query.state() },
      ...{ dbus: face.state(), metrics: metrics.state() },
    }),
    log,
  });
  stops.add(() => agent.stop());
  await agent.start(sockets.agent);
  stops.add(() => metrics.stop());
  await metrics.start();
  stops.add(() => face.stop());
  await face.start();
  log.info("serving", { root: config.root, replica: identity.name, agent: sockets.agent, query: sockets.query });

  return {
    describe: () => describeInShort(stores),
    async stop() {
      await stops.stop();
      log.info("stopped", { root: config.root });
    },
  };
}

function describeInShort(stores: ReplicaStores): string {
  const held = stores.status();
  const entries = held.reduce((sum, { size }) => sum + size, 0);
  const damaged = held.filter(({ damage }) => damage !== null).length;
  return `${held.length} stores, ${entries} entries${damaged > 0 ? `, ${damaged} stores damaged` : ""}`;
}

function makeMetrics(
  config: ReplicaConfig,
  registry: Registry,
  stores: ReplicaStores,
  { query, stops, log }: { query: Queries; stops: StopStack; log: Logger },
): MetricsServer {
  const sockets = replicaSockets(config);
  const page = new MetricsPage<ReplicaState>({
    ...{ registry, daemon: "replica", version: readVersion(), metrics: REPLICA_METRICS, querySocket: sockets.query },
    answeredBy: () => query.state(),
    state: async () => ({ stores: stores.status(), volume: await freeSpace(config.root) }),
  });
  page.start();
  stops.add(() => page.stop());
  const { listen } = config.metrics;
  return new MetricsServer({
    socketPath: sockets.metrics,
    listen: listen === undefined ? undefined : parseListenAddress(listen),
    page: () => page.text(),
    log,
  });
}

function makeFace(
  config: ReplicaConfig,
  { name, uuid }: ReplicaIdentity,
  { cosignKey, stores, log }: { cosignKey: CosignKey; stores: ReplicaStores; log: Logger },
): ReplicaFace {
  const publicKey = () => cosignKey.current.vkey;
  return new ReplicaFace({
    options: config.dbus,
    root: config.root,
    answerer: nameAnswerer("replica", replicaSockets(config).query, config.query.user),
    trust: config.trust,
    facts: { version: readVersion(), name, uuid, publicKey, stores: () => stores.status() },
    want: (store, what) => stores.want(store, what),
    log,
  });
}
