// An order that is waited for, as JSON lines over the control socket: `progress` lines while it runs, then one `done` or one
// `problem`. Whoever goes away before that takes the order back.
import type { ServerResponse } from "node:http";
import { joinSignals } from "../../shared/join-signals.js";
import { ControlError } from "./control-error.js";

export type ProgressLine =
  | { progress: unknown }
  | { done: unknown }
  | { problem: { code: string; detail: string; hint?: string } };

export interface ProgressFollower {
  /** Fires when the reader is gone, or the primary stops. */
  signal: AbortSignal;
  tell(progress: unknown): void;
}

/** Runs `order` and writes its lines. Never rejects. */
export async function streamProgress(
  response: ServerResponse,
  ending: AbortSignal,
  order: (follower: ProgressFollower) => Promise<unknown>,
): Promise<void> {
  const left = new AbortController();
  response.on("error", () => undefined);
  response.once("close", () => left.abort(new Error("whoever waited has gone")));
  response.writeHead(200, { "content-type": "application/jsonl", connection: "close" });
  response.flushHeaders();
  const write = (line: ProgressLine) => response.write(`${JSON.stringify(line)}\n`);
  // A reader that hangs gets the next line once it reads again: each tells all there is to tell.
  const tell = (progress: unknown) => {
    if (!response.writableNeedDrain) write({ progress });
  };
  try {
    const signals = [left.signal, ending];
    write({ done: await joinSignals({ signals }, (signal) => order({ signal, tell })) });
  } catch (error) {
    if (!left.signal.aborted) write({ problem: problemOf((ending.reason ?? error) as Error) });
  }
  response.end();
}

function problemOf(error: Error): { code: string; detail: string; hint?: string } {
  const { code, hint } = error instanceof ControlError ? error : { code: "internal-error", hint: undefined };
  return { code, detail: error.message, ...(hint === undefined ? {} : { hint }) };
}
