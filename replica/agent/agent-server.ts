// The agent's face towards primaries: plain HTTP on a Unix socket that only the forced command's user can open. Every
// answer that is no success is an RFC 9457 problem with a code of the protocol's list.
import { chmod } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { NoteSigner } from "../../shared/format/signed-note.js";
import { listenOnSocket } from "../../shared/http/listen-on-socket.js";
import { makeServer } from "../../shared/http/make-server.js";
import type { Logger } from "../../shared/log.js";
import {
  type HelloAnswer,
  helloSchema,
  MAX_PROBE_BYTES,
  PROBE_TYPE,
  PROTOCOL_VERSION,
  PUSH_HEADERS,
  REFUSALS,
  STREAM_TYPE,
} from "../../shared/protocol/protocol.js";
import { btrfsVersions } from "../../shared/store/btrfs.js";
import type { ReplicaIdentity } from "../../shared/store/identity.js";
import { zstdIsThere } from "../../shared/zstd.js";
import { ReceiveError } from "../receive/receive-error.js";
import type { ReplicaRoom } from "../receive/require-room.js";
import type { StoreReplica } from "../replicate.js";
import { ArrivalMeter } from "./measure-arrival.js";

/** What the server needs of the rest: the stores, and who this is. */
export interface AgentParts {
  room: ReplicaRoom;
  replica: Pick<ReplicaIdentity, "uuid" | "name">;
  /** The cosigning key on disk now. */
  readSigner(): Promise<NoteSigner>;
  /** The store if it is known, `undefined` for a new one of a trusted origin. @throws ReceiveError for any other */
  find(storeUuid: string, origin: string): Promise<StoreReplica | undefined>;
  /** The store, made now if it is new. @throws ReceiveError */
  open(storeUuid: string): Promise<StoreReplica>;
  /** vkeys of the origin whose checkpoints are accepted. */
  trusts(origin: string): Promise<string[]>;
  /** Remembers what a primary said of itself; only of stores that are held here. Nothing vouches for it. */
  heard(storeUuid: string, head: { size: number; generation: number; atMs: number }): void;
  /** Asks for a resync at the next hello. @throws ReceiveError `foreign-store` for a store that is not here */
  want(storeUuid: string | undefined, what: "push" | "full"): string[];
  status(): unknown;
  log: Logger;
}

const pushParams = z.object({ store: z.uuid(), generation: z.coerce.number().int().positive() });
const pushHeaders = z.object({
  [PUSH_HEADERS.base]: z.coerce.number().int().positive().optional(),
  [PUSH_HEADERS.ledgerSize]: z.coerce.number().int().nonnegative(),
  [PUSH_HEADERS.resumeBytes]: z.coerce.number().int().positive().optional(),
  [PUSH_HEADERS.resumeDigest]: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  "content-type": z.literal(STREAM_TYPE),
  "content-encoding": z.enum(["identity", "zstd"]).default("identity"),
});
/** What the parser of STREAM_TYPE and PROBE_TYPE hands on. A request without a body, or with another one, has none. */
const pushBody = z.instanceof(Readable);
const resyncBody = z.object({ store: z.uuid().optional(), full: z.boolean().default(false) });

/** How often a primary hears (102, RFC 2518) that its push is worked on: well within any `push.stall_seconds`. */
const AT_WORK_MS = 500;

export class AgentServer {
  readonly #parts: AgentParts;
  readonly #app: FastifyInstance;
  #versions: { kernel: string; progs: string } | undefined;
  #encodings: string[] = [];

  constructor(parts: AgentParts) {
    this.#parts = parts;
    // A push may take hours and pause for as long as the stall watchdog lets it: no deadline of the server's own.
    // A stop does not wait for one either: what has arrived is swept.
    const unlimited = { requestTimeout: 0, connectionTimeout: 0, keepAliveTimeout: 0 };
    this.#app = makeServer({ ...unlimited, forceCloseConnections: true, bodyLimit: 1024 * 1024 });
  }

  async start(socketPath: string): Promise<void> {
    this.#versions = await btrfsVersions();
    this.#encodings = (await zstdIsThere()) ? ["zstd"] : [];
    const app = this.#app;
    app.addContentTypeParser([STREAM_TYPE, PROBE_TYPE], (_request, payload, done) => done(null, payload));
    app.setErrorHandler((error, _request, reply) => this.#refuse(error as Error, reply));
    app.setNotFoundHandler((request, reply) => {
      const message = `there is no ${request.method} ${request.url} in protocol ${PROTOCOL_VERSION}`;
      return this.#refuse(new ReceiveError("bad-request", message), reply);
    });
    app.post("/v1/hello", (request, reply) => this.#hello(request, reply));
    app.put("/v1/stores/:store/generations/:generation", (request, reply) => this.#push(request, reply));
    app.post("/v1/probe", (request, reply) => this.#probe(request, reply));
    app.post("/v1/resync", (request) => this.#resync(request));
    app.get("/v1/status", () => this.#parts.status());
    await listenOnSocket(app, socketPath);
    await chmod(socketPath, 0o660);
  }

  async stop(): Promise<void> {
    await this.#app.close();
  }

  async #hello(request: FastifyRequest, reply: FastifyReply): Promise<HelloAnswer> {
    const beganMs = performance.now();
    const hello = parse(helloSchema, request.body, "hello");
    if (hello.protocol !== PROTOCOL_VERSION) {
      const message = `this replica speaks protocol ${PROTOCOL_VERSION}, the primary ${hello.protocol}`;
      throw new ReceiveError("protocol-mismatch", message, { hint: "upgrade the older of the two" });
    }
    const store = await this.#parts.find(hello.store, hello.origin);
    const signer = await this.#parts.readSigner();
    store?.takeSigner();
    // Before what it holds is asked for: a damaged store has been in touch too.
    store?.heard({ size: hello.size, generation: hello.generation });
    const held = (await store?.held()) ?? null;
    // Whoever can log in can say hello for any number of stores that are not here: those are not remembered.
    if (held) this.#tellHeard(hello.store, store);
    const room = await this.#parts.room.describe();
    const trusts = await this.#parts.trusts(hello.origin);
    const { uuid, name } = this.#parts.replica;
    // So that the primary can tell the way from the work.
    void reply.header("server-timing", `hello;dur=${(performance.now() - beganMs).toFixed(1)}`);
    return {
      protocol: PROTOCOL_VERSION,
      replica: { uuid, name, vkey: signer.vkey },
      holds: held && { generation: held.generation, size: held.size, head: held.head, ...held.uuids },
      ...(store?.partial ? { partial: store.partial } : {}),
      ...(store?.workingOn ? { working_on: store.workingOn } : {}),
      wants: store?.wants ?? "nothing",
      trusts,
      free_bytes: room.free_bytes,
      room,
      load: loadavg()[0] ?? 0,
      cpus: availableParallelism(),
      versions: this.#versions as { kernel: string; progs: string },
      encodings: this.#encodings,
      probes: true,
    };
  }

  async #push(request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const { store: storeUuid, generation } = parse(pushParams, request.params, "path");
    const headers = parse(pushHeaders, request.headers, "header");
    const stream = parse(pushBody, request.body, "body");
    const meter = new ArrivalMeter(stream);
    const store = await this.#parts.open(storeUuid);
    store.heardInPush({ size: headers[PUSH_HEADERS.ledgerSize], generation });
    const atWork = setInterval(() => reply.raw.writeProcessing(), AT_WORK_MS);
    const { [PUSH_HEADERS.resumeBytes]: bytes, [PUSH_HEADERS.resumeDigest]: digest } = headers;
    const resume = bytes === undefined || digest === undefined ? undefined : { bytes, digest };
    const push = {
      generation,
      base: headers[PUSH_HEADERS.base],
      encoding: headers["content-encoding"],
      resume,
      stream,
    };
    const note = await store.accept(push).finally(() => clearInterval(atWork));
    this.#tellHeard(storeUuid, store);
    void reply.type("text/plain; charset=utf-8").headers(meter.headers);
    return note;
  }

  /** As it was said, and when: at the begin of a push, which may have taken hours, or in a hello meanwhile. */
  #tellHeard(storeUuid: string, store: StoreReplica | undefined): void {
    if (store?.told) this.#parts.heard(storeUuid, store.told);
  }

  /** Throws a body away, and tells how long it took to arrive. */
  async #probe(request: FastifyRequest, reply: FastifyReply): Promise<object> {
    const stream = parse(pushBody, request.body, "body");
    const meter = new ArrivalMeter(stream);
    await throwAway(stream, meter);
    void reply.headers(meter.headers);
    return {};
  }

  async #resync(request: FastifyRequest): Promise<{ asked: string[] }> {
    const { store, full } = parse(resyncBody, request.body ?? {}, "body");
    return { asked: this.#parts.want(store, full ? "full" : "push") };
  }

  #refuse(error: Error, reply: FastifyReply): FastifyReply {
    const refusal = asRefusal(error);
    const { status } = REFUSALS[refusal.code];
    this.#parts.log[status >= 500 ? "error" : "warn"]("refused", { code: refusal.code, error: refusal });
    const hint = refusal.hint === undefined ? {} : { hint: refusal.hint };
    const problem = { title: "refused by the replica", status, detail: refusal.message, code: refusal.code, ...hint };
    // What is left of a refused push is not read, and the connection is left to the sender to close: closed from here, its
    // next write breaks the pipe, and the reason is lost with it.
    return reply.code(status).type("application/problem+json").send(problem);
  }
}

async function throwAway(stream: Readable, meter: ArrivalMeter): Promise<void> {
  const tooLarge = new ReceiveError("bad-request", `a probe is at most ${MAX_PROBE_BYTES} bytes`);
  const nowhere = new Writable({
    write: (_chunk, _encoding, done) => done(meter.bytes > MAX_PROBE_BYTES ? tooLarge : null),
  });
  await pipeline(stream, nowhere).catch((cause: Error) => {
    throw cause === tooLarge
      ? cause
      : new ReceiveError("bad-stream", `the probe broke off: ${cause.message}`, { cause });
  });
}

function asRefusal(error: Error): ReceiveError {
  if (error instanceof ReceiveError) return error;
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  return new ReceiveError(status < 500 ? "bad-request" : "internal-error", error.message, { cause: error });
}

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ReceiveError("bad-request", `the ${what} is not of the protocol: ${z.prettifyError(parsed.error)}`);
}
