// The operator's socket: seal, orders to single replicas, status, events as they come. Mode 0600, because whoever can open it can make the primary work.
import { chmod } from "node:fs/promises";
import type { FastifyInstance, FastifyReply } from "fastify";
import { z } from "zod";
import { PRIORITIES, type Priority } from "../../shared/format/entry.js";
import { listenOnSocket } from "../../shared/http/listen-on-socket.js";
import { makeServer } from "../../shared/http/make-server.js";
import type { EventFeed } from "../event.js";
import { KEY_STEPS, type KeyOrder } from "../keys/key-steps.js";
import { ControlError } from "./control-error.js";
import { EventStreams } from "./event-streams.js";
import { type ProgressFollower, streamProgress } from "./progress-stream.js";

/** What operators may ask of a running primary. */
export interface ControlParts {
  seal(request: { force: boolean; dryRun: boolean }): Promise<unknown>;
  /** Each @throws ControlError `unknown-replica`, `paused`, `not-delivered` */
  orders: ReplicaOrders;
  /** @throws ControlError */
  fills: SpaceOrders;
  /** @throws ControlError `no-next-key`, `not-trusted` */
  keys: KeyOrders;
  status(): Promise<unknown>;
  /** What a scrape gives, in the text format of Prometheus. */
  metrics(): Promise<string>;
  events: EventFeed;
}

/** Orders to one replica. Those with a follower can be waited for. */
export interface ReplicaOrders {
  resync(request: { replica: string; full: boolean; dryRun: boolean }, follower?: ProgressFollower): Promise<unknown>;
  pause(request: { replica: string; reason: string; dryRun: boolean }): Promise<unknown>;
  resume(request: { replica: string; dryRun: boolean }): Promise<unknown>;
  drain(request: { replica: string; dryRun: boolean }, follower: ProgressFollower): Promise<unknown>;
}

/** Orders to one space. */
export interface SpaceOrders {
  reembed(request: ReembedOrder, follower?: ProgressFollower): Promise<unknown>;
  hold(action: "pause" | "resume" | "cancel", request: { space: string; dryRun: boolean }): Promise<unknown>;
}

export interface ReembedOrder {
  space: string;
  from?: number | string | undefined;
  to?: number | string | undefined;
  priorities?: Priority[] | undefined;
  dryRun: boolean;
}

/** Orders to the keys that sign checkpoints. */
export interface KeyOrders {
  rotate(order: KeyOrder): Promise<unknown>;
}

const flag = z.boolean().default(false);
const sealBody = z.strictObject({ force: flag, dry_run: flag });
const replica = z.string().min(1);
const resyncBody = z.strictObject({ replica, full: flag, dry_run: flag, wait: flag });
const reason = z.string().min(1).max(200).default("paused by an operator");
const pauseBody = z.strictObject({ replica, reason, dry_run: flag });
const resumeBody = z.strictObject({ replica, dry_run: flag });
const drainBody = z.strictObject({
  replica,
  dry_run: flag,
  wait: z.literal(true, "a drain is waited for").default(true),
});

const rotateBody = z.strictObject({ step: z.enum(KEY_STEPS), force: flag, dry_run: flag });

const place = z.union([z.number().int().nonnegative(), z.string().min(1)]);
const reembedBody = z.strictObject({
  space: z.string().min(1),
  from: place.optional(),
  to: place.optional(),
  priorities: z.array(z.enum(PRIORITIES)).min(1).optional(),
  action: z.enum(["start", "pause", "resume", "cancel"]).default("start"),
  dry_run: flag,
  wait: flag,
});

const eventsQuery = z.strictObject({
  after: z
    .union([
      z.literal("now"),
      z
        .string()
        .regex(/^\d{1,16}$/, "must be a sequence number, or now")
        .transform(Number),
    ])
    .optional(),
  follow: z
    .enum(["true", "false"])
    .default("false")
    .transform((text) => text === "true"),
  type: z.string().min(1).optional(),
  element: z.string().min(1).optional(),
});
const STATUS: Record<ControlError["code"], number> = {
  "unknown-replica": 400,
  "bad-request": 400,
  "too-many-watchers": 503,
  paused: 409,
  "not-delivered": 409,
  "unknown-space": 400,
  "level-unavailable": 409,
  "fill-under-way": 409,
  "no-fill": 409,
  "no-room": 507,
  "not-filled": 409,
  "no-next-key": 409,
  "not-trusted": 409,
};

export class ControlServer {
  readonly #app: FastifyInstance = makeServer();
  readonly #parts: ControlParts;
  readonly #streams: EventStreams;
  readonly #ending = new AbortController();

  constructor(parts: ControlParts) {
    this.#parts = parts;
    this.#streams = new EventStreams(parts.events);
  }

  async start(socketPath: string): Promise<void> {
    const app = this.#app;
    app.setErrorHandler((error: Error & { hint?: string; code?: string; statusCode?: number }, _request, reply) => {
      const status = error instanceof ControlError ? STATUS[error.code] : (error.statusCode ?? 500);
      const problem = {
        title: "the primary refused",
        status,
        code: error.code ?? "internal-error",
        detail: error.message,
      };
      return reply
        .code(status)
        .type("application/problem+json")
        .send(error.hint === undefined ? problem : { ...problem, hint: error.hint });
    });
    app.post("/v1/seal", (request) => {
      const { force, dry_run: dryRun } = parse(sealBody, request.body);
      return this.#parts.seal({ force, dryRun });
    });
    this.#addOrders(app);
    this.#addReembed(app);
    app.post("/v1/key/rotate", (request) => {
      const { step, force, dry_run: dryRun } = parse(rotateBody, request.body);
      return this.#parts.keys.rotate({ step, force, dryRun });
    });
    app.get("/v1/status", () => this.#parts.status());
    app.get("/metrics", async (_request, reply) => {
      void reply.type("text/plain; version=0.0.4; charset=utf-8");
      return this.#parts.metrics();
    });
    app.get("/v1/events", (request, reply) => {
      this.#streams.serve(reply.raw, parse(eventsQuery, request.query));
      return reply.hijack();
    });
    await listenOnSocket(app, socketPath);
    await chmod(socketPath, 0o600);
  }

  #addOrders(app: FastifyInstance): void {
    const { orders } = this.#parts;
    app.post("/v1/resync", (request, reply) => {
      const { replica, full, dry_run: dryRun, wait } = parse(resyncBody, request.body);
      const order = { replica, full, dryRun };
      return wait ? this.#follow(reply, (follower) => orders.resync(order, follower)) : orders.resync(order);
    });
    app.post("/v1/pause", (request) => {
      const { replica, reason, dry_run: dryRun } = parse(pauseBody, request.body);
      return orders.pause({ replica, reason, dryRun });
    });
    app.post("/v1/resume", (request) => {
      const { replica, dry_run: dryRun } = parse(resumeBody, request.body);
      return orders.resume({ replica, dryRun });
    });
    app.post("/v1/drain", (request, reply) => {
      const { replica, dry_run: dryRun } = parse(drainBody, request.body);
      const order = { replica, dryRun };
      return this.#follow(reply, (follower) => orders.drain(order, follower));
    });
  }

  #addReembed(app: FastifyInstance): void {
    const { fills } = this.#parts;
    app.post("/v1/reembed", (request, reply) => {
      const { action, wait, dry_run: dryRun, ...which } = parse(reembedBody, request.body);
      if (action !== "start") return fills.hold(action, { space: which.space, dryRun });
      const order = { ...which, dryRun };
      return wait ? this.#follow(reply, (follower) => fills.reembed(order, follower)) : fills.reembed(order);
    });
  }

  #follow(reply: FastifyReply, order: (follower: ProgressFollower) => Promise<unknown>): FastifyReply {
    void streamProgress(reply.raw, this.#ending.signal, order);
    return reply.hijack();
  }

  async stop(): Promise<void> {
    this.#ending.abort(new ControlError("not-delivered", "the primary stops"));
    await this.#streams.stop();
    await this.#app.close();
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, sent: unknown): z.output<Schema> {
  const parsed = schema.safeParse(sent ?? {});
  if (parsed.success) return parsed.data;
  throw new ControlError("bad-request", z.prettifyError(parsed.error));
}
