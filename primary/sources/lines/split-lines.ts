// Bytes to lines, for every source that reads lines. A line longer than the bound is reported once, when its newline
// comes, and none of it is kept: memory stays bounded whatever arrives.

/** Stands for a line that was longer than the bound. */
export const TOO_LONG = Symbol("line too long");
export type SplitLine = Buffer | typeof TOO_LONG;

const NEWLINE = 0x0a;

export class LineSplitter {
  readonly #maxLineBytes: number;
  #parts: Buffer[] = [];
  #heldBytes = 0;
  #skipping = false;
  /** Bytes of the chunks before the present one. */
  #seenBytes = 0;
  /** Where the line that was given last ends, counted from the first byte pushed; its newline is before that. */
  endOffset = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** The lines that `chunk` completes, newline excluded. They are valid as long as the chunk is. */
  *push(chunk: Buffer): Generator<SplitLine> {
    let at = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, at)) {
      const line = this.#finish(chunk.subarray(at, end));
      at = end + 1;
      this.endOffset = this.#seenBytes + at;
      yield line;
    }
    if (at < chunk.length) this.#hold(chunk.subarray(at));
    this.#seenBytes += chunk.length;
  }

  /** The last line, when the bytes did not end with a newline. */
  end(): SplitLine | undefined {
    this.endOffset = this.#seenBytes;
    return this.#heldBytes > 0 || this.#skipping ? this.#finish(Buffer.alloc(0)) : undefined;
  }

  #hold(part: Buffer): void {
    if (this.#skipping) return;
    if (this.#heldBytes + part.length > this.#maxLineBytes) {
      this.#skipping = true;
      this.#forget();
      return;
    }
    // A copy: the chunk belongs to the stream, and a short rest must not keep a large chunk alive.
    this.#parts.push(Buffer.from(part));
    this.#heldBytes += part.length;
  }

  #finish(tail: Buffer): SplitLine {
    const tooLong = this.#skipping || this.#heldBytes + tail.length > this.#maxLineBytes;
    const line = this.#heldBytes === 0 ? tail : tooLong ? tail : Buffer.concat([...this.#parts, tail]);
    this.#forget();
    this.#skipping = false;
    return tooLong ? TOO_LONG : line;
  }

  #forget(): void {
    this.#parts = [];
    this.#heldBytes = 0;
  }
}

/** Whether a line holds nothing but blanks. */
export function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  return true;
}
