// The operator's socket: seal, resync, status, events as they come. Mode 0600, because whoever can open it can make the primary work.
import { chmod } from "node:fs/promises";
import Fastify, { type FastifyInstance } from "fastify";
import { z } from "zod";
import { listenOnSocket } from "../../shared/http/listen-on-socket.js";
import type { EventFeed } from "../event.js";
import { ControlError } from "./control-error.js";
import { EventStreams } from "./event-streams.js";

/** What operators may ask of a running primary. */
export interface ControlParts {
  seal(force: boolean): Promise<unknown>;
  /** @throws ControlError `unknown-replica` */
  resync(request: { replica: string; full: boolean; dryRun: boolean }): Promise<unknown>;
  status(): Promise<unknown>;
  events: EventFeed;
}

const sealBody = z.strictObject({ force: z.boolean().default(false) });
const resyncBody = z.strictObject({
  replica: z.string().min(1),
  full: z.boolean().default(false),
  dry_run: z.boolean().default(false),
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
};

export class ControlServer {
  readonly #app: FastifyInstance = Fastify();
  readonly #parts: ControlParts;
  readonly #streams: EventStreams;

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
    app.post("/v1/seal", (request) => this.#parts.seal(parse(sealBody, request.body).force));
    app.post("/v1/resync", (request) => {
      const { replica, full, dry_run: dryRun } = parse(resyncBody, request.body);
      return this.#parts.resync({ replica, full, dryRun });
    });
    app.get("/v1/status", () => this.#parts.status());
    app.get("/v1/events", (request, reply) => {
      this.#streams.serve(reply.raw, parse(eventsQuery, request.query));
      return reply.hijack();
    });
    await listenOnSocket(app, socketPath);
    await chmod(socketPath, 0o600);
  }

  async stop(): Promise<void> {
    await this.#streams.stop();
    await this.#app.close();
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, sent: unknown): z.output<Schema> {
  const parsed = schema.safeParse(sent ?? {});
  if (parsed.success) return parsed.data;
  throw new ControlError("bad-request", z.prettifyError(parsed.error));
}
