// The other end of the ingest socket: streams a file to it and reads the acks. Reading the file waits for the socket, and
// the socket for the ledger, so memory stays flat whatever the size of the file.
import { connect, type Socket } from "node:net";
import { type Readable, Transform } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { addMembers } from "./add-members.js";
import type { AckLine } from "./format-ack.js";
import { isBlank, LineSplitter, type SplitLine, TOO_LONG } from "./split-lines.js";

export interface SendOptions {
  socketPath: string;
  input: Readable;
  /** The actor of lines that name none. */
  actor?: string | undefined;
  /** Called for each answer, in the order of the lines; `text` is the answer as it came. */
  onAck: (ack: AckLine, text: string) => void;
  /** Called with the bytes of each piece that was sent. */
  onSent?: (bytes: number) => void;
  signal?: AbortSignal | undefined;
}

export interface SendResult {
  /** Lines that were sent and want an answer. */
  sent: number;
  answered: number;
  /** Last line with an answer; a rerun may go on after it. */
  lastLine: number;
  /** Why the connection ended before every line had its answer. */
  broken?: Error | undefined;
}

export type IngestClientErrorCode = "no-server" | "not-allowed" | "connect-failed";

export class IngestClientError extends Error {
  readonly code: IngestClientErrorCode;
  readonly hint: string;
  constructor(code: IngestClientErrorCode, message: string, options: ErrorOptions & { hint: string }) {
    super(message, options);
    this.name = "IngestClientError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** The server's own bound is tighter; this one only keeps a file without newlines from filling memory. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
const NEWLINE = 0x0a;

/** @throws IngestClientError when there is no connection; the input's own error when it cannot be read */
export async function sendLines(options: SendOptions): Promise<SendResult> {
  const socket = await open(options.socketPath);
  const result: SendResult = { sent: 0, answered: 0, lastLine: 0 };
  const answers = readAnswers(socket, options, result);
  let inputError: Error | undefined;
  options.input.once("error", (error) => {
    inputError = error;
  });
  try {
    const signal = options.signal ? { signal: options.signal } : {};
    await pipeline(options.input, countLines(options, result), socket, { ...signal, end: true });
  } catch (error) {
    if (inputError) {
      socket.destroy();
      await answers;
      throw inputError;
    }
    result.broken = error as Error;
  }
  await answers;
  if (!result.broken && result.answered < result.sent) result.broken = new Error("the primary closed the connection");
  if (result.answered >= result.sent && !options.signal?.aborted) result.broken = undefined;
  return result;
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.once("connect", () => {
      socket.off("error", onError);
      resolve(socket);
    });
    const onError = (cause: NodeJS.ErrnoException) => reject(connectError(path, cause));
    socket.once("error", onError);
  });
}

/** Why the socket at `path` could not be reached, in words that help. */
export function connectError(path: string, cause: NodeJS.ErrnoException): IngestClientError {
  if (cause.code === "ENOENT" || cause.code === "ECONNREFUSED") {
    return new IngestClientError("no-server", `no primary serves ${path}`, {
      cause,
      hint: "start it with `isochron-primary serve`, or name its socket with --socket",
    });
  }
  if (cause.code === "EACCES") {
    return new IngestClientError("not-allowed", `${path} may not be opened`, {
      cause,
      hint: "run as a user of the socket's group",
    });
  }
  return new IngestClientError("connect-failed", `${path}: ${cause.message}`, {
    cause,
    hint: "look at the primary's log",
  });
}

/** Passes the bytes on as they are, counted by line; with an actor, each line is looked into. */
function countLines({ actor, onSent }: SendOptions, result: SendResult): Transform {
  const pass = actor === undefined ? passBytes(result) : passLines(result, actor);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onSent?.(chunk.length);
      attempt(() => pass.push(chunk), done);
    },
    flush(done) {
      attempt(() => pass.end(), done);
    },
  });
}

function attempt(work: () => Buffer, done: (error: Error | null, bytes?: Buffer) => void): void {
  let bytes: Buffer;
  try {
    bytes = work();
  } catch (error) {
    done(error as Error);
    return;
  }
  done(null, bytes);
}

interface LinePass {
  push(chunk: Buffer): Buffer;
  end(): Buffer;
}

function passBytes(result: SendResult): LinePass {
  let counted = false;
  const look = (part: Buffer) => {
    if (counted || isBlank(part)) return;
    counted = true;
    result.sent += 1;
  };
  return {
    push(chunk) {
      let at = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, at)) {
        look(chunk.subarray(at, end));
        counted = false;
        at = end + 1;
      }
      look(chunk.subarray(at));
      return chunk;
    },
    end: () => Buffer.alloc(0),
  };
}

function passLines(result: SendResult, actor: string): LinePass {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  const take = (line: SplitLine): Buffer => {
    if (line === TOO_LONG) throw new Error(`a line has more than ${MAX_LINE_BYTES} bytes; send it without --actor`);
    if (!isBlank(line)) result.sent += 1;
    return Buffer.concat([addMembers(line, { actor }), Buffer.of(NEWLINE)]);
  };
  return {
    push: (chunk) => Buffer.concat([...splitter.push(chunk)].map(take)),
    end() {
      const last = splitter.end();
      return last === undefined ? Buffer.alloc(0) : take(last);
    },
  };
}

/** Resolves when the answers have ended, for whatever reason. */
async function readAnswers(socket: Socket, { onAck }: SendOptions, result: SendResult): Promise<void> {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  socket.on("data", (chunk) => {
    for (const line of splitter.push(chunk as Buffer)) {
      if (line === TOO_LONG) continue;
      const text = line.toString("utf8");
      const ack = JSON.parse(text) as AckLine;
      result.answered += 1;
      result.lastLine = ack.line;
      onAck(ack, text);
    }
  });
  await finished(socket, { writable: false }).catch(() => undefined);
}
