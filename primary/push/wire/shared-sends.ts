// One `btrfs send` for all replicas that want the same small increment: its bytes are kept in memory for a moment, and each link
// reads them at its own pace. Large ones are not shared: each link then has a send of its own, held back by its own
// replica. What is kept is bounded; no reader ever holds up another, or makes it fail.
import { createHash } from "node:crypto";
import type { StreamPlace } from "../../../shared/store/walk-commands.js";
import { PushError } from "../push-error.js";

export interface SharedSendsOptions {
  /** Bytes kept of one send. One that turns out larger stays with its first reader, unkept; others go on with their own. */
  mostBytes: number;
  /** Bytes kept of all. Past it, sends are not shared. */
  mostBytesInAll: number;
  /** How long a send stays after its last reader. */
  keepMs: number;
}

const DEFAULTS: SharedSendsOptions = {
  mostBytes: 8 * 1024 * 1024,
  mostBytesInAll: 64 * 1024 * 1024,
  keepMs: 10_000,
};

export class SharedSends {
  readonly #options: SharedSendsOptions;
  readonly #sends = new Map<string, SharedSend>();
  readonly #stopping = new AbortController();

  constructor(options: Partial<SharedSendsOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Bytes that are kept. */
  get bytes(): number {
    let bytes = 0;
    for (const send of this.#sends.values()) bytes += send.bytes;
    return bytes;
  }

  /**
   * The bytes of the send named `key`, from its beginning: those of a send that is kept or under way, or of a new one that
   * `start` begins; its signal ends it when all is stopped. @throws what the send fails with, for each reader
   */
  async *read(key: string, start: (ending: AbortSignal) => AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
    const send = this.#sends.get(key) ?? this.#start(key, start);
    if (!send) {
      yield* start(this.#stopping.signal);
      return;
    }
    send.readers += 1;
    try {
      yield* send.read(() => start(this.#stopping.signal));
    } finally {
      send.readers -= 1;
      if (send.readers === 0) this.#dropLater(key, send);
    }
  }

  /** Lets go of all that is kept, and ends what is under way. */
  async stop(): Promise<void> {
    const sends = [...this.#sends.values()];
    this.#sends.clear();
    this.#stopping.abort(new Error("sends are stopped"));
    await Promise.all(sends.map((send) => send.end()));
  }

  #start(key: string, start: (ending: AbortSignal) => AsyncGenerator<Buffer>): SharedSend | undefined {
    if (this.bytes >= this.#options.mostBytesInAll) return undefined;
    const forget = () => {
      if (this.#sends.get(key) === send) this.#sends.delete(key);
    };
    const send: SharedSend = new SharedSend(start(this.#stopping.signal), this.#options.mostBytes, forget);
    this.#sends.set(key, send);
    return send;
  }

  #dropLater(key: string, send: SharedSend): void {
    clearTimeout(send.timer);
    send.timer = setTimeout(() => {
      if (send.readers > 0) return;
      // One that is too large is forgotten already, and still holds its generation.
      if (this.#sends.get(key) === send) this.#sends.delete(key);
      void send.end();
    }, this.#options.keepMs);
    send.timer.unref();
  }
}

class SharedSend {
  readers = 0;
  bytes = 0;
  timer: NodeJS.Timeout | undefined;
  readonly #source: AsyncGenerator<Buffer>;
  readonly #mostBytes: number;
  readonly #forget: () => void;
  readonly #chunks: Buffer[] = [];
  /** Where each chunk ends, once they are too large to be kept. */
  #places: readonly StreamPlace[] = [];
  #state: "filling" | "whole" | "failed" | "too-large" = "filling";
  #failure: unknown;
  #isOwned = false;
  #isEnded = false;
  #wake: (() => void)[] = [];

  constructor(source: AsyncGenerator<Buffer>, mostBytes: number, forget: () => void) {
    this.#source = source;
    this.#mostBytes = mostBytes;
    this.#forget = forget;
    void this.#fill();
  }

  /** `again` begins the same send anew. */
  async *read(again: () => AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
    let at = 0;
    for (; ; at += 1) {
      while (at === this.#chunks.length && this.#state === "filling") {
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
      const chunk = this.#chunks[at];
      if (chunk) yield chunk;
      else break;
    }
    if (this.#state === "failed") throw this.#failure;
    // The first to come here goes on with the send itself.
    if (this.#state === "too-large") yield* this.#isOwned ? behind(this.#places[at - 1], again()) : this.#rest();
  }

  async end(): Promise<void> {
    clearTimeout(this.timer);
    this.#isEnded = true;
    if (this.#state === "filling" || (this.#state === "too-large" && !this.#isOwned)) {
      await this.#source.return(undefined).catch(() => undefined);
    }
  }

  /** What is kept is in order and whole, so that a reader can come at any time. */
  async #fill(): Promise<void> {
    try {
      while (this.bytes < this.#mostBytes) {
        const { value, done } = await this.#source.next();
        // What was ended in the middle ends like what is whole.
        if (done && this.#isEnded) throw new PushError("retryable", "send-failed", "sends are stopped");
        if (done) {
          this.#become("whole");
          return;
        }
        this.#chunks.push(value);
        this.bytes += value.length;
        this.#wakeAll();
      }
      this.#places = endsOf(this.#chunks);
      this.#become("too-large");
    } catch (error) {
      this.#failure = error;
      this.#become("failed");
    }
  }

  #become(state: "whole" | "failed" | "too-large"): void {
    this.#state = state;
    // A later reader begins anew.
    if (state !== "whole") this.#forget();
    this.#wakeAll();
    if (state === "too-large" && this.readers === 0) void this.end();
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  async *#rest(): AsyncGenerator<Buffer> {
    this.#isOwned = true;
    this.#chunks.length = 0;
    yield* this.#source;
  }
}

function endsOf(chunks: readonly Buffer[]): StreamPlace[] {
  const digest = createHash("sha256");
  let bytes = 0;
  return chunks.map((chunk) => {
    bytes += chunk.length;
    return { bytes, digest: digest.update(chunk).copy().digest("hex") };
  });
}

/** What of `source` comes behind `passed`. For the same read-only snapshots `btrfs send` writes the same bytes. */
async function* behind(passed: StreamPlace | undefined, source: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const digest = createHash("sha256");
  let leftBytes = passed?.bytes ?? 0;
  for await (const chunk of source) {
    if (leftBytes > 0) {
      digest.update(chunk.subarray(0, leftBytes));
      if (chunk.length >= leftBytes && digest.digest("hex") !== passed?.digest) break;
    }
    if (chunk.length > leftBytes) yield chunk.subarray(leftBytes);
    leftBytes = Math.max(0, leftBytes - chunk.length);
  }
  if (leftBytes > 0) throw new PushError("retryable", "send-failed", "btrfs sent other bytes than a moment ago");
}
