// The query process: forked by a daemon, it holds the engine and its socket, and ends with the daemon. The only place
// where both are made.
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import type { Logger, LogLevel } from "../log.js";
import { QueryMetrics } from "../metrics/query-metrics.js";
import { StoreError } from "../store/store-error.js";
import { QueryEngine } from "./engine.js";
import type { FromQueryProcess, QueryOptions, ToQueryProcess } from "./query-message.js";
import { startQueryServer } from "./query-server.js";
import { takeNews } from "./take-news.js";

const FREE_WITHIN_MS = 20_000;
const FREE_POLL_MS = 50;

let running: { engine: QueryEngine; server: FastifyInstance } | undefined;

// The daemon decides when this process ends; a signal to the whole group is the daemon's to handle.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
// A daemon that was killed may be started again at once, and wants the socket: nothing here is worth its waiting.
process.on("disconnect", () => process.exit(0));
process.on("message", (message: ToQueryProcess) => void receive(message));

async function receive(message: ToQueryProcess): Promise<void> {
  switch (message.op) {
    case "start":
      return start(message);
    case "stop":
      return stop();
    default:
      if (running) return takeNews(running.engine, message, send);
  }
}

async function start({ root, socketPath, indexProcesses, daemon }: QueryOptions): Promise<void> {
  const log = logToDaemon();
  try {
    const engine = new QueryEngine({ root, indexProcesses, log });
    const measures = new QueryMetrics(daemon, () => engine.status());
    // Listens first: a catch-up can take minutes, and whoever asks meanwhile is told so.
    running = { engine, server: await listenOnceFree(() => startQueryServer(engine, socketPath, log, measures)) };
    send({ op: "listens" });
    await engine.start();
    send({ op: "caught-up" });
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    send({ op: "failed", message, hint });
  }
}

/** The query process of a daemon that was killed answers for another moment. */
async function listenOnceFree(listen: () => Promise<FastifyInstance>): Promise<FastifyInstance> {
  const deadlineMs = performance.now() + FREE_WITHIN_MS;
  for (;;) {
    try {
      return await listen();
    } catch (error) {
      const inUse = error instanceof StoreError && error.code === "in-use";
      if (!inUse || performance.now() > deadlineMs) throw error;
    }
    await sleep(FREE_POLL_MS);
  }
}

async function stop(): Promise<void> {
  try {
    await running?.server.close();
    await running?.engine.stop();
  } finally {
    process.exit(0);
  }
}

function send(message: FromQueryProcess): void {
  if (process.connected) process.send?.(message);
}

function logToDaemon(): Logger {
  const record =
    (level: LogLevel): Logger["info"] =>
    (message, fields = {}) =>
      send({ op: "log", level, message, fields });
  return { debug: record("debug"), info: record("info"), warn: record("warn"), error: record("error") };
}
