// `serve-queries`: the query engine as a daemon of its own, without privileges. It reads promoted generations and writes its
// index, and nothing else; it hears of promotions over the feed, and either side may start first, and end at any moment.
import { getPriority, setPriority } from "node:os";
import { type StopStack, startOrStop } from "../cli/stop-stack.js";
import { ConfigError } from "../config/config-error.js";
import { findUser } from "../config/find-user.js";
import { takeInheritedSocket } from "../http/inherited-socket.js";
import type { Logger } from "../log.js";
import { QueryMetrics } from "../metrics/query-metrics.js";
import { readVersion } from "../read-version.js";
import { StoreError } from "../store/store-error.js";
import { QueryEngine } from "./engine.js";
import { FeedFollower, type FollowedFeed } from "./feed/follow-feed.js";
import type { QueryOptions } from "./query-message.js";
import { startQueryServer } from "./query-server.js";

export interface ServeQueriesOptions extends QueryOptions {
  /** Name of the user that it is to run as: `query.user`. */
  user: string | undefined;
  feedPath: string;
  /** Added to the nice value of the process. */
  niceness?: number;
  log: Logger;
}

export interface QueryService {
  /** One line of how it is doing. */
  describe(): string;
  stop(): Promise<void>;
}

/** Resolves when it listens; it may still be catching up then. @throws StoreError, ConfigError */
export function serveQueries(options: ServeQueriesOptions): Promise<QueryService> {
  return startOrStop((stops) => startServing(options, stops));
}

async function startServing(options: ServeQueriesOptions, stops: StopStack): Promise<QueryService> {
  const { root, socketPath, indexProcesses, daemon, feedPath, niceness = 0, log } = options;
  await requireUser(options);
  // Before any child is: they have it from here.
  if (niceness !== 0) setPriority(Math.min(19, getPriority() + niceness));
  const engine: QueryEngine = new QueryEngine({ root, indexProcesses, log, feed: () => follower.state() });
  const follower = new FeedFollower({ socketPath: feedPath, engine, version: readVersion(), log });
  stops.add(() => engine.stop());
  const measures = new QueryMetrics(daemon, () => engine.status());
  const socket = takeInheritedSocket(process.env) ?? socketPath;
  const server = await startQueryServer(engine, socket, log, measures).catch((error) => refuseBind(error, socketPath));
  stops.add(() => server.close());
  const catchingUp = engine.start().catch((error: unknown) => {
    // The daemon has not opened the root to this user yet, or the volume is not mounted. The feed brings it up again.
    log.warn("the stores cannot be read yet", { root, error });
  });
  stops.add(() => follower.stop());
  follower.start();
  log.info("serving queries", { root, query: typeof socket === "string" ? socket : "inherited", user: options.user });
  return {
    describe: () => describe(follower.state()),
    async stop() {
      await stops.stop();
      await catchingUp;
      log.info("stopped", { root });
    },
  };
}

function describe({ connected, problem }: FollowedFeed): string {
  return connected
    ? "answers queries, and hears of promotions"
    : `answers queries from what it found; not connected to the daemon: ${problem}`;
}

/** The index is this user's: another one could not write to it, and root would leave files that the user can't. */
async function requireUser({ user, daemon }: ServeQueriesOptions): Promise<void> {
  const bin = `isochron-${daemon}`;
  if (user === undefined) {
    throw new ConfigError("bad-option", `query.user is not set, so \`${bin} serve\` answers queries itself`, {
      hint: "set query.user in the configuration, restart the daemon, then start this",
    });
  }
  const { uid } = await findUser("query.user", user);
  if (process.geteuid?.() === uid) return;
  throw new ConfigError("bad-option", `query.user is ${user}, and this runs as user ${process.geteuid?.()}`, {
    hint: `User=${user} in the unit; by hand: setpriv --reuid ${user} --regid ${user} --init-groups ${bin} serve-queries`,
  });
}

function refuseBind(cause: NodeJS.ErrnoException, socketPath: string): never {
  if (cause.code !== "EACCES" && cause.code !== "EPERM") throw cause;
  throw new StoreError("unreadable", `${socketPath} cannot be made by this user`, {
    cause,
    hint: "have systemd make it (the .socket unit), or give `run_dir` to the user's group: chgrp, chmod 1775",
  });
}
