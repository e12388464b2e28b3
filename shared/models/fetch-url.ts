// One request to a server that may be anybody's: redirects are followed a few times and never from https to http, a body that
// stands still is given up, and nothing is decoded, so that what is hashed is what was sent. How much is taken is for the
// reader to bound; a body that is cut short ends in an error, not in an end.
import { Readable } from "node:stream";
import { isAborted, ModelError } from "./model-error.js";

export interface FetchOptions {
  method?: "GET" | "HEAD";
  /** Only the first byte is asked for; a server may send all of it nevertheless. */
  firstByte?: boolean;
  signal: AbortSignal;
  /** Without a byte for so long, the transfer has failed. */
  idleMs?: number;
}

export interface Fetched {
  status: number;
  /** Of the whole, also where only a part was asked for. */
  sizeBytes: number | undefined;
  body: Readable;
}

const IDLE_MS = 60_000;
const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

/** @throws ModelError `transfer-failed`, `bad-request`, `interrupted` */
export async function fetchUrl(url: URL, options: FetchOptions): Promise<Fetched> {
  let at = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const fetched = await fetchOnce(at, options);
    if (!(fetched instanceof URL)) return fetched;
    at = nextHop(at, fetched);
  }
  throw failed(url, `it sends on more than ${MAX_REDIRECTS} times`);
}

/** @throws ModelError `transfer-failed` for a way that leaves https */
export function nextHop(from: URL, to: URL): URL {
  if (from.protocol !== "https:" || to.protocol === "https:") return to;
  throw failed(from, `it sends on to ${to.origin}, from https to ${to.protocol.slice(0, -1)}`);
}

/** The answer, or where it sends on to. */
async function fetchOnce(
  url: URL,
  { method = "GET", firstByte = false, signal, idleMs = IDLE_MS }: FetchOptions,
): Promise<Fetched | URL> {
  requireWeb(url);
  const idle = new IdleWatch(idleMs);
  const either = AbortSignal.any([signal, idle.signal]);
  try {
    const headers = { "accept-encoding": "identity", ...(firstByte ? { range: "bytes=0-0" } : {}) };
    const response = await fetch(url, { method, redirect: "manual", signal: either, headers });
    const location = response.headers.get("location");
    if (REDIRECTS.includes(response.status) && location !== null) {
      idle.stop();
      return new URL(location, url);
    }
    const body = Readable.from(watched(response, url, idle, signal), { objectMode: false });
    // Also of a body that nobody reads: neither its connection nor the timer may outlive it.
    body.once("close", () => idle.stop());
    return { status: response.status, sizeBytes: sizeOf(response), body };
  } catch (cause) {
    idle.stop();
    throw explained(cause, url, idle, signal);
  }
}

/** A part says the size of the whole after a slash, or `*` if the server does not know it (RFC 9110, 14.4). */
function sizeOf({ status, headers }: Response): number | undefined {
  const size =
    status === 206 ? /\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1] : headers.get("content-length");
  return typeof size === "string" ? Number(size) : undefined;
}

async function* watched(
  response: Response,
  url: URL,
  idle: IdleWatch,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of response.body ?? []) {
      idle.heard();
      yield bytes;
    }
  } catch (cause) {
    throw explained(cause, url, idle, signal);
  }
}

/** Ends the request when nothing has come for too long, or when it is over. */
class IdleWatch {
  readonly #ending = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly idleMs: number;
  isIdle = false;

  constructor(idleMs: number) {
    this.idleMs = idleMs;
    this.#timer = setTimeout(() => {
      this.isIdle = true;
      this.#ending.abort();
    }, idleMs);
  }
  get signal(): AbortSignal {
    return this.#ending.signal;
  }
  heard(): void {
    this.#timer.refresh();
  }
  stop(): void {
    clearTimeout(this.#timer);
    this.#ending.abort();
  }
}

function requireWeb(url: URL): void {
  if (["https:", "http:"].includes(url.protocol)) return;
  throw new ModelError("bad-request", `${url.protocol} is not an address that is fetched from`, {
    hint: "give an https address, or a file or folder of this machine",
  });
}

function explained(cause: unknown, url: URL, idle: IdleWatch, signal: AbortSignal): unknown {
  if (cause instanceof ModelError) return cause;
  if (isAborted(signal)) return new ModelError("interrupted", "interrupted; nothing was added", { cause });
  if (idle.isIdle) return failed(url, `nothing came for ${idle.idleMs / 1000} s`, cause);
  const { message, cause: inner } = cause as Error;
  return failed(
    url,
    inner instanceof Error ? inner.message || String((inner as NodeJS.ErrnoException).code) : message,
    cause,
  );
}

/** Without query and credentials, which may be secret. */
export function shownUrl({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

function failed(url: URL, why: string, cause?: unknown): ModelError {
  return new ModelError("transfer-failed", `${shownUrl(url)} could not be fetched: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: "nothing was added; try again, or fetch it with another program and give the file",
  });
}
