// Reads a push as it passes on its way to `btrfs receive`, command by command (send stream protocols 1 and 2), and lets
// through only what a store's own generations are made of. `btrfs receive` runs as root and does what a stream says:
// links, devices, clones and odd names end the push before they reach it. Writes to files that the base had are noted,
// so that the old bytes can be compared afterwards. Data is never looked at, only skipped.
// Formats: fs/btrfs/send.h of the Linux kernel.
import { SUBVOLUMES, type Subvolume } from "../../shared/store/layout.js";
import { ReceiveError } from "./receive-error.js";

/** What one of the two streams said of itself. */
export interface InspectedSubvolume {
  /** UUID of the subvolume at the sender: what `received_uuid` must become. */
  uuid: string;
  /** The sender's transaction, 8 bytes in hex. */
  ctransid: string;
  /**
   * Every path that the stream made or renamed something to, also those that it took away again. None of them may have
   * been there before, or what was there is gone.
   */
  made: Set<string>;
  /** Ranges that were written or cut, by path, for files that were not made by this stream. */
  touched: Map<string, TouchedRange[]>;
}

export interface TouchedRange {
  from: number;
  to: number;
}

/** What an inspector knows at the end of a command, in plain values: to be written down and gone on from. */
export interface InspectedSoFar {
  /** In the order of their streams. */
  subvolumes: {
    name: Subvolume;
    uuid: string;
    ctransid: string;
    made: string[];
    touched: [path: string, ranges: TouchedRange[]][];
  }[];
  /** Protocol of the stream whose subvolume is not at its end, 0 between two streams. */
  version: number;
  /** Protocol of the last stream. */
  protocol: number;
  lengths: [path: string, bytes: number][];
}

const MAGIC = Buffer.from("btrfs-stream\0");
const HEADER_BYTES = MAGIC.length + 4;
const COMMAND_HEADER_BYTES = 10;
/**
 * `btrfs receive` takes as much memory as a command says it is long, up to 4 GiB. The kernel's own commands have at most
 * 64 KiB in protocol 1 and 144 KiB in protocol 2.
 */
const MAX_COMMAND_BYTES = 1024 * 1024;
/** Ranges of old files in one push; each is one write. Beyond it the stream is none that an append makes. */
const MAX_TOUCHED = 100_000;
/** Names that one stream makes, two for each file: a ledger of terabytes has fewer. */
const MAX_MADE = 100_000;
/** Files that are read whole when they are checked. A hole takes no space in the stream, but in memory. */
const READ_WHOLE = /^(?:checkpoint|generation)(?:\.new)?$|\/space\.json$/;
const MAX_READ_WHOLE_BYTES = 64 * 1024;

const COMMAND = {
  subvol: 1,
  snapshot: 2,
  mkfile: 3,
  mkdir: 4,
  rename: 9,
  unlink: 11,
  setXattr: 13,
  write: 15,
  truncate: 17,
  chmod: 18,
  chown: 19,
  utimes: 20,
  end: 21,
  fileAttributes: 24,
  encodedWrite: 25,
} as const;

const ATTRIBUTE = {
  uuid: 1,
  ctransid: 2,
  size: 4,
  xattrName: 13,
  path: 15,
  pathTo: 16,
  offset: 18,
  data: 19,
  cloneUuid: 20,
  unencodedFileLength: 27,
} as const;

/** Names that `btrfs send` gives to files on their way to their own. */
const ON_ITS_WAY = /^o\d+-\d+-\d+$/;
const NAMES: Record<Subvolume, RegExp> = {
  timing: /^(?:|(?:entries|payloads)(?:\/\d{20}\.jsonl)?|tree(?:\/\d{1,2}\.hashes)?|checkpoint(?:\.new)?)$/,
  vector: /^(?:|generation(?:\.new)?|[a-z0-9][a-z0-9._-]{0,63}(?:\/(?:space\.json|\d{20}\.vec))?)$/,
};
/** Replaced by every seal. */
const REPLACED: Record<Subvolume, ReadonlySet<string>> = {
  timing: new Set(["checkpoint", "checkpoint.new"]),
  vector: new Set(["generation", "generation.new"]),
};

interface Command {
  code: number;
  attributes: Map<number, Buffer>;
  dataBytes: number;
}

export class StreamInspector {
  readonly subvolumes = new Map<Subvolume, InspectedSubvolume>();
  #buffered: Buffer = Buffer.alloc(0);
  #version = 0;
  #protocol = 0;
  /** Bytes of the present command's data that pass unseen. */
  #skip = 0;
  #current: { name: Subvolume; info: InspectedSubvolume } | undefined;
  #touchedCount = 0;
  /** Of the present subvolume: how far into each file that this stream makes, or that is read whole, it has written. */
  #lengths = new Map<string, number>();

  readonly #base: Record<Subvolume, string> | undefined;

  /**
   * `base`: what the base's subvolumes were received as; `undefined` if the push was announced as a full one. `soFar`: what
   * was seen of it before it was cut.
   */
  constructor(base: Record<Subvolume, string> | undefined, soFar?: InspectedSoFar) {
    this.#base = base;
    if (!soFar) return;
    for (const { name, uuid, ctransid, made, touched } of soFar.subvolumes) {
      const info = { uuid, ctransid, made: new Set(made), touched: new Map(touched) };
      this.subvolumes.set(name, info);
      for (const [, ranges] of touched) this.#touchedCount += ranges.length;
      if (soFar.version !== 0) this.#current = { name, info };
    }
    this.#version = soFar.version;
    this.#protocol = soFar.protocol;
    this.#lengths = new Map(soFar.lengths);
  }

  /** Protocol of the stream whose subvolume is not at its end, 0 between two streams. */
  get version(): number {
    return this.#current ? this.#version : 0;
  }

  /**
   * What is known at the end of the last whole command. Of one that is not whole yet, a write may be noted already: to note
   * it once more, when it comes again, changes nothing.
   */
  soFar(): InspectedSoFar {
    const subvolumes = [...this.subvolumes].map(([name, { uuid, ctransid, made, touched }]) => ({
      name,
      uuid,
      ctransid,
      made: [...made],
      touched: [...touched],
    }));
    return { subvolumes, version: this.version, protocol: this.#protocol, lengths: [...this.#lengths] };
  }

  /** Takes in the next bytes. @throws ReceiveError `bad-stream`, `not-verified`: nothing of them may be passed on */
  inspect(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, bytes.length);
      this.#skip -= skipped;
      bytes = bytes.subarray(skipped);
    }
    if (bytes.length === 0) return;
    bytes = this.#buffered.length > 0 ? Buffer.concat([this.#buffered, bytes]) : bytes;
    let at = 0;
    for (;;) {
      const used = this.#version === 0 ? this.#readHeader(bytes, at) : this.#readCommand(bytes, at);
      if (used === 0) break;
      at += used;
      if (at >= bytes.length) {
        this.#skip += at - bytes.length;
        at = bytes.length;
        break;
      }
    }
    this.#buffered = Buffer.from(bytes.subarray(at));
  }

  /** @throws ReceiveError `bad-stream` if this is not where a push may end */
  requireWhole(): void {
    if (this.#buffered.length > 0 || this.#skip > 0 || this.#current) throw refused("it ends in the middle");
    if (this.subvolumes.size !== SUBVOLUMES.length) throw refused("it does not hold both subvolumes");
  }

  /** Bytes used, 0 if there are too few yet. */
  #readHeader(bytes: Buffer, at: number): number {
    if (bytes.length - at < HEADER_BYTES) return 0;
    if (!bytes.subarray(at, at + MAGIC.length).equals(MAGIC)) throw refused("it does not begin as a send stream does");
    const version = bytes.readUInt32LE(at + MAGIC.length);
    if (version !== 1 && version !== 2) throw refused(`it is of protocol ${version}; 1 and 2 are known`);
    this.#version = version;
    this.#protocol = version;
    return HEADER_BYTES;
  }

  /** Bytes used, 0 if there are too few yet. May be more than there are: the rest is data, to be skipped. */
  #readCommand(bytes: Buffer, at: number): number {
    if (bytes.length - at < COMMAND_HEADER_BYTES) return 0;
    const lengthBytes = bytes.readUInt32LE(at);
    if (lengthBytes > MAX_COMMAND_BYTES) throw refused(`it has a command of ${lengthBytes} bytes`);
    const code = bytes.readUInt16LE(at + 4);
    const begin = at + COMMAND_HEADER_BYTES;
    const command = readAttributes(bytes, begin, lengthBytes, code, this.#version);
    if (!command) return 0;
    this.#check(command);
    return COMMAND_HEADER_BYTES + lengthBytes;
  }

  #check(command: Command): void {
    const { code } = command;
    if (code === COMMAND.subvol || code === COMMAND.snapshot) {
      this.#begin(command);
      return;
    }
    if (!this.#current) throw refused(`it has command ${code} outside a subvolume`);
    switch (code) {
      case COMMAND.end:
        this.#current = undefined;
        this.#version = 0;
        return;
      case COMMAND.mkfile:
      case COMMAND.mkdir:
        this.#make(this.#path(command));
        return;
      case COMMAND.rename:
        this.#rename(this.#path(command), this.#path(command, ATTRIBUTE.pathTo));
        return;
      case COMMAND.unlink:
        this.#requireReplaceable(this.#path(command), "takes away");
        return;
      case COMMAND.setXattr:
        this.#path(command);
        // Hosts with SELinux label every file; nothing else has a place here.
        if (textOf(command, ATTRIBUTE.xattrName) !== "security.selinux")
          throw forbidden("it sets an extended attribute");
        return;
      case COMMAND.write:
        this.#touch(command, (offset) => offset + command.dataBytes);
        return;
      case COMMAND.encodedWrite:
        this.#touch(command, (offset) => offset + numberOf(command, ATTRIBUTE.unencodedFileLength));
        return;
      case COMMAND.truncate:
        this.#truncate(this.#path(command), numberOf(command, ATTRIBUTE.size));
        return;
      case COMMAND.chmod:
      case COMMAND.chown:
      case COMMAND.utimes:
      // Inode flags, such as the one that btrfs sets itself on a file that does not compress.
      case COMMAND.fileAttributes:
        this.#path(command);
        return;
      default:
        throw forbidden(`it has command ${code} (${command.attributes.get(ATTRIBUTE.path)?.toString("latin1")})`);
    }
  }

  #begin(command: Command): void {
    if (this.#current) throw refused("it has one subvolume inside another");
    const name = SUBVOLUMES.find((known) => known === textOf(command, ATTRIBUTE.path));
    if (!name || this.subvolumes.has(name)) throw refused("its subvolumes are not timing and vector, once each");
    const parent = command.attributes.get(ATTRIBUTE.cloneUuid);
    // `btrfs receive` goes by the command: one that says `subvol` makes an empty subvolume, whatever parent it names.
    if ((command.code === COMMAND.snapshot) !== (parent !== undefined)) {
      throw refused(`the command that begins its ${name} contradicts itself about a parent`);
    }
    const [built, meant] = [parent && uuidOf(parent), this.#base?.[name]];
    if (built !== meant) throw refused(`its ${name} is built on ${built ?? "nothing"}, not on ${meant ?? "nothing"}`);
    const info = {
      uuid: uuidOf(command.attributes.get(ATTRIBUTE.uuid)),
      ctransid: (command.attributes.get(ATTRIBUTE.ctransid) ?? Buffer.alloc(8)).toString("hex"),
      made: new Set<string>(),
      touched: new Map(),
    };
    this.subvolumes.set(name, info);
    this.#current = { name, info };
    this.#lengths = new Map();
  }

  #path(command: Command, attribute: number = ATTRIBUTE.path): string {
    const path = textOf(command, attribute);
    const { name } = this.#current as { name: Subvolume };
    if (ON_ITS_WAY.test(path) || NAMES[name].test(path)) return path;
    throw forbidden(`it names ${JSON.stringify(`${name}/${path.slice(0, 200)}`)}`);
  }

  #make(path: string): void {
    const { name, info } = this.#current as { name: Subvolume; info: InspectedSubvolume };
    if (!REPLACED[name].has(path)) info.made.add(path);
    if (info.made.size > MAX_MADE) throw refused("it makes far more files than a generation has");
  }

  /** `from` stays among what was made: to make an old file (which empties it) and rename it would else hide that. */
  #rename(from: string, to: string): void {
    this.#requireReplaceable(from, "renames");
    this.#make(to);
    this.#lengthen(to, this.#lengths.get(from) ?? 0);
    this.#lengths.delete(from);
  }

  #requireReplaceable(path: string, verb: string): void {
    const { name, info } = this.#current as { name: Subvolume; info: InspectedSubvolume };
    if (info.made.has(path) || REPLACED[name].has(path) || ON_ITS_WAY.test(path)) return;
    throw new ReceiveError("not-verified", `tampered: the increment ${verb} what was there before (${name}/${path})`);
  }

  #touch(command: Command, end: (offset: number) => number): void {
    const from = numberOf(command, ATTRIBUTE.offset);
    const [path, to] = [this.#path(command), end(from)];
    this.#lengthen(path, to);
    this.#note(path, { from, to });
  }

  #truncate(path: string, size: number): void {
    this.#lengthen(path, size);
    this.#note(path, { from: size, to: Number.MAX_SAFE_INTEGER });
  }

  /** Names can change after the bytes have come, so all that may become a file that is read whole is measured. */
  #lengthen(path: string, toBytes: number): void {
    const { info, name } = this.#current as { name: Subvolume; info: InspectedSubvolume };
    const isReadWhole = READ_WHOLE.test(path);
    if (!isReadWhole && !info.made.has(path)) return;
    const lengthBytes = Math.max(toBytes, this.#lengths.get(path) ?? 0);
    if (isReadWhole && lengthBytes > MAX_READ_WHOLE_BYTES) {
      throw forbidden(`${name}/${path} is ${lengthBytes} bytes long; ${MAX_READ_WHOLE_BYTES} are allowed`);
    }
    this.#lengths.set(path, lengthBytes);
  }

  #note(path: string, range: TouchedRange): void {
    const { info, name } = this.#current as { name: Subvolume; info: InspectedSubvolume };
    if (info.made.has(path) || REPLACED[name].has(path)) return;
    this.#touchedCount += 1;
    if (this.#touchedCount > MAX_TOUCHED) throw refused("it rewrites far more than an append does");
    const ranges = info.touched.get(path);
    if (ranges) ranges.push(range);
    else info.touched.set(path, [range]);
  }
}

/** `undefined` if the bytes that are needed are not there yet. Data need not be. */
function readAttributes(
  bytes: Buffer,
  begin: number,
  lengthBytes: number,
  code: number,
  version: number,
): Command | undefined {
  const attributes = new Map<number, Buffer>();
  const end = begin + lengthBytes;
  for (let at = begin; at < end; ) {
    // Protocol 2 leaves out the length of data: it is the rest of the command.
    const bare = version === 2 && at + 2 <= bytes.length && bytes.readUInt16LE(at) === ATTRIBUTE.data;
    if (bare) return { code, attributes, dataBytes: end - at - 2 };
    if (at + 4 > bytes.length) return undefined;
    const type = bytes.readUInt16LE(at);
    const length = bytes.readUInt16LE(at + 2);
    if (at + 4 + length > end) throw refused("it has an attribute that is longer than its command");
    if (type === ATTRIBUTE.data && at + 4 + length === end) return { code, attributes, dataBytes: length };
    if (at + 4 + length > bytes.length) return undefined;
    attributes.set(type, bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  // The kernel puts data last, but `btrfs receive` takes it anywhere, and the last one of two.
  return { code, attributes, dataBytes: attributes.get(ATTRIBUTE.data)?.length ?? 0 };
}

function textOf(command: Command, attribute: number): string {
  const bytes = command.attributes.get(attribute);
  if (!bytes) throw refused(`its command ${command.code} lacks attribute ${attribute}`);
  return bytes.toString("latin1");
}

function numberOf(command: Command, attribute: number): number {
  const bytes = command.attributes.get(attribute);
  const value = bytes?.length === 8 ? Number(bytes.readBigUInt64LE()) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw refused(`its command ${command.code} has no usable attribute ${attribute}`);
  return value;
}

function uuidOf(bytes: Buffer | undefined): string {
  const hex = bytes?.toString("hex") ?? "";
  if (hex.length !== 32) throw refused("a subvolume has no UUID");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** A whole stream of something else: sending it again helps nobody. */
function forbidden(reason: string): ReceiveError {
  return new ReceiveError("not-verified", `tampered: the stream holds what has no place in a generation: ${reason}`);
}

function refused(reason: string): ReceiveError {
  return new ReceiveError("bad-stream", `the stream is not one of a generation: ${reason}`);
}
