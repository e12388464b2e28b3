// Bytes to JSON-RPC messages: OVSDB puts nothing between them (RFC 7047, section 4), so the end of one is the brace that
// closes it. Every byte is looked at once, wherever the chunks are cut. Memory is bounded whatever arrives.
import { OvsdbError } from "./ovsdb-error.js";

export interface MessageSplitterOptions {
  /** Largest message, in bytes. Default 64 MiB. */
  maxMessageBytes?: number;
}

export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Real messages are about ten deep. Deeper ones would only cost the parser memory. */
const MAX_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

export class MessageSplitter {
  readonly #maxMessageBytes: number;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #parts: Buffer[] = [];
  #heldBytes = 0;

  constructor({ maxMessageBytes = MAX_MESSAGE_BYTES }: MessageSplitterOptions = {}) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * The messages that `chunk` completes, in order; they are valid as long as the chunk is. What it throws is the end of
   * the stream. @throws OvsdbError `bad-message`
   */
  *push(chunk: Buffer): Generator<Buffer> {
    let start = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#depth === 0) {
        start = at;
        if (!isBlank(chunk[at] as number)) this.#begin(chunk[at] as number);
        at += 1;
      } else if (this.#inString) at = this.#skipString(chunk, at);
      else {
        at = this.#skipToStringOrEnd(chunk, at);
        if (this.#depth === 0) yield this.#finish(chunk.subarray(start, at));
      }
    }
    if (this.#depth > 0) this.#hold(chunk.subarray(start));
  }

  /** Where the string ends, or the chunk does. Bytes of a longer UTF-8 sequence are above 0x7f: none is taken for a quote. */
  #skipString(chunk: Buffer, from: number): number {
    let escaped = this.#escaped;
    let at = from;
    for (; at < chunk.length; at++) {
      const byte = chunk[at];
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) escaped = true;
      else if (byte === QUOTE) break;
    }
    this.#escaped = escaped;
    this.#inString = at === chunk.length;
    return at + 1;
  }

  /** Where the next string begins, or the message ends, or the chunk does. */
  #skipToStringOrEnd(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at];
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#deeper();
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth -= 1;
        if (this.#depth === 0) return at + 1;
      } else if (byte === QUOTE) {
        this.#inString = true;
        return at + 1;
      }
    }
    return chunk.length;
  }

  #begin(byte: number): void {
    if (byte !== OPEN_BRACE) {
      throw new OvsdbError("bad-message", `a message begins with byte 0x${byte.toString(16)} instead of a brace`);
    }
    this.#depth = 1;
  }

  #deeper(): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new OvsdbError("bad-message", `a message is more than ${MAX_DEPTH} levels deep`);
  }

  #finish(tail: Buffer): Buffer {
    this.#checkSize(tail.length);
    const message = this.#heldBytes === 0 ? tail : Buffer.concat([...this.#parts, tail]);
    this.#parts = [];
    this.#heldBytes = 0;
    return message;
  }

  #hold(part: Buffer): void {
    this.#checkSize(part.length);
    // A copy: the chunk belongs to the stream, and a short rest must not keep a large chunk alive.
    this.#parts.push(Buffer.from(part));
    this.#heldBytes += part.length;
  }

  #checkSize(moreBytes: number): void {
    if (this.#heldBytes + moreBytes <= this.#maxMessageBytes) return;
    throw new OvsdbError("bad-message", `a message is longer than ${this.#maxMessageBytes} bytes`);
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
