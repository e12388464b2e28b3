// Admission, between a source and the ledger: one line of bytes becomes one event that is valid, redacted, complete and
// canonical, or an AdmitError says what is wrong with which field. Nothing may change an event after this point, and no
// secret may leave here, in an event or in an error.
import { canonicalise, type JsonValue } from "../../shared/format/canonical-json.js";
import { nowMicros } from "../../shared/format/timestamp.js";
import type { AdmittedEvent, EventDraft, Interceptor } from "../event.js";
import { AdmitError, type AdmitProblem } from "./admit-error.js";
import { type AdmitContext, checkDraft, draftEvent } from "./draft-event.js";
import { type Parsed, parseLine, requireObject } from "./parse-line.js";
import { createRedaction } from "./redact-draft.js";
import { redactText } from "./redact-text.js";
import { createSecretKeyTest, SECRET_TERMS } from "./secret-keys.js";
import { createPriority, type PriorityOptions } from "./set-priority.js";

export type { AdmitContext } from "./draft-event.js";

export interface AdmitOptions {
  /** Largest payload line, in bytes. Default 1 MiB. */
  maxPayloadBytes?: number;
  /** Endings of keys whose values are replaced. Default SECRET_TERMS; an empty list turns redaction by key off. */
  redactKeys?: readonly string[];
  /** For events that name no priority, ahead of the built-in rules. */
  priority?: PriorityOptions;
  /** Run after redaction and priority, in order. What they add is not looked through for secrets. Default none. */
  interceptors?: readonly Interceptor[];
  /** Microseconds since 1970, for events without a timestamp. */
  now?: () => number;
}

/** One line to one event. @throws AdmitError */
export type Admit = (line: Buffer, context: AdmitContext) => AdmittedEvent;

/** Also in two steps, for lines that are no events of our own form: CloudEvents are mapped in between. */
export interface Admitter extends Admit {
  /** Any sound JSON value. @throws AdmitError */
  parse(line: Buffer): Parsed<JsonValue>;
  /** An object with the fields of one event, to that event. @throws AdmitError */
  admitFields(fields: Parsed<JsonValue>, context: AdmitContext): AdmittedEvent;
  /** The error itself, without the secrets that its value may show. */
  hideSecrets(error: unknown): unknown;
}

export const MAX_PAYLOAD_BYTES = 1024 * 1024;
/** Bytes of a payload line around its parts: salt, sequence number, names. */
const PAYLOAD_FRAME_BYTES = 192;

export function createAdmitter(options: AdmitOptions = {}): Admitter {
  const maxPayloadBytes = options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES;
  const isSecretKey = createSecretKeyTest(options.redactKeys ?? SECRET_TERMS);
  const own = [createRedaction(isSecretKey), createPriority(options.priority ?? {})];
  const further = options.interceptors ?? [];
  const now = options.now ?? nowMicros;

  const admitFields = (parsed: Parsed<JsonValue>, context: AdmitContext): AdmittedEvent => {
    const draft = draftEvent(requireObject(parsed), context, now);
    for (const interceptor of own) intercept(interceptor, draft);
    if (further.length === 0) return toEvent(draft, parsed.sorted, maxPayloadBytes);
    for (const interceptor of further) intercept(interceptor, draft);
    checkDraft(draft);
    // Whatever they have done to the state, its keys are not known to be in order any more.
    return toEvent(draft, false, maxPayloadBytes);
  };
  const hideSecrets = (error: unknown): unknown => {
    if (error instanceof AdmitError && error.value !== undefined) error.value = redactText(error.value, isSecretKey);
    return error;
  };
  const hiding = <Args extends unknown[], Result>(work: (...args: Args) => Result) => {
    return (...args: Args): Result => {
      try {
        return work(...args);
      } catch (error) {
        throw hideSecrets(error);
      }
    };
  };
  const admit: Admit = (line, context) => admitFields(parseLine(line, isSecretKey), context);
  return Object.assign(hiding(admit), {
    parse: hiding((line: Buffer) => parseLine(line, isSecretKey)),
    admitFields: hiding(admitFields),
    hideSecrets,
  });
}

function intercept(interceptor: Interceptor, draft: EventDraft): void {
  try {
    interceptor.before?.(draft);
  } catch (cause) {
    if (cause instanceof AdmitError) throw cause;
    throw new AdmitError("interceptor-failed", interceptorFault(interceptor.name), { cause });
  }
}

/** An event that an interceptor could not look at is refused: it might have been the one to hide a secret. */
function interceptorFault(name: string): AdmitProblem {
  return { reason: `the interceptor ${name} failed on this event`, hint: "this is a fault of the interceptor" };
}

function toEvent(draft: EventDraft, sorted: boolean, maxPayloadBytes: number): AdmittedEvent {
  const event: AdmittedEvent = {
    elementId: draft.elementId,
    elementType: draft.elementType,
    action: draft.action,
    actor: draft.actor,
    timestamp: draft.timestamp,
    priority: draft.priority ?? "low",
    source: draft.source,
    // Keys in order: then the native writer gives the same bytes as `canonicalise`, several times faster.
    stateJson: sorted ? JSON.stringify(draft.state) : canonicaliseState(draft.state),
    reason: draft.reason,
    idempotencyKey: draft.idempotencyKey,
    redacted: draft.redacted,
  };
  checkPayloadBytes(event, maxPayloadBytes);
  return event;
}

/** What was parsed is sound; what an interceptor has put there may not be. */
function canonicaliseState(state: JsonValue): string {
  try {
    return canonicalise(state);
  } catch (cause) {
    throw new AdmitError("interceptor-failed", interceptorFault("that changed the state"), { cause });
  }
}

function checkPayloadBytes(event: AdmittedEvent, maxPayloadBytes: number): void {
  let bytes = PAYLOAD_FRAME_BYTES + Buffer.byteLength(event.stateJson);
  if (event.reason !== undefined) bytes += Buffer.byteLength(JSON.stringify(event.reason));
  if (event.idempotencyKey !== undefined) bytes += Buffer.byteLength(JSON.stringify(event.idempotencyKey));
  if (event.redacted !== undefined) bytes += Buffer.byteLength(JSON.stringify(event.redacted));
  if (bytes <= maxPayloadBytes) return;
  throw new AdmitError("payload-too-large", {
    field: "state_snapshot",
    value: `${bytes} bytes`,
    reason: `the payload would have ${bytes} bytes; at most ${maxPayloadBytes} are kept`,
    hint: "send what changed, not everything, or raise admit.max_payload_bytes",
  });
}
