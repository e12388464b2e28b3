// The protocol as the primary speaks it: hello, and the push of one generation. Every answer is checked against its
// schema; every refusal becomes a PushError of the kind that the protocol gives it.
import { randomBytes } from "node:crypto";
import type { ClientRequest } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseCheckpoint } from "../../../shared/format/checkpoint.js";
import { type NoteVerifier, openNote, parseVkey } from "../../../shared/format/signed-note.js";
import { joinSignals } from "../../../shared/join-signals.js";
import {
  ARRIVAL_HEADERS,
  arrivalHeadersSchema,
  type Hello,
  type HelloAnswer,
  helloAnswerSchema,
  PROBE_TYPE,
  PUSH_HEADERS,
  problemSchema,
  REFUSALS,
  type RefusalCode,
  STREAM_TYPE,
} from "../../../shared/protocol/protocol.js";
import type { StreamPlace } from "../../../shared/store/walk-commands.js";
import type { SealedGeneration } from "../../event.js";
import type { Codec } from "../pace/codec.js";
import { type MeterOptions, meterWire } from "../pace/meter-wire.js";
import { PushError, type PushErrorCode } from "../push-error.js";
import { type Answer, answerTo, type SshConnection } from "./ssh-connection.js";
import { streamTo } from "./stream-generation.js";

/** A hello costs the replica nothing but a look at what it holds; sshd answers keep-alives for an agent that hangs. */
const HELLO_MS = 60_000;

/** @throws PushError */
export async function sayHello(
  connection: SshConnection,
  hello: Hello,
  onRoundTrip: (ms: number) => void,
): Promise<HelloAnswer> {
  const beganMs = performance.now();
  const body = JSON.stringify(hello);
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const request = connection.request("POST", "/v1/hello", headers);
  const stall = new StallWatchdog(HELLO_MS);
  request.end(body);
  const answered = Promise.race([answerTo(request).catch(lostOn), stall.expired]);
  const answer = await answered.finally(() => stall.stop());
  const tookMs = performance.now() - beganMs;
  const parsed = helloAnswerSchema.safeParse(safeJson(readAnswer(answer)));
  onRoundTrip(Math.max(0, tookMs - workMs(answer)));
  if (parsed.success) return parsed.data;
  throw new PushError("conflict", "bad-answer", `the hello's answer is not of the protocol: ${parsed.error.message}`);
}

export interface PushRequest extends MeterOptions {
  store: string;
  sealed: SealedGeneration;
  /** Number of the base, `undefined` for a full send. */
  base: number | undefined;
  /** Both send streams, back to back; with `resume`, what of them comes behind that place. */
  source: AsyncGenerator<Buffer>;
  resume: StreamPlace | undefined;
  /** Entries in the ledger now, so that the replica can say how far behind it is. */
  ledgerSize: number;
  codec: Codec;
  /** No byte, and no sign of work, for so long means that the link or the agent is dead. */
  stallMs: number;
}

/** How a body arrived, by the replica's clock. */
export interface Arrival {
  bytes: number;
  /** From the request's headers to the last byte. */
  ms: number;
  /** Of it, time in which the replica took nothing. */
  busyMs: number;
}

/** The cosigned note, and how the body arrived if the replica says. */
export interface PushAnswer {
  note: string;
  arrival: Arrival | undefined;
}

/** Streams a generation; resolves once the replica has promoted it. @throws PushError */
export async function pushGeneration(connection: SshConnection, push: PushRequest): Promise<PushAnswer> {
  const request = connection.request("PUT", `/v1/stores/${push.store}/generations/${push.sealed.generation}`, {
    "content-type": STREAM_TYPE,
    "transfer-encoding": "chunked",
    [PUSH_HEADERS.ledgerSize]: push.ledgerSize,
    ...(push.base === undefined ? {} : { [PUSH_HEADERS.base]: push.base }),
    ...(push.resume ? resumeHeaders(push.resume) : {}),
    ...(push.codec.zstdLevel === undefined ? {} : { "content-encoding": "zstd" }),
  });
  const { source, codec } = push;
  const write = (metered: MeterOptions) => streamTo(request, { source, codec, ...metered });
  const answer = await upload(connection, request, push, write);
  return { note: readAnswer(answer), arrival: readArrival(answer) };
}

const PROBE_CHUNK_BYTES = 64 * 1024;

/** Sends bytes that nothing can compress, for how they arrive. @throws PushError */
export async function sendProbe(
  connection: SshConnection,
  bytes: number,
  options: MeterOptions & { stallMs: number },
): Promise<Arrival | undefined> {
  const headers = { "content-type": PROBE_TYPE, "content-length": bytes };
  const request = connection.request("POST", "/v1/probe", headers);
  function* body(): Generator<Buffer> {
    for (let left = bytes; left > 0; left -= PROBE_CHUNK_BYTES) yield randomBytes(Math.min(left, PROBE_CHUNK_BYTES));
  }
  const answer = await upload(connection, request, options, (metered) =>
    pipeline(Readable.from(meterWire(inTurn(body()), metered)), request, { signal: metered.signal }),
  );
  readAnswer(answer);
  return readArrival(answer);
}

async function* inTurn(chunks: Iterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  yield* chunks;
}

/** A request whose body `write` sends; it is given up when nothing moves, when the connection is lost or with an answer. */
async function upload(
  { lost: connectionLost }: SshConnection,
  request: ClientRequest,
  options: MeterOptions & { stallMs: number },
  write: (metered: MeterOptions) => Promise<void>,
): Promise<Answer> {
  // The replica starts its receive while the sends start here.
  request.flushHeaders();
  options.meter.begin();
  const stall = new StallWatchdog(options.stallMs);
  const answered = Promise.race([answerTo(request), stall.expired]);
  answered.catch(() => undefined);
  const { meter, limits } = options;
  const over = new AbortController();
  const onBytes = (bytes: number) => {
    stall.moved();
    options.onBytes(bytes);
  };
  // While it syncs and verifies what has arrived, the replica says that it is at work: however long that takes is well.
  request.on("information", () => stall.moved());
  return joinSignals({ signals: [options.signal, connectionLost, over.signal] }, async (signal) => {
    const streamed = write({ meter, limits, signal, onBytes, onWait: () => stall.moved() });
    try {
      await firstToFail(streamed, answered);
      return await answered.catch(lostOn);
    } finally {
      stall.stop();
      over.abort();
    }
  });
}

function resumeHeaders({ bytes, digest }: StreamPlace): Record<string, string | number> {
  return { [PUSH_HEADERS.resumeBytes]: bytes, [PUSH_HEADERS.resumeDigest]: digest };
}

/**
 * A generation that was cut may be older than a rotation: `keys` are all that ever signed here.
 *
 * @throws PushError `bad-ack` unless the note is this generation's checkpoint, cosigned by `replicaVkey`
 */
export function checkCosigned(
  note: string,
  replicaVkey: string,
  keys: readonly NoteVerifier[],
  sealed: SealedGeneration,
): void {
  try {
    const cosigner = parseVkey(replicaVkey);
    const opened = openNote(note, [...keys, cosigner]);
    const { size, root } = parseCheckpoint(opened.text);
    const isBy = (key: NoteVerifier) => opened.signedBy.some(({ keyId }) => keyId === key.keyId);
    if (keys.some(isBy) && isBy(cosigner) && size === sealed.size && root.equals(sealed.root)) return;
  } catch (cause) {
    throw new PushError("conflict", "bad-ack", `the ack cannot be read: ${(cause as Error).message}`, { cause });
  }
  throw new PushError("conflict", "bad-ack", "the ack is not a cosignature of the checkpoint that was sent");
}

/**
 * A refusal can come while the body is still going out, and then the rest of it fails to be written: the refusal is
 * what to tell. Otherwise waits for the whole body.
 */
async function firstToFail(streamed: Promise<void>, answered: Promise<Answer>): Promise<void> {
  const early = answered.then(({ status }) => (status === 200 ? streamed : undefined));
  streamed.catch(() => undefined);
  early.catch(() => undefined);
  try {
    await Promise.race([streamed, early]);
  } catch (error) {
    // The answer may be a moment behind the broken pipe it explains.
    const answer = await Promise.race([answered.catch(() => undefined), afterMs(500)]);
    if (answer) return;
    throw error instanceof PushError ? error : lost(error);
  }
}

/** What the replica says that its own work took (Server-Timing, W3C): the rest is the way there and back. */
function workMs({ headers }: Answer): number {
  return Number(/\bdur=(\d+(?:\.\d+)?)/.exec(String(headers["server-timing"]))?.[1] ?? 0);
}

/** Peers of this protocol version that do not measure say nothing. */
function readArrival({ headers }: Answer): Arrival | undefined {
  const parsed = arrivalHeadersSchema.safeParse(headers);
  if (!parsed.success) return undefined;
  const { bytes, ms, busyMs } = ARRIVAL_HEADERS;
  return { bytes: parsed.data[bytes], ms: parsed.data[ms], busyMs: parsed.data[busyMs] };
}

/** The text of a 200. @throws PushError for any other answer, of the kind that the protocol gives its code */
function readAnswer({ status, text }: Answer): string {
  if (status === 200) return text;
  const problem = problemSchema.safeParse(safeJson(text));
  if (!problem.success) {
    throw new PushError("retryable", "bad-answer", `the replica answered ${status}: ${text.slice(0, 200)}`);
  }
  const { code, detail, hint } = problem.data;
  const kind = REFUSALS[code as RefusalCode]?.retry ? "retryable" : "conflict";
  throw new PushError(kind, code as PushErrorCode, detail, hint === undefined ? {} : { hint });
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Ends a request that moves nothing; a slow one it leaves alone. It does not wait for the request to be destroyed: the far
 * end of a channel that hangs does not close it either. Who made the connection ends it.
 */
class StallWatchdog {
  /** Rejects with a PushError `stalled`. */
  readonly expired: Promise<never>;
  #timer: NodeJS.Timeout | undefined;
  constructor(stallMs: number) {
    this.expired = new Promise((_, reject) => {
      this.#timer = setTimeout(() => reject(stalled(stallMs)), stallMs);
    });
    this.expired.catch(() => undefined);
  }
  moved(): void {
    this.#timer?.refresh();
  }
  stop(): void {
    clearTimeout(this.#timer);
  }
}

function afterMs(delayMs: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), delayMs);
  });
}

function stalled(stallMs: number): PushError {
  return new PushError("retryable", "stalled", `no byte moved for ${stallMs} ms`);
}

function lostOn(cause: unknown): never {
  throw cause instanceof PushError ? cause : lost(cause);
}

function lost(cause: unknown): PushError {
  return new PushError("retryable", "unreachable", `the connection broke: ${(cause as Error).message}`, { cause });
}
