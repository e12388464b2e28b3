// Waits for an order with its progress shown: one line that is drawn over on a terminal, a line now and then elsewhere. At
// Ctrl-C the connection is closed: the primary takes the order back, if it is one that lives by being waited for.
import { AskError } from "../../shared/cli/ask-socket.js";
import type { GlobalArguments } from "../../shared/cli/run-commands.js";
import { visible } from "../../shared/cli/visible.js";
import { formatSize } from "../../shared/config/parse-size.js";
import { loadPrimaryConfig, primarySockets } from "../config.js";
import type { ProgressLine } from "../control/progress-stream.js";
import type { OrderProgress } from "../order-links.js";
import { streamLines } from "./stream-lines.js";

/** Exit code of a command that Ctrl-C ended (128 + SIGINT). */
const INTERRUPTED = 130;
const LINE_EVERY_MS = 5000;

/** How an order is shown. */
export interface ShownOrder<Progress> {
  format: (progress: Progress) => string;
  /** Said when Ctrl-C ended the waiting. */
  left: string;
}

const LINK_ORDER: ShownOrder<OrderProgress> = { format: formatProgress, left: "taken back" };

/** An order to a replica that ran to its end; `undefined` once Ctrl-C has ended it. @throws AskError */
export function followOrder<Answer>(args: GlobalArguments, path: string, body: object): Promise<Answer | undefined> {
  return followShown<Answer, OrderProgress>(args, path, body, LINK_ORDER);
}

/** The answer of an order that ran to its end; `undefined` once Ctrl-C has ended the waiting. @throws AskError */
export async function followShown<Answer, Progress>(
  args: GlobalArguments,
  path: string,
  body: object,
  { format, left }: ShownOrder<Progress>,
): Promise<Answer | undefined> {
  const { config } = await loadPrimaryConfig(args);
  const ending = new AbortController();
  const end = () => ending.abort();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  const drawn = drawer();
  let answer: Answer | undefined;
  await streamLines<ProgressLine>({
    socketPath: primarySockets(config).control,
    path,
    body: { ...body, wait: true },
    signal: ending.signal,
    startedBy: `isochron-primary serve --root ${config.root}`,
    onLine: (line) => {
      if ("progress" in line) drawn.show(format(line.progress as Progress));
      else if ("problem" in line) throw refusedBy(line.problem);
      else answer = line.done as Answer;
    },
  }).finally(() => drawn.end());
  process.removeListener("SIGINT", end);
  process.removeListener("SIGTERM", end);
  if (ending.signal.aborted) {
    process.stderr.write(`${left}\n`);
    process.exitCode = INTERRUPTED;
    return undefined;
  }
  if (answer === undefined) throw new AskError("broken-off", "the primary stopped before the end of the order");
  return answer;
}

export function formatProgress({ replica, health, reason, pushing }: OrderProgress): string {
  if (!pushing) return `${replica}: ${health}, ${reason}`;
  const { kind, generation, bytes, total_bytes: total, bytes_per_second: rate, seconds_left: left } = pushing;
  const of = total === null ? "" : ` of ${rounded(total)}`;
  const time = left === null ? "" : `, ${formatSeconds(left)} left`;
  return `${replica}: ${kind} of generation ${generation}, ${rounded(bytes)}${of} at ${rounded(rate)}/s${time}`;
}

/** To three digits or so: `1.4MiB`. */
export function rounded(bytes: number): string {
  for (const unit of ["GiB", "MiB", "KiB"] as const) {
    const scale = { GiB: 2 ** 30, MiB: 2 ** 20, KiB: 2 ** 10 }[unit];
    if (bytes >= scale) return `${(bytes / scale).toFixed(bytes / scale < 10 ? 1 : 0)}${unit}`;
  }
  return `${formatSize(bytes)}B`;
}

export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

function drawer(): { show(text: string): void; end(): void } {
  const output = process.stderr;
  let shownMs = 0;
  let isDrawn = false;
  return {
    show(text) {
      const line = visible(text).slice(0, Math.max(20, (output.columns ?? 80) - 1));
      if (output.isTTY) output.write(`\r\x1b[K${line}`);
      else if (Date.now() - shownMs < LINE_EVERY_MS) return;
      else output.write(`${line}\n`);
      shownMs = Date.now();
      isDrawn = output.isTTY;
    },
    end() {
      if (isDrawn) output.write("\r\x1b[K");
    },
  };
}

function refusedBy({ detail, hint }: { detail: string; hint?: string }): AskError {
  return new AskError("refused", detail, hint === undefined ? {} : { hint });
}
