// Finds the ends of the commands in a push (send streams back to back, protocols 1 and 2), and a digest of all up to there.
// A push that was cut goes on at such an end: the primary skips what the replica kept, and both must have seen the same.
// Nothing is checked here: on the primary the stream is its own, on the replica the inspector has seen it before.
// Format: fs/btrfs/send.h of the Linux kernel.
import { createHash } from "node:crypto";

/** A place in a push, at the end of a command or at the start. */
export interface StreamPlace {
  /** Bytes before it. */
  bytes: number;
  /** Of all commands before it, in hex. */
  digest: string;
}

export const STREAM_START: StreamPlace = { bytes: 0, digest: "0".repeat(64) };

const STREAM_HEADER_BYTES = 17;
const COMMAND_HEADER_BYTES = 10;
const END = 21;

export class CommandWalker {
  #bytes: number;
  #digest: Buffer;
  /** The header of the present command, with that of its stream before it if it is the first one. */
  readonly #header = Buffer.alloc(STREAM_HEADER_BYTES + COMMAND_HEADER_BYTES);
  #headerBytes = 0;
  /** Bytes of the present command that are still to come, once its header is there. */
  #leftBytes = 0;
  #atStreamHeader: boolean;

  /** `atStreamHeader`: the next byte is the first of a stream, not of a further command of one. */
  constructor(from: StreamPlace = STREAM_START, atStreamHeader = true) {
    this.#bytes = from.bytes;
    this.#digest = Buffer.from(from.digest, "hex");
    this.#atStreamHeader = atStreamHeader;
  }

  /** The end of the last whole command. */
  get place(): StreamPlace {
    return { bytes: this.#bytes, digest: this.#digest.toString("hex") };
  }

  /**
   * Takes in the next bytes, and returns how many of them end with a command: 0 if no command ends in them. It stops at
   * the first end that is `upToBytes` or more from the start of the push; what follows must be given to it again.
   */
  walk(chunk: Buffer, upToBytes = Number.POSITIVE_INFINITY): number {
    let [at, wholeBytes] = [0, 0];
    while (at < chunk.length && this.#bytes < upToBytes) {
      at += this.#leftBytes > 0 ? this.#skip(chunk.length - at) : this.#readHeader(chunk, at);
      if (this.#leftBytes === 0 && this.#headerBytes === 0) wholeBytes = at;
    }
    return wholeBytes;
  }

  #readHeader(chunk: Buffer, at: number): number {
    const neededBytes = COMMAND_HEADER_BYTES + (this.#atStreamHeader ? STREAM_HEADER_BYTES : 0);
    const copied = chunk.copy(this.#header, this.#headerBytes, at, at + neededBytes - this.#headerBytes);
    this.#headerBytes += copied;
    if (this.#headerBytes < neededBytes) return copied;
    this.#leftBytes = this.#header.readUInt32LE(neededBytes - COMMAND_HEADER_BYTES);
    if (this.#leftBytes === 0) this.#end(0);
    return copied;
  }

  #skip(availableBytes: number): number {
    const skipped = Math.min(this.#leftBytes, availableBytes);
    this.#leftBytes -= skipped;
    if (this.#leftBytes === 0) this.#end(this.#commandBytes());
    return skipped;
  }

  /**
   * A header holds its command's code, length and CRC-32C, which `btrfs receive` checks: the chain of their hashes stands
   * for every byte, and costs nothing that grows with the data. It finds a stream that is another one; that what arrived
   * is what was signed is for the verification to say.
   */
  #end(bodyBytes: number): void {
    const header = this.#header.subarray(0, this.#headerBytes);
    this.#digest = createHash("sha256").update(this.#digest).update(header).digest();
    this.#bytes += header.length + bodyBytes;
    this.#atStreamHeader = header.readUInt16LE(header.length - 6) === END;
    this.#headerBytes = 0;
  }

  #commandBytes(): number {
    return this.#header.readUInt32LE(this.#headerBytes - COMMAND_HEADER_BYTES);
  }
}
