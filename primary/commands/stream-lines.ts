// Reads JSON lines that a running primary sends for as long as either side wants. A slow caller slows the reading down; of
// events the primary then drops some, and says so.
import { type IncomingMessage, request } from "node:http";
import { AskError } from "../../shared/cli/ask-socket.js";
import type { JsonValue } from "../../shared/format/canonical-json.js";
import type { Entry } from "../../shared/format/entry.js";
import { LineSplitter, TOO_LONG } from "../sources/lines/split-lines.js";

export type StreamedEvent = Entry & { hash: string; state_snapshot: JsonValue };
export type StreamedLine = StreamedEvent | { lost: { first_seq: number; last_seq: number; events: number } };

export interface StreamOptions<Line> {
  socketPath: string;
  /** With its parameters. */
  path: string;
  /** Sent as JSON, by POST. */
  body?: object;
  signal: AbortSignal;
  startedBy: string;
  onLine: (line: Line, text: string) => Promise<void> | void;
}

type Target = Pick<StreamOptions<unknown>, "socketPath" | "path" | "body" | "startedBy">;

/** The largest line that a primary can be configured to keep, and its frame. */
const MAX_LINE_BYTES = 40 * 1024 * 1024;

/** Resolves when the primary ends the stream, or `signal` fires. @throws AskError */
export async function streamLines<Line>(options: StreamOptions<Line>): Promise<void> {
  const { signal, onLine, socketPath } = options;
  try {
    const response = await ask(options);
    if (response.statusCode !== 200) throw await refusal(response);
    const splitter = new LineSplitter(MAX_LINE_BYTES);
    for await (const chunk of response as AsyncIterable<Buffer>) {
      for (const bytes of splitter.push(chunk)) {
        if (bytes === TOO_LONG) throw new AskError("not-understood", `${socketPath} sent a line that is too long`);
        const text = bytes.toString("utf8");
        await onLine(JSON.parse(text) as Line, text);
      }
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof AskError) throw error;
    throw brokenOff(error as NodeJS.ErrnoException, options);
  }
}

function ask({ socketPath, path, body, signal }: Target & { signal: AbortSignal }): Promise<IncomingMessage> {
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const method = sent === undefined ? "GET" : "POST";
  const headers = sent === undefined ? {} : { "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, signal, method, headers, agent: false }, resolve);
    asked.on("error", reject);
    asked.end(sent);
  });
}

async function refusal(response: IncomingMessage): Promise<AskError> {
  const parts: Buffer[] = [];
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
  const { detail, hint } = JSON.parse(Buffer.concat(parts).toString("utf8")) as { detail: string; hint?: string };
  return new AskError("refused", detail, hint === undefined ? {} : { hint });
}

function brokenOff(cause: NodeJS.ErrnoException, { socketPath, startedBy }: Target): AskError {
  if (cause.code === "ENOENT" || cause.code === "ECONNREFUSED") {
    const hint = `is \`${startedBy}\` running with this --root?`;
    return new AskError("nobody-listens", `nobody listens on ${socketPath}`, { cause, hint });
  }
  if (cause.code === "EACCES") {
    return new AskError("no-permission", `${socketPath} is not open to this user`, { cause, hint: "run as root" });
  }
  return new AskError("broken-off", `the connection to ${socketPath} broke off: ${cause.message}`, { cause });
}
