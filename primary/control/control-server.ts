// The operator's socket: seal, resync, status. Mode 0600, because whoever can open it can make the primary work.
import { chmod } from "node:fs/promises";
import Fastify, { type FastifyInstance } from "fastify";
import { z } from "zod";
import { listenOnSocket } from "../../shared/http/listen-on-socket.js";

/** What operators may ask of a running primary. */
export interface ControlParts {
  seal(force: boolean): Promise<unknown>;
  /** @throws ControlError `unknown-replica` */
  resync(request: { replica: string; full: boolean; dryRun: boolean }): Promise<unknown>;
  status(): Promise<unknown>;
}

export class ControlError extends Error {
  readonly code: "unknown-replica" | "bad-request";
  readonly hint: string | undefined;
  constructor(code: ControlError["code"], message: string, hint?: string) {
    super(message);
    this.name = "ControlError";
    this.code = code;
    this.hint = hint;
  }
}

const sealBody = z.strictObject({ force: z.boolean().default(false) });
const resyncBody = z.strictObject({
  replica: z.string().min(1),
  full: z.boolean().default(false),
  dry_run: z.boolean().default(false),
});

export class ControlServer {
  readonly #app: FastifyInstance = Fastify();
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  async start(socketPath: string): Promise<void> {
    const app = this.#app;
    app.setErrorHandler((error: Error & { hint?: string; code?: string; statusCode?: number }, _request, reply) => {
      const status = error instanceof ControlError ? 400 : (error.statusCode ?? 500);
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
    await listenOnSocket(app, socketPath);
    await chmod(socketPath, 0o600);
  }

  async stop(): Promise<void> {
    await this.#app.close();
  }
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  throw new ControlError("bad-request", z.prettifyError(parsed.error));
}
