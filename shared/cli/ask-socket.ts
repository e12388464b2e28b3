// An HTTP request over a daemon's Unix socket: how every command talks to a running daemon.
import { request } from "node:http";

export type AskErrorCode =
  | "nobody-listens"
  | "no-permission"
  | "refused"
  | "not-understood"
  | "broken-off"
  | "answer-too-large";

export class AskError extends Error {
  readonly code: AskErrorCode;
  readonly hint: string | undefined;
  /** What the daemon answered, when it did: a problem document (RFC 9457). */
  readonly problem: Problem | undefined;
  constructor(code: AskErrorCode, message: string, options: ErrorOptions & { hint?: string; problem?: Problem } = {}) {
    super(message, options);
    this.name = "AskError";
    this.code = code;
    this.hint = options.hint;
    this.problem = options.problem;
  }
}

export interface Problem {
  status: number;
  code: string;
  detail: string;
  hint?: string;
}

export interface Ask {
  socketPath: string;
  path: string;
  method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Sent as JSON. */
  body?: unknown;
  signal?: AbortSignal;
  /** How to start what should listen, for the error's hint. */
  startedBy?: string;
  /** Its units where systemd runs it, if they are not the daemon's own; for the hint too. */
  units?: readonly string[];
  /** An answer of more bytes is not read to its end, but refused. Default: any size. */
  mostBytes?: number;
}

/** Path with parameters; those that are undefined are left out. */
export function pathWith(path: string, parameters: Record<string, string | number | boolean | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

/**
 * The JSON that the daemon answers, or undefined if it answers with nothing.
 *
 * @throws AskError
 */
export async function askSocket<Answer>(ask: Ask): Promise<Answer> {
  const { status, text } = await exchange(ask);
  const answer = parseAnswer(ask, status, text);
  if (isSuccess(status)) return answer as Answer;
  throw refusedBy(answer, status);
}

/** The answer as it came, unparsed: for who passes it on. @throws AskError */
export async function askSocketText(ask: Ask): Promise<string> {
  const { status, text } = await exchange(ask);
  if (isSuccess(status)) return text;
  throw refusedBy(parseAnswer(ask, status, text), status);
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function parseAnswer({ socketPath }: Ask, status: number, text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch (cause) {
    throw new AskError("not-understood", `the daemon on ${socketPath} answered ${status} with no JSON`, { cause });
  }
}

function refusedBy(answer: unknown, status: number): AskError {
  const problem = problemOf(answer, status);
  return new AskError("refused", problem.detail, { problem, ...(problem.hint ? { hint: problem.hint } : {}) });
}

function exchange(ask: Ask): Promise<{ status: number; text: string }> {
  const { socketPath, path, method = "GET", body, signal, mostBytes = Number.POSITIVE_INFINITY } = ask;
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const headers =
    sent === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(sent) };
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method, headers, ...(signal ? { signal } : {}) }, (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on("data", (part: Buffer) => {
        parts.push(part);
        bytes += part.length;
        if (bytes <= mostBytes) return;
        reject(tooLarge(mostBytes));
        response.destroy();
      });
      response.on("error", (cause) => reject(notReached(cause, ask)));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") }),
      );
    });
    asked.on("error", (cause) => reject(notReached(cause, ask)));
    asked.end(sent);
  });
}

function tooLarge(mostBytes: number): AskError {
  const hint = "ask for fewer results at a time with `limit`, and go on with `cursor`";
  return new AskError("answer-too-large", `the answer has more than ${mostBytes} bytes`, { hint });
}

function notReached(cause: NodeJS.ErrnoException, { socketPath, startedBy = "serve", units = [] }: Ask): Error {
  if (cause.name === "AbortError") return cause;
  if (cause.code === "ENOENT" || cause.code === "ECONNREFUSED") {
    const asUnit = units.length > 0 ? ` As a unit: systemctl status ${units.join(" ")}` : "";
    const hint = `is \`${startedBy}\` running with this --root?${asUnit}`;
    return new AskError("nobody-listens", `nobody listens on ${socketPath}`, { cause, hint });
  }
  if (cause.code === "EACCES" || cause.code === "EPERM") {
    const hint = "run as root, or as a member of the socket's group";
    return new AskError("no-permission", `${socketPath} is not open to this user`, { cause, hint });
  }
  return new AskError("broken-off", `the connection to ${socketPath} broke off: ${cause.message}`, { cause });
}

function problemOf(answer: unknown, status: number): Problem {
  const { code = "failed", detail, hint } = (answer ?? {}) as Partial<Problem>;
  return { status, code, detail: detail ?? `the daemon answered ${status}`, ...(hint ? { hint } : {}) };
}
