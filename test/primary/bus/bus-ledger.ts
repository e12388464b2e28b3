// A bus with a real ledger behind it, in a plain folder. Ends with the store's own verification.
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { EventBus, type EventBusOptions } from "../../../primary/bus/event-bus.js";
import type { Ack, AdmittedEvent, AppendedEvent, EventSink } from "../../../primary/event.js";
import { Ledger } from "../../../primary/ledger/ledger.js";
import { openLedger } from "../../../primary/ledger/open-ledger.js";
import { generateSigner, KEY_TYPE } from "../../../shared/format/signed-note.js";
import type { LogFields } from "../../../shared/log.js";
import { StoreLayout } from "../../../shared/store/layout.js";
import { admittedEvent } from "../../support/admitted-event.js";
import { verifyLive } from "../../support/verify-live.js";
import { withFolder } from "../../support/with-folder.js";

export const LEDGER_LIMITS = { maxBatchEvents: 64, maxQueuedEvents: 128 };

export interface BusLedger {
  bus: EventBus;
  /** Messages of error records, with their fields. */
  errors: [message: string, fields: LogFields | undefined][];
}

export async function withBus(
  body: (parts: BusLedger) => Promise<void>,
  options: Partial<EventBusOptions> = {},
): Promise<void> {
  await withFolder(async (folder) => {
    const store = new StoreLayout(folder);
    const { entries, payloads, tree } = store.live;
    for (const dir of [entries, payloads, tree, store.index]) await mkdir(join(dir), { recursive: true });
    const signer = generateSigner("bus.test/isochron", KEY_TYPE.ed25519);
    const storeUuid = randomUUID();
    const { parts } = await openLedger({ store, storeUuid, keys: [signer], generation: 0 });
    const errors: BusLedger["errors"] = [];
    const log = {
      debug() {},
      info() {},
      warn() {},
      error: (text: string, fields?: LogFields) => errors.push([text, fields]),
    };
    const bus = new EventBus({ log, ...options });
    const ledger = new Ledger(
      parts,
      LEDGER_LIMITS,
      (events) => bus.appended(events),
      () => undefined,
    );
    bus.attach(ledger, ledger.size);
    try {
      await body({ bus, errors });
    } finally {
      bus.stop();
      await ledger.close();
    }
    await verifyLive(store, signer, storeUuid);
  });
}

/** Appends as sources do: each event waits for room, then all wait for their acks. */
export async function appendMany(sink: EventSink, count: number, more: Partial<AdmittedEvent> = {}): Promise<Ack[]> {
  const acks: Promise<Ack>[] = [];
  for (let i = 0; i < count; i += 1) {
    for (let room = sink.room(); room; room = sink.room()) await room;
    acks.push(sink.append(admittedEvent(i, more)));
  }
  return Promise.all(acks);
}

export const seqs = (events: readonly AppendedEvent[]): number[] => events.map(({ seq }) => seq);

export const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
