// `status --watch`: asks a daemon again and again and shows the answer, drawn over on a terminal, a block each time on a
// pipe, until Ctrl-C, SIGTERM or a reader that went away. A daemon that is away is said and waited for.
import { setTimeout as sleep } from "node:timers/promises";
import type { WriteStream } from "node:tty";
import type { Argv } from "yargs";
import { wholeSeconds } from "../format/timestamp.js";
import { joinSignals } from "../join-signals.js";
import { AskError } from "./ask-socket.js";
import { TerminalScreen } from "./terminal-screen.js";
import { visible } from "./visible.js";

export interface StatusView<Status> {
  ask(signal: AbortSignal): Promise<Status>;
  format(status: Status): string;
}

/** A daemon that is stopped, or stuck, is said to be so. */
const ANSWER_WITHIN_MS = 10_000;
const DEFAULT_SECONDS = 2;

/** Adds the options that `status` has on both sides. */
export function statusOptions<T>(yargs: Argv<T>) {
  return yargs
    .option("json", { type: "boolean", default: false, describe: "Print everything as JSON" })
    .option("watch", {
      type: "string",
      describe: "Show it again every so many seconds (2), until Ctrl-C",
      coerce: parseSeconds,
    });
}

/** Once, or with `watchSeconds` until it is ended. @throws AskError */
export async function showStatus<Status>(
  view: StatusView<Status>,
  { json, watch }: { json: boolean; watch: number | undefined },
): Promise<void> {
  const shown: StatusView<Status> = json ? { ...view, format: (status) => JSON.stringify(status) } : view;
  if (watch !== undefined) return watchStatus(shown, watch * 1000, json ? undefined : process.stdout);
  const status = await shown.ask(AbortSignal.timeout(60_000));
  process.stdout.write(`${shown.format(status)}\n`);
}

async function watchStatus<Status>(
  view: StatusView<Status>,
  everyMs: number,
  output: WriteStream | undefined,
): Promise<void> {
  const ending = endedByOperator();
  const pane = output?.isTTY && process.env.TERM !== "dumb" ? drawnPane(output, everyMs) : writtenPane(output);
  pane.begin();
  try {
    while (!ending.signal.aborted) {
      const seen = await ask(view, ending.signal);
      if (ending.signal.aborted) break;
      pane.show(seen, view);
      await sleep(everyMs, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  } finally {
    pane.end();
  }
}

/** What was answered, or why nothing was. */
type Seen<Status> = { status: Status } | { trouble: string };

/** @throws AskError for what does not pass by itself */
async function ask<Status>(view: StatusView<Status>, ending: AbortSignal): Promise<Seen<Status>> {
  return joinSignals({ signals: [ending], withinMs: ANSWER_WITHIN_MS }, async (limit) => {
    try {
      return { status: await view.ask(limit) };
    } catch (error) {
      if (limit.aborted) return { trouble: `no answer within ${ANSWER_WITHIN_MS / 1000} s` };
      const passes = error instanceof AskError && (error.code === "nobody-listens" || error.code === "broken-off");
      if (!passes) throw error;
      return { trouble: error.message };
    }
  });
}

interface Pane<Status> {
  begin(): void;
  show(seen: Seen<Status>, view: StatusView<Status>): void;
  end(): void;
}

/** On a terminal: what was answered last stays below the word that the daemon is away. */
function drawnPane<Status>(output: WriteStream, everyMs: number): Pane<Status> {
  const screen = new TerminalScreen(output);
  let last: { status: Status; at: string } | undefined;
  let redraw: () => void = () => undefined;
  const onResize = () => redraw();
  return {
    begin() {
      screen.enter();
      output.on("resize", onResize);
    },
    show(seen, view) {
      if ("status" in seen) last = { status: seen.status, at: now() };
      redraw = () => {
        const head = [`${now()}  every ${everyMs / 1000} s; Ctrl-C ends`];
        if ("trouble" in seen) head.push(visible(awayLine(seen.trouble, last?.at)));
        // Formatted anew, because tables are as wide as the terminal is now.
        screen.draw([...head, "", ...(last ? view.format(last.status).split("\n") : [])]);
      };
      redraw();
    },
    end() {
      output.off("resize", onResize);
      screen.leave();
    },
  };
}

/** On a pipe: a block with its time, or a line of JSON; that the daemon is away is said once. */
function writtenPane<Status>(output: WriteStream | undefined): Pane<Status> {
  let away: string | undefined;
  return {
    begin: () => undefined,
    show(seen, view) {
      if ("status" in seen) {
        away = undefined;
        const text = view.format(seen.status);
        process.stdout.write(output ? `${now()}\n${text}\n\n` : `${text}\n`);
      } else if (seen.trouble !== away) {
        away = seen.trouble;
        process.stderr.write(`${now()}  ${visible(awayLine(seen.trouble, undefined))}\n`);
      }
    },
    end: () => undefined,
  };
}

function awayLine(trouble: string, lastAt: string | undefined): string {
  return `${trouble}; trying again${lastAt === undefined ? "" : `. Below is what was so at ${lastAt}`}`;
}

function now(): string {
  return wholeSeconds(new Date().toISOString());
}

/** Fires at Ctrl-C, at SIGTERM, when the terminal goes away, and when whoever reads our output is gone. */
function endedByOperator(): AbortController {
  const ending = new AbortController();
  const end = () => ending.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
  process.stdout.once("error", end);
  return ending;
}

function parseSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = text === "" ? DEFAULT_SECONDS : Number(text);
  if (seconds >= 0.1 && seconds <= 3600) return seconds;
  throw new Error(`--watch is ${JSON.stringify(text)}; write seconds from 0.1 to 3600, or nothing for 2`);
}
