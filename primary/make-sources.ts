// Makes what brings events in: admission, and every event source that the configuration asks for, with what those that
// watch elements stand on.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemBusAddress } from "../shared/dbus/face-options.js";
import { isWatchingSource } from "../shared/format/watching-source.js";
import type { Logger } from "../shared/log.js";
import { RootLayout, type StoreLayout } from "../shared/store/layout.js";
import { makeIndexFolder, sourcesPath } from "../shared/store/make-index-folder.js";
import { type Admitter, createAdmitter } from "./admit/admit-event.js";
import { SECRET_TERMS } from "./admit/secret-keys.js";
import type { PrimaryConfig } from "./config.js";
import type { EventSink } from "./event.js";
import type { SigningKeys } from "./keys/signing-keys.js";
import type { ReplicaLink } from "./push/replica-link.js";
import type { BusService } from "./sources/dbus/bus-service.js";
import { BusWatch } from "./sources/dbus/bus-watch.js";
import { createFirewalld } from "./sources/dbus/firewalld/firewalld.js";
import { createLogin1 } from "./sources/dbus/login1/login1.js";
import { createMachine1 } from "./sources/dbus/machine1/machine1.js";
import { createNetworkManager } from "./sources/dbus/network-manager/network-manager.js";
import { createBusRule } from "./sources/dbus/rule/bus-rule.js";
import { createSystemd } from "./sources/dbus/systemd/systemd.js";
import { createFilesSource, type FilesPlace } from "./sources/files/files-source.js";
import { isFilesSourceWanted } from "./sources/files/options.js";
import { KeysSource } from "./sources/keys/keys-source.js";
import { LevelsSource } from "./sources/levels/levels-source.js";
import { IngestSocket, LINE_FRAME_BYTES } from "./sources/lines/ingest-socket.js";
import { createOvsdbSource } from "./sources/ovsdb/ovsdb-source.js";
import { PackagesSource } from "./sources/packages/packages-source.js";
import { ReplicasSource } from "./sources/replicas/replicas-source.js";
import type { Source } from "./sources/source.js";
import { KnownElements } from "./sources/watch/known-elements.js";
import type { LevelPlan } from "./vectorize/level-plan.js";

/** What every way in needs: admission, the bus behind it, the log. */
export interface EventParts {
  admit: Admitter;
  sink: EventSink;
  log: Logger;
}

export interface WatchParts extends EventParts {
  known: KnownElements;
  store: StoreLayout;
  links: readonly ReplicaLink[];
  levels: LevelPlan;
  keys: SigningKeys;
  /** Resolves when what has been appended until now is with every healthy replica. */
  delivered(signal: AbortSignal): Promise<void>;
}

/** What events pass, from wherever they come. */
export function makeAdmit(config: PrimaryConfig): Admitter {
  return createAdmitter({
    maxPayloadBytes: config.admit.max_payload_bytes,
    redactKeys: redactKeysOf(config),
    priority: { rules: config.admit.priority_rules, byAction: config.admit.priorities },
  });
}

function redactKeysOf({ admit }: PrimaryConfig): string[] {
  return admit.redact ? [...SECRET_TERMS, ...admit.redact_keys] : [];
}

/** Opens what the ledger last knew of each watched element; it must catch up before a source starts. */
export async function openKnownElements(
  config: PrimaryConfig,
  store: StoreLayout,
  log: Logger,
): Promise<KnownElements> {
  // Rules have no state to compare, and as many elements as signals make up.
  const rules = new Set(config.sources.dbus.rules.map(({ name }) => `dbus:${name}`));
  const isWatched = (source: string) => isWatchingSource(source) && !rules.has(source);
  const folder = sourcesPath(store.index);
  await makeIndexFolder(store.index);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return KnownElements.open({ path: join(folder, "known.db"), isWatched, log });
}

export function makeSources(config: PrimaryConfig, ingestPath: string, parts: WatchParts): Source[] {
  const { packages, dbus, ovsdb, files, replicas } = config.sources;
  const maxLineBytes = config.admit.max_payload_bytes + LINE_FRAME_BYTES;
  const sources: Source[] = [new IngestSocket({ path: ingestPath, maxLineBytes, ...parts })];
  if (packages.enabled) sources.push(new PackagesSource({ path: packages.log, ...parts }));
  if (dbus.enabled) sources.push(makeBusWatch(config, parts));
  if (ovsdb.enabled) sources.push(createOvsdbSource(parts, ovsdb));
  if (isFilesSourceWanted(files)) sources.push(createFilesSource(files, filesPlace(config, parts.store), parts));
  if (replicas.enabled) sources.push(new ReplicasSource({ settleMs: replicas.settle_seconds * 1000, ...parts }));
  const { levels, keys } = parts;
  sources.push(
    new LevelsSource({ ...parts, levels: () => levels.state(), onChange: (listener) => levels.onChange(listener) }),
    new KeysSource({ ...parts, keys }),
  );
  return sources;
}

function filesPlace(config: PrimaryConfig, store: StoreLayout): FilesPlace {
  const { root, loopFile, fingerprintKey } = new RootLayout(config.root);
  return {
    textsPath: join(sourcesPath(store.index), "texts.db"),
    keyPath: fingerprintKey,
    own: [root, loopFile, config.run_dir],
    redactKeys: redactKeysOf(config),
  };
}

function makeBusWatch(config: PrimaryConfig, parts: WatchParts): BusWatch {
  const { dbus } = config.sources;
  const address = config.dbus.address ?? systemBusAddress();
  const { log, delivered } = parts;
  const services: BusService[] = [];
  if (dbus.systemd.enabled) services.push(createSystemd(dbus.systemd));
  if (dbus.network_manager.enabled) services.push(createNetworkManager());
  if (dbus.machine1.enabled) services.push(createMachine1());
  if (dbus.login1.enabled) {
    const timeoutMs = dbus.login1.delay_ms;
    services.push(createLogin1(timeoutMs > 0 ? { delay: { address, log, timeoutMs, delivered } } : {}));
  }
  if (dbus.firewalld.enabled) services.push(createFirewalld());
  services.push(...dbus.rules.map(createBusRule));
  return new BusWatch({ address, services, parts, coalesceMs: dbus.coalesce_ms });
}

const DELIVERED_POLL_MS = 20;

/** For `WatchParts.delivered`: waits for the acks of all replicas that are healthy. */
export async function deliveredTo(
  links: readonly ReplicaLink[],
  ledgerSize: number,
  signal: AbortSignal,
): Promise<void> {
  const isBehind = (link: ReplicaLink) => {
    const { health, size } = link.status();
    return health === "healthy" && (size ?? 0) < ledgerSize;
  };
  while (links.some(isBehind)) await sleep(DELIVERED_POLL_MS, undefined, { signal });
}
