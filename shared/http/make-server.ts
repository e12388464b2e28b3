// An HTTP server for a Unix socket. Requests are checked where they are read and answers are plain JSON, so the compilers of JSON
// schemas that Fastify would bring are never loaded: a third of what it costs to start.
import Fastify, { type FastifyInstance, type FastifyServerOptions } from "fastify";

export function makeServer(options: FastifyServerOptions = {}): FastifyInstance {
  const compilersFactory = { buildValidator: () => refuse, buildSerializer: () => refuse };
  return Fastify({ ...options, schemaController: { compilersFactory } });
}

/** Called when a route with a schema is added. */
function refuse(): never {
  throw new Error("there is no compiler for the schema of a route");
}
