// A query process that dies while none can be forked, in a process of its own: fail-fork.c is loaded before it. Given a root, it
// logs on standard output, and ends when queries are answered again.
import { EventEmitter, once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createLogger } from "../../shared/log.js";
import { startQueryChild } from "./query-child.js";

/** Ends of processes before there is memory again: the one that is killed, and two that never began. */
const ENDS = 3;

const [root = "", failFork = ""] = process.argv.slice(2);
let ends = 0;
const said = new EventEmitter();
const log = createLogger("info", (line) => {
  if (line.includes("query process ended, starting another")) ends += 1;
  if (line.includes("queries are answered")) said.emit("answered");
  return process.stdout.write(line);
});
const socketPath = join(root, "query.sock");
const queries = await startQueryChild({ root, socketPath, indexProcesses: 1, daemon: "replica", log });
await writeFile(failFork, "");
const answered = once(said, "answered");
const children = await readFile(`/proc/self/task/${process.pid}/children`, "utf8");
for (const pid of children.split(" ").filter((id) => id !== "")) process.kill(Number(pid), "SIGKILL");
while (ends < ENDS) await sleep(20);
await rm(failFork);
await answered;
await queries.stop();
