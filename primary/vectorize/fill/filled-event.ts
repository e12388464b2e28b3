// What the ledger hears at the end of an order: that a space is filled now, as an event of the primary's own.
import { canonicalise, type JsonValue } from "../../../shared/format/canonical-json.js";
import { nowTimestamp } from "../../../shared/format/timestamp.js";
import type { AdmittedEvent } from "../../event.js";
import type { Fill } from "./fill.js";
import type { FillOrder } from "./fill-record.js";

/** One event for each order: given again after a crash, it is the same. */
export function filledEvent({ leftOut }: Pick<Fill, "leftOut">, order: FillOrder): AdmittedEvent {
  const { id, level, space, from, to, priorities, asked_at } = order;
  const state: JsonValue = { asked_at, from, left_out: leftOut, level, priorities, space, to };
  return {
    elementId: `vectors:${space}`,
    elementType: "VectorSpace",
    action: "space_filled",
    actor: "isochron-primary",
    timestamp: nowTimestamp(),
    priority: "low",
    source: "isochron",
    stateJson: canonicalise(state),
    idempotencyKey: `space-filled:${id}`,
  };
}
