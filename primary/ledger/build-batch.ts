// Turns admitted events into the lines, hashes and heads of one batch. Pure but for salts and the clock: nothing is on
// disk yet, and `rollback` of the heads and the cloned tree undo it all.
import { randomFillSync } from "node:crypto";
import { type Entry, formatEntry, MAX_ENTRY_BYTES } from "../../shared/format/entry.js";
import { leafHashOfText, sha256Hex } from "../../shared/format/hash.js";
import { formatPayload } from "../../shared/format/payload.js";
import { nowTimestamp } from "../../shared/format/timestamp.js";
import type { MerkleTree, OnSubtree } from "../../shared/format/tree.js";
import type { ElementHeads } from "../../shared/store/element-heads.js";
import type { AdmittedEvent, AppendedEvent } from "../event.js";
import { LedgerError } from "./ledger-error.js";

export interface Batch {
  entries: Buffer;
  payloads: Buffer;
  appended: AppendedEvent[];
  /** One per event offered, in order: its place in the ledger, the earlier event it repeats, or why it was refused. */
  results: BatchResult[];
  lastHash: string;
}

export type BatchResult = { seq: number; hash: string; duplicate: boolean } | { error: LedgerError };

/** Appends `events` to `tree` and `heads` in memory and returns the bytes to write. */
export function buildBatch(
  events: readonly AdmittedEvent[],
  tree: MerkleTree,
  heads: ElementHeads,
  onSubtree: OnSubtree,
): Batch {
  const recorded = nowTimestamp();
  const entryLines: string[] = [];
  const payloadLines: string[] = [];
  const appended: AppendedEvent[] = [];
  let lastHash = heads.lastHash;

  const results = events.map((event): BatchResult => {
    const known = event.idempotencyKey === undefined ? undefined : heads.key(event.idempotencyKey);
    const digest = event.idempotencyKey === undefined ? "" : digestOf(event);
    if (known) {
      return known.digest === digest
        ? { seq: known.seq, hash: known.hash, duplicate: true }
        : conflict(event, known.seq);
    }
    const seq = tree.size;
    const payloadLine = formatPayload(event, salt(), seq);
    const entry = entryOf(event, seq, sha256Hex(payloadLine), recorded, heads);
    const line = formatEntry(entry);
    const lineBytes = Buffer.byteLength(line);
    if (lineBytes > MAX_ENTRY_BYTES) return { error: tooLarge(event, lineBytes) };
    const leaf = leafHashOfText(line);
    const hash = leaf.toString("hex");
    tree.append(leaf, onSubtree);
    heads.addEntry(entry, hash);
    if (event.idempotencyKey !== undefined) heads.setKey(event.idempotencyKey, { seq, hash, digest });
    entryLines.push(line, "\n");
    payloadLines.push(payloadLine, "\n");
    appended.push({ seq, entry, stateJson: event.stateJson });
    lastHash = hash;
    return { seq, hash, duplicate: false };
  });
  return {
    entries: Buffer.from(entryLines.join("")),
    payloads: Buffer.from(payloadLines.join("")),
    appended,
    results,
    lastHash,
  };
}

function entryOf(event: AdmittedEvent, seq: number, payloadHash: string, recorded: string, heads: ElementHeads): Entry {
  const head = heads.head(event.elementId);
  return {
    action: event.action,
    actor: event.actor,
    element_id: event.elementId,
    element_type: event.elementType,
    height: head.height + 1,
    payload_hash: payloadHash,
    previous_event_hash: head.hash,
    priority: event.priority,
    recorded,
    seq,
    source: event.source,
    timestamp: event.timestamp,
  };
}

/** What an event says, its times left out: a retry may carry another default timestamp and is still the same event. */
export function digestOf(
  event: Pick<AdmittedEvent, "elementId" | "elementType" | "action" | "reason" | "stateJson">,
): string {
  const said = [event.elementId, event.elementType, event.action, event.reason ?? null, event.stateJson];
  return sha256Hex(JSON.stringify(said));
}

// 16 random bytes an event, drawn 256 at a time: one call per event costs more than the two hashes together.
const SALT_BYTES = 16;
const saltPool = Buffer.alloc(SALT_BYTES * 256);
let saltAt = saltPool.length;

function salt(): string {
  if (saltAt === saltPool.length) {
    randomFillSync(saltPool);
    saltAt = 0;
  }
  saltAt += SALT_BYTES;
  return saltPool.toString("hex", saltAt - SALT_BYTES, saltAt);
}

function conflict(event: AdmittedEvent, seq: number): BatchResult {
  const message = `idempotency_key ${JSON.stringify(event.idempotencyKey)} already names event ${seq}, which says something else`;
  return { error: new LedgerError("idempotency-conflict", message, { hint: "give a new event a key of its own" }) };
}

function tooLarge(event: AdmittedEvent, lineBytes: number): LedgerError {
  const message = `the entry of ${event.elementId.slice(0, 80)} would be ${lineBytes} bytes long; ${MAX_ENTRY_BYTES} are allowed`;
  return new LedgerError("entry-too-large", message, { hint: "put the detail into state_snapshot" });
}
