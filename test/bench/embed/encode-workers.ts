// Worker processes of the `embed` bench, which all do the same at the same time.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { EncodeReply, EncodeTask, EncodeWay } from "./encode-protocol.js";

const WORKER_FILE = fileURLToPath(new URL("./encode-worker.js", import.meta.url));

export interface EncodeRun {
  /** All workers' together. */
  textsPerSecond: number;
  /** What one processor does in a second that it has for itself. */
  textsPerProcessorSecond: number;
  /** Of the largest worker. */
  memoryMib: number;
}

export class EncodeWorkers {
  readonly #children: readonly ChildProcess[];
  readonly #texts: number;

  private constructor(children: readonly ChildProcess[], texts: number) {
    this.#children = children;
    this.#texts = texts;
  }

  static async start(count: number, task: EncodeTask): Promise<EncodeWorkers> {
    const children = Array.from({ length: count }, () => fork(WORKER_FILE, [JSON.stringify(task)], { execArgv: [] }));
    await Promise.all(children.map(answerOf));
    return new EncodeWorkers(children, task.texts.length);
  }

  /** Each encodes all texts once. */
  async run(way: EncodeWay): Promise<EncodeRun> {
    const answers = this.#children.map(answerOf);
    for (const child of this.#children) child.send(way);
    const runs = (await Promise.all(answers)).filter((answer) => answer !== "ready");
    const texts = this.#texts * runs.length;
    return {
      textsPerSecond: texts / Math.max(...runs.map(({ seconds }) => seconds)),
      textsPerProcessorSecond: texts / runs.reduce((sum, { processorSeconds }) => sum + processorSeconds, 0),
      memoryMib: Math.max(...runs.map(({ memoryMib }) => memoryMib)),
    };
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, "exit");
      child.disconnect();
      await gone;
    }
  }
}

async function answerOf(child: ChildProcess): Promise<EncodeReply> {
  const ended = new AbortController();
  const onExit = () => ended.abort(new Error("a worker of the bench ended"));
  child.once("exit", onExit);
  try {
    const [reply] = await once(child, "message", { signal: ended.signal });
    return reply as EncodeReply;
  } finally {
    child.off("exit", onExit);
  }
}
