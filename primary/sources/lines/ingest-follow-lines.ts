// The lines of a growing file, through rotation, each with the key that names it for ever: what `ingest --follow` sends. The
// file is read only as fast as lines are taken, but a file that takes its place meanwhile is opened at once, so that none is missed.
import { watch } from "node:fs";
import { basename, dirname } from "node:path";
import { sha256Hex } from "../../../shared/format/hash.js";
import { type FileIdentity, firstLineOf, LogFollower } from "./follow-log.js";
import { isBlank, LineSplitter, TOO_LONG } from "./split-lines.js";

export interface FollowOptions {
  path: string;
  /** Pass over what the file holds at the start. */
  fromEnd: boolean;
  signal: AbortSignal;
  /** The file is looked at so often, should a notification be missed. Default 1000. */
  pollMs?: number;
  /** Told of what the operator should know. */
  onNotice?: (message: string) => void;
}

export interface FollowedLine {
  /** Without its newline; undefined where it is longer than any line may be. */
  bytes: Buffer | undefined;
  /** Of its first byte, in its file. */
  offset: number;
  /**
   * Made of the file's inode, time of birth and first line, and of the line's offset and bytes. So it outlives a restart and a
   * renaming of the file; a copy, or a file that was written anew, has other keys.
   */
  key: string;
}

/** The longest line that may come; the primary's own bound is tighter. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** Ends when `signal` fires. Blank lines are passed over. @throws the file's own errors, but not when it is not there */
export async function* followLines(options: FollowOptions): AsyncGenerator<FollowedLine> {
  const { path, signal, onNotice } = options;
  const follower = new LogFollower(path);
  const watching = new FileWatch(options, () => void follower.notice().catch(() => undefined));
  try {
    let lines: FileLines | undefined;
    let skip = options.fromEnd;
    let saidMissing = false;
    while (!signal.aborted) {
      const news = await follower.next();
      if (news.kind === "new-file") {
        if (lines) yield* lines.rest();
        if (skip) await follower.skipToEnd();
        skip = false;
        lines = new FileLines(follower, await follower.identity());
      } else if (news.kind === "bytes") {
        for await (const line of (lines as FileLines).push(news.bytes, news.offset)) {
          yield line;
          if (signal.aborted) return;
        }
      } else if (news.kind === "truncated") {
        onNotice?.(`${path} was truncated; it is read again from its start`);
        if (lines) yield* lines.rest();
        lines = undefined;
      } else {
        if (!follower.isOpen && !saidMissing) onNotice?.(`${path} is not there; waiting for it`);
        saidMissing = !follower.isOpen;
        // A file that comes later is new from its first line on.
        skip &&= follower.isOpen;
        await watching.changed();
      }
    }
  } finally {
    watching.close();
    await follower.close();
  }
}

/** The lines of one file. */
class FileLines {
  readonly #follower: LogFollower;
  readonly #splitter = new LineSplitter(MAX_LINE_BYTES);
  #base: number | undefined;
  #start = 0;
  #identity: FileIdentity;
  #hasLine = false;

  constructor(follower: LogFollower, identity: FileIdentity) {
    this.#follower = follower;
    this.#identity = identity;
  }

  async *push(bytes: Buffer, offset: number): AsyncGenerator<FollowedLine> {
    if (this.#base === undefined) {
      this.#base = offset;
      this.#start = offset;
    }
    for (const line of this.#splitter.push(bytes)) {
      // Asked once more when there is a whole line: only then is the first one whole.
      if (!this.#hasLine) this.#identity = await this.#follower.identity();
      this.#hasLine = true;
      yield* this.#take(line);
    }
  }

  /** What stands behind the last newline of a file that gets no more. */
  *rest(): Generator<FollowedLine> {
    const line = this.#splitter.end();
    if (line === undefined) return;
    if (!this.#hasLine && line !== TOO_LONG) this.#identity = { ...this.#identity, firstLine: firstLineOf(line) };
    yield* this.#take(line);
  }

  *#take(line: Buffer | typeof TOO_LONG): Generator<FollowedLine> {
    const offset = this.#start;
    this.#start = (this.#base ?? 0) + this.#splitter.endOffset;
    if (line === TOO_LONG) yield { bytes: undefined, offset, key: "" };
    else if (!isBlank(line)) yield { bytes: line, offset, key: keyOf(this.#identity, offset, line) };
  }
}

function keyOf({ inode, bornNs, firstLine }: FileIdentity, offset: number, line: Buffer): string {
  return `follow:${sha256Hex(JSON.stringify([inode, bornNs, firstLine, offset, line.toString("latin1")]))}`;
}

/** Notices that something may have happened to the file. */
class FileWatch {
  readonly #onChange: () => void;
  readonly #stops: (() => void)[];
  #changed = false;
  #wake: (() => void) | undefined;

  constructor({ path, pollMs = 1000, signal }: FollowOptions, onChange: () => void) {
    this.#onChange = onChange;
    const note = () => this.#note();
    const timer = setInterval(note, pollMs);
    signal.addEventListener("abort", note);
    this.#stops = [
      watchFolder(path, note),
      () => clearInterval(timer),
      () => signal.removeEventListener("abort", note),
    ];
  }

  /** Resolves at a change, if there was none since the last call; also at every poll, and when the signal fires. */
  async changed(): Promise<void> {
    if (!this.#changed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#changed = false;
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #note(): void {
    this.#changed = true;
    this.#onChange();
    this.#wake?.();
    this.#wake = undefined;
  }
}

/** Where a folder can't be watched (it is not there, or too many are), the poll is enough. */
function watchFolder(path: string, onChange: () => void): () => void {
  try {
    const watcher = watch(dirname(path), (_, name) => {
      if (name === null || name === basename(path)) onChange();
    });
    watcher.on("error", () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => undefined;
  }
}
