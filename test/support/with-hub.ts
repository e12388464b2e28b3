// A server of models on loopback: files by path, and a handler for what a server may do wrong. Every request is noted.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Files } from "./model-files.js";

export interface Hub {
  origin: string;
  /** `GET /path`, in order. */
  requests: string[];
}

/** Answers a request itself and says so with `true`. */
export type HubHandler = (path: string, response: ServerResponse, request: IncomingMessage) => boolean;

export async function withHub<T>(files: Files, handler: HubHandler, body: (hub: Hub) => Promise<T>): Promise<T> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname);
    requests.push(`${request.method} ${path}`);
    if (handler(path, response, request)) return;
    const content = files[path.slice(1)];
    if (content === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-length": Buffer.byteLength(content) }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await body({ origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** `files` as they lie below a repository's revision. */
export function repository(files: Files, revision = "main", name = "acme/mini"): Files {
  return Object.fromEntries(
    Object.entries(files).map(([path, content]) => [`${name}/resolve/${revision}/${path}`, content]),
  );
}

export const servesAsItIs: HubHandler = () => false;
