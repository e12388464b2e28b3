// A listening socket that systemd has made and hands over (sd_listen_fds(3)): its path, owner and mode are the unit's, and
// who asks while the process is away waits in its queue.
import type { FastifyInstance } from "fastify";
import { StoreError } from "../store/store-error.js";

export interface InheritedSocket {
  fd: number;
}

const FIRST_FD = 3;

/**
 * The socket that is meant for this process, if there is one. The variables are taken out of `env`, so that no child takes
 * it for its own.
 *
 * @throws StoreError `invalid` if there are several
 */
export function takeInheritedSocket(env: NodeJS.ProcessEnv, pid = process.pid): InheritedSocket | undefined {
  const { LISTEN_PID, LISTEN_FDS } = env;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return undefined;
  if (LISTEN_FDS === "1") return { fd: FIRST_FD };
  throw new StoreError("invalid", `${LISTEN_FDS} sockets were handed over, and one is meant`, {
    hint: "give the socket unit one ListenStream=",
  });
}

/** @throws StoreError `invalid` if it is no listening Unix socket */
export async function listenOnInherited(app: FastifyInstance, { fd }: InheritedSocket): Promise<void> {
  await app.ready();
  await new Promise<void>((resolve, reject) => {
    app.server.once("error", (cause) => {
      const hint = "give the socket unit one ListenStream= with a path, and no Accept=";
      reject(new StoreError("invalid", `descriptor ${fd} is no listening Unix socket`, { cause, hint }));
    });
    app.server.listen({ fd }, resolve);
  });
}
