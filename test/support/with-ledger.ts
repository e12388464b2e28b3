// A real ledger in a plain folder, with what sources stand on: admission, the sink, what the ledger last knew. Ends with
// the store's own verification.
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createAdmitter } from "../../primary/admit/admit-event.js";
import type { AppendedEvent } from "../../primary/event.js";
import { Ledger } from "../../primary/ledger/ledger.js";
import { openLedger } from "../../primary/ledger/open-ledger.js";
import { AppendedReader } from "../../primary/ledger/read-appended.js";
import type { SourceParts } from "../../primary/sources/source.js";
import type { JsonObject } from "../../primary/sources/watch/element-change.js";
import { KnownElements } from "../../primary/sources/watch/known-elements.js";
import { generateSigner, KEY_TYPE } from "../../shared/format/signed-note.js";
import { isWatchingSource } from "../../shared/format/watching-source.js";
import type { Logger } from "../../shared/log.js";
import { StoreLayout } from "../../shared/store/layout.js";
import { verifyLive } from "./verify-live.js";
import { withFolder } from "./with-folder.js";

/** An event of the ledger, as tests like to compare it. */
export interface SeenEvent {
  element: string;
  type: string;
  action: string;
  actor: string;
  source: string;
  priority: string;
  state: JsonObject;
}

export interface TestLedger {
  readonly folder: string;
  readonly store: StoreLayout;
  /** What a source is made of; of the daemon's present life. */
  parts: SourceParts;
  /** All events in order of the ledger; `of` keeps those of one source or element. */
  events(of?: string): SeenEvent[];
  /** Closes ledger and known elements and opens them again, as a restart of the daemon does. */
  restart(): Promise<void>;
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const LIMITS = { maxBatchEvents: 4096, maxQueuedEvents: 16_384 };

/** Runs `body`, then verifies the ledger. Sources that `body` started it must have stopped. */
export async function withLedger<T>(body: (ledger: TestLedger) => Promise<T>, log: Logger = SILENT): Promise<T> {
  const signer = generateSigner("sources.test/isochron", KEY_TYPE.ed25519);
  const storeUuid = randomUUID();
  return withFolder(async (folder) => {
    const store = new StoreLayout(join(folder, "store"));
    const { entries, payloads, tree } = store.live;
    for (const dir of [entries, payloads, tree, store.index]) await mkdir(dir, { recursive: true });
    const seen: AppendedEvent[] = [];
    let life: { ledger: Ledger; known: KnownElements };

    const open = async () => {
      const { parts } = await openLedger({ store, storeUuid, keys: [signer], generation: 0 });
      const known = KnownElements.open({ path: join(store.index, "known.db"), isWatched: isWatchingSource, log });
      const { size } = parts.tree;
      const reader = new AppendedReader(store.live);
      await known.catchUp(
        (from, limit) => reader.read(from, limit),
        () => size,
      );
      const onAppended = (events: AppendedEvent[]) => {
        seen.push(...events);
        known.appended(events);
      };
      const ledger = new Ledger(parts, LIMITS, onAppended, () => undefined);
      life = { ledger, known };
      test.parts = { admit: createAdmitter(), sink: ledger, known, log };
    };
    const close = async () => {
      await life.ledger.close();
      life.known.close();
    };

    const test: TestLedger = {
      folder,
      store,
      parts: undefined as unknown as SourceParts,
      events: (of) => seen.map(toSeen).filter(({ source, element }) => !of || source === of || element === of),
      async restart() {
        await close();
        await open();
      },
    };
    await open();
    try {
      const result = await body(test);
      await close();
      await verifyLive(store, signer, storeUuid);
      return result;
    } catch (error) {
      await close().catch(() => undefined);
      throw error;
    }
  });
}

function toSeen({ entry, stateJson }: AppendedEvent): SeenEvent {
  const { element_id: element, element_type: type, action, actor, source, priority } = entry;
  return { element, type, action, actor, source, priority, state: JSON.parse(stateJson) as JsonObject };
}
