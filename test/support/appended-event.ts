// An event of the ledger, as the stages behind it get it. Its hashes are those of nothing: no ledger has it.
import type { AppendedEvent } from "../../primary/event.js";
import { GENESIS_HASH } from "../../shared/format/hash.js";

export function appendedEvent(seq: number, state: unknown, more: Partial<AppendedEvent["entry"]> = {}): AppendedEvent {
  const entry = {
    action: "modified",
    actor: "admin",
    element_id: `interface:eth${seq % 3}`,
    element_type: "NetworkInterface",
    height: 0,
    payload_hash: GENESIS_HASH,
    previous_event_hash: GENESIS_HASH,
    priority: "low",
    recorded: "2026-11-20T10:05:00.123456Z",
    seq,
    source: "socket",
    timestamp: "2026-11-20T10:05:00.123456Z",
    ...more,
  } as const;
  return { seq, entry, stateJson: JSON.stringify(state) };
}
