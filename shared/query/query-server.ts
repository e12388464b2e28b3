// The query endpoints: HTTP over the engine's Unix socket, GET only. Errors are problem documents (RFC 9457).
import { chmod } from "node:fs/promises";
import type { FastifyInstance, FastifyReply } from "fastify";
import { type InheritedSocket, listenOnInherited } from "../http/inherited-socket.js";
import { listenOnSocket } from "../http/listen-on-socket.js";
import { makeServer } from "../http/make-server.js";
import type { Logger } from "../log.js";
import type { QueryEngine } from "./engine.js";
import { QueryError, STATUS_OF } from "./query-error.js";
import { readParameters } from "./read-parameters.js";

/** Owner and group: who may ask is who is in the group. */
const SOCKET_MODE = 0o660;

/** An endpoint each; the engine and the reader of parameters have functions of the same names. */
const QUERIES = ["chain", "timeline", "event", "state", "elements", "similar", "search", "anomalies", "stats"] as const;

/** Where questions are counted, and what a scrape gives. */
export interface QueryMeasures {
  answered(query: string, result: string, seconds: number): void;
  page(): Promise<string>;
}

/** Resolves when the socket listens. @throws StoreError `in-use` when another process answers on it already */
export async function startQueryServer(
  engine: QueryEngine,
  socket: string | InheritedSocket,
  log: Logger,
  measures?: QueryMeasures,
): Promise<FastifyInstance> {
  const server = makeServer({ exposeHeadRoutes: false, forceCloseConnections: true });
  server.addHook("onRequest", async (request, reply) => {
    if (request.method === "GET") return;
    const detail = `${request.method} is not possible: queries only read`;
    await reply
      .header("allow", "GET")
      .status(405)
      .type("application/problem+json")
      .send(problem(405, "bad-method", detail));
  });
  addRoutes(server, engine, measures);
  server.setNotFoundHandler((request, reply) => {
    const hint = `there are ${QUERIES.map((name) => `/v1/${name}`).join(", ")} and /v1/status`;
    return reply
      .status(404)
      .type("application/problem+json")
      .send(problem(404, "unknown-path", `there is no ${request.url.slice(0, 200)}`, hint));
  });
  server.setErrorHandler((error, request, reply) => {
    if (!(error instanceof QueryError)) log.error("query failed", { url: request.url, error });
    return sendError(reply, error);
  });
  if (typeof socket === "string") {
    await listenOnSocket(server, socket);
    await chmod(socket, SOCKET_MODE);
  } else await listenOnInherited(server, socket);
  return server;
}

function addRoutes(server: FastifyInstance, engine: QueryEngine, measures: QueryMeasures | undefined): void {
  for (const name of QUERIES) {
    server.get(`/v1/${name}`, (request) =>
      measured(name, measures, () => {
        const { store, query } = readParameters[name](request.query);
        return (engine[name] as (store: string | undefined, query: unknown) => Promise<object>)(store, query);
      }),
    );
  }
  if (measures) {
    server.get("/metrics", async (_request, reply) => {
      void reply.type("text/plain; version=0.0.4; charset=utf-8");
      return measures.page();
    });
  }
  server.get("/v1/status", (request) => {
    readParameters.status(request.query);
    return engine.status();
  });
}

async function measured(
  name: string,
  measures: QueryMeasures | undefined,
  ask: () => Promise<object>,
): Promise<object> {
  const beganMs = performance.now();
  let result = "ok";
  try {
    return await ask();
  } catch (error) {
    result = error instanceof QueryError ? error.code : "failed";
    throw error;
  } finally {
    measures?.answered(name, result, (performance.now() - beganMs) / 1000);
  }
}

function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  const known = error instanceof QueryError;
  const status = known ? STATUS_OF[error.code] : 500;
  const body = known
    ? { ...problem(status, error.code, error.message, error.hint), ...(error.place ? { place: error.place } : {}) }
    : problem(500, "failed", "the query failed; the log says why");
  return reply.status(status).type("application/problem+json").send(body);
}

function problem(status: number, code: string, detail: string, hint?: string): object {
  return { type: "about:blank", title: code.replaceAll("-", " "), status, code, detail, ...(hint ? { hint } : {}) };
}
