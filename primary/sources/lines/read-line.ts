// What one line of the ingest socket holds: an event of our own form, a CloudEvent, or an array, which is a batch of them.
// Between a line of bytes and admission; a line is parsed once, whatever it holds.
import type { JsonValue } from "../../../shared/format/canonical-json.js";
import { AdmitError } from "../../admit/admit-error.js";
import type { AdmitContext, Admitter } from "../../admit/admit-event.js";
import type { JsonObject, Parsed } from "../../admit/parse-line.js";
import type { AdmittedEvent } from "../../event.js";
import { type MappedEvent, mapCloudEvent } from "../cloudevents/map-cloud-event.js";

/** An event of a batch, or why it was refused. */
export type BatchItem = AdmittedEvent | AdmitError;

/** Events in one batch: its ack is one line, and holds an ack for each. */
export const MAX_BATCH_EVENTS = 1000;

/** One event, or the items of a batch in order. @throws AdmitError that refuses the line as a whole */
export function readLine(admit: Admitter, line: Buffer, context: AdmitContext): AdmittedEvent | BatchItem[] {
  const parsed = admit.parse(line);
  const { value } = parsed;
  if (Array.isArray(value)) return readBatch(admit, parsed, value, context);
  return isCloudEvent(value) ? readCloudEvent(admit, parsed, value, context) : admit.admitFields(parsed, context);
}

function readBatch(admit: Admitter, parsed: Parsed<JsonValue>, items: JsonValue[], context: AdmitContext): BatchItem[] {
  if (items.length > MAX_BATCH_EVENTS) {
    throw new AdmitError("batch-too-large", {
      value: `${items.length} events`,
      reason: `a batch may hold ${MAX_BATCH_EVENTS} events`,
      hint: "send several batches; nothing of this one was written",
    });
  }
  return items.map((item) => {
    try {
      return readCloudEvent(admit, parsed, requireCloudEvent(item), context);
    } catch (error) {
      if (error instanceof AdmitError) return error;
      throw error;
    }
  });
}

function isCloudEvent(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, "specversion");
}

function requireCloudEvent(item: JsonValue): JsonObject {
  if (isCloudEvent(item)) return item;
  throw new AdmitError("not-an-object", {
    reason: "it is no CloudEvent: it has no specversion",
    hint: "an array is a batch of CloudEvents; send events of our own form one a line",
  });
}

/** Attributes that are kept have not been looked at for secrets, so redaction looks at everything. */
const MAY_HOLD_ANY = { secretKeys: true, secretTexts: true };

function readCloudEvent(
  admit: Admitter,
  { sorted }: Parsed<JsonValue>,
  event: JsonObject,
  context: AdmitContext,
): AdmittedEvent {
  let mapped: MappedEvent | undefined;
  try {
    mapped = mapCloudEvent(event);
    const fields = { value: mapped.fields, sorted: sorted && mapped.sorted, mayHold: MAY_HOLD_ANY };
    return admit.admitFields(fields, context);
  } catch (error) {
    throw admit.hideSecrets(mapped && error instanceof AdmitError ? mapped.inItsTerms(error) : error);
  }
}
