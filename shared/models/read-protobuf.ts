// The fields of a protobuf message in a file, one after another, without reading what is passed over. Every length is
// checked against its message's end: a hostile file gives a RangeError.
import { readSync } from "node:fs";

export interface Field {
  number: number;
  kind: "varint" | "bytes" | "fixed";
  /** Of a varint; 0 for the others. */
  value: bigint;
  /** Where its bytes are in the file. */
  start: number;
  end: number;
}

const BUFFER_BYTES = 4096;
const MAX_TEXT_BYTES = 4096;
const MAX_PACKED_BYTES = 4096;
/** A sentence model has some thousands. */
const MAX_FIELDS = 2_000_000;

export class ProtobufReader {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #bufferStart = 0;
  #bufferEnd = 0;
  #fieldsRead = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws RangeError at the first thing that is not protobuf */
  *fields(start: number, end: number): Generator<Field> {
    let at = start;
    while (at < end) {
      this.#fieldsRead += 1;
      if (this.#fieldsRead > MAX_FIELDS) throw new RangeError("too many fields");
      const field = this.#field(at, end);
      if (field.end > end) throw new RangeError(`a field at byte ${at} is longer than what holds it`);
      yield field;
      at = field.end;
    }
  }

  text({ start, end }: Field): string {
    if (end - start > MAX_TEXT_BYTES) throw new RangeError(`a name of ${end - start} bytes`);
    const bytes = Buffer.alloc(end - start);
    if (readSync(this.#fd, bytes, 0, bytes.length, start) !== bytes.length) throw new RangeError("it ends too soon");
    return bytes.toString("utf8");
  }

  packed({ start, end }: Field): bigint[] {
    if (end - start > MAX_PACKED_BYTES) throw new RangeError(`a list of ${end - start} bytes`);
    const values: bigint[] = [];
    for (let at = start; at < end; ) {
      const { value, next } = this.#varint(at);
      values.push(value);
      at = next;
    }
    return values;
  }

  #field(at: number, messageEnd: number): Field {
    const { value: tag, next } = this.#varint(at);
    const number = Number(tag >> 3n);
    if (number === 0) throw new RangeError(`no field at byte ${at}`);
    const wireType = Number(tag & 7n);
    if (wireType === 0) {
      const { value, next: end } = this.#varint(next);
      return { number, kind: "varint", value, start: next, end };
    }
    if (wireType === 1) return { number, kind: "fixed", value: 0n, start: next, end: next + 8 };
    if (wireType === 5) return { number, kind: "fixed", value: 0n, start: next, end: next + 4 };
    if (wireType !== 2) throw new RangeError(`no field at byte ${at}`);
    const { value: length, next: start } = this.#varint(next);
    if (length > BigInt(messageEnd)) throw new RangeError(`a field at byte ${at} is longer than what holds it`);
    return { number, kind: "bytes", value: 0n, start, end: start + Number(length) };
  }

  #varint(at: number): { value: bigint; next: number } {
    let value = 0n;
    for (let i = 0; i < 10; i += 1) {
      const byte = this.#byte(at + i);
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return { value, next: at + i + 1 };
    }
    throw new RangeError(`no number at byte ${at}`);
  }

  #byte(at: number): number {
    if (at < this.#bufferStart || at >= this.#bufferEnd) {
      this.#bufferStart = at;
      this.#bufferEnd = at + readSync(this.#fd, this.#buffer, 0, BUFFER_BYTES, at);
      if (at >= this.#bufferEnd) throw new RangeError("it ends too soon");
    }
    return this.#buffer[at - this.#bufferStart] as number;
  }
}
