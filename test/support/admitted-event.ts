// An event as sources hand it to the ledger.
import type { AdmittedEvent } from "../../primary/event.js";

export function admittedEvent(i: number, more: Partial<AdmittedEvent> = {}): AdmittedEvent {
  return {
    elementId: `interface:eth${i % 3}`,
    elementType: "NetworkInterface",
    action: "modified",
    actor: "admin",
    timestamp: "2026-11-20T10:05:00.000000Z",
    priority: "low",
    source: "test",
    stateJson: `{"mtu":${1500 + i}}`,
    ...more,
  };
}
