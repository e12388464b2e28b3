// Binds a server to a Unix socket. A socket file whose owner is gone is replaced; one that somebody answers on is not.
import { mkdir, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { FastifyInstance } from "fastify";
import { StoreError } from "../store/store-error.js";

/** @throws StoreError `in-use` if a process answers on the socket */
export async function listenOnSocket(app: FastifyInstance, path: string): Promise<void> {
  await clearSocket(path);
  await app.listen({ path });
}

/** Makes way for a socket at `path`. @throws StoreError `in-use` */
export async function clearSocket(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  if (await answers(path)) {
    throw new StoreError("in-use", `another process answers on ${path}`, {
      hint: "stop it first, or give this one a root of its own",
    });
  }
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
