// The `packages` source: what dpkg did on this host, from its log's whole history, then as it happens. The history is read
// again at every start; keys made of the lines themselves make that safe. A line must never be lost to a rotation: when
// in doubt the history is read once more.
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../../../shared/log.js";
import { AdmitError } from "../../admit/admit-error.js";
import type { Admit } from "../../admit/admit-event.js";
import type { AdmittedEvent, EventSink } from "../../event.js";
import { LogFollower } from "../lines/follow-log.js";
import { LineSplitter, type SplitLine, TOO_LONG } from "../lines/split-lines.js";
import type { Source, SourceState } from "../source.js";
import { listRotated, type RotatedFile, readRotated } from "./log-history.js";
import { DpkgLogReader } from "./read-dpkg-log.js";

export interface PackagesSourceOptions {
  admit: Admit;
  sink: EventSink;
  log: Logger;
  /** Default `/var/log/dpkg.log`. */
  path?: string;
  /** Looks at the log at least this often, should a file notification be missed. Default 5000. */
  pollMs?: number;
  /** Wait before a batch that the ledger failed to write is sent again. Default 1000. */
  retryMs?: number;
}

const MAX_LINE_BYTES = 64 * 1024;
/** Events sent to the ledger together, and held until it has acked all of them. */
const BATCH_EVENTS = 256;

export class PackagesSource implements Source {
  readonly name = "packages";
  readonly #options: Required<PackagesSourceOptions>;
  readonly #follower: LogFollower;
  readonly #stop = new AbortController();
  readonly #counts = { read: 0, written: 0, duplicates: 0, ignored: 0, refused: 0 };
  #reader = new DpkgLogReader();
  #splitter = new LineSplitter(MAX_LINE_BYTES);
  #batch: AdmittedEvent[] = [];
  #history: RotatedFile[] = [];
  #waitingForFile = false;
  #caughtUp = false;
  #problem: string | undefined;
  #watcher: FSWatcher | undefined;
  #running: Promise<void> | undefined;
  /** The folder changed since the last look. */
  #nudged = false;
  #nudge: (() => void) | undefined;

  constructor(options: PackagesSourceOptions) {
    this.#options = { path: "/var/log/dpkg.log", pollMs: 5000, retryMs: 1000, ...options };
    this.#follower = new LogFollower(this.#options.path);
  }

  /** Returns at once; the history is read in the background. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    signal.addEventListener("abort", () => this.#stop.abort(), { once: true });
    this.#running = this.#run(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#nudge?.();
    await this.#running;
  }

  state(): SourceState {
    return {
      file: this.#options.path,
      ...this.#counts,
      waiting_for_file: this.#waitingForFile,
      caught_up: this.#caughtUp,
      problem: this.#problem ?? null,
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    this.#stop.signal.addEventListener("abort", () => this.#nudge?.(), { once: true });
    while (!signal.aborted) {
      try {
        await this.#readHistory(signal);
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) break;
        // A disk or permission fault: said, and tried again from the history, which is safe.
        this.#problem = (error as Error).message;
        this.#options.log.error("packages source failed, it will try again", { error: error as Error });
        await this.#pause(this.#options.pollMs);
      }
    }
    this.#watcher?.close();
    await this.#follower.close();
  }

  /** Reads the rotated files, oldest first; once more when a rotation moved them meanwhile. */
  async #readHistory(signal: AbortSignal): Promise<void> {
    this.#watch();
    do {
      await this.#follower.close();
      this.#batch = [];
      this.#reader = new DpkgLogReader();
      // The log itself is held open from before the others are listed: a rotation from here on cannot take it from us.
      await this.#follower.next();
      this.#history = await listRotated(this.#options.path);
      for (const { path } of this.#history) await this.#readFile(path, signal);
      await this.#send(signal);
    } while (!signal.aborted && (await this.#historyChanged()));
  }

  async #historyChanged(): Promise<boolean> {
    return JSON.stringify(await listRotated(this.#options.path)) !== JSON.stringify(this.#history);
  }

  async #readFile(path: string, signal: AbortSignal): Promise<void> {
    this.#splitter = new LineSplitter(MAX_LINE_BYTES);
    try {
      for await (const chunk of readRotated(path, signal)) await this.#takeBytes(chunk, signal);
      await this.#takeRest(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // A damaged or vanished old file must not hold up what can be read.
      this.#problem = `${path}: ${(error as Error).message}`;
      this.#options.log.warn("rotated log cannot be read", { file: path, error: error as Error });
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    this.#splitter = new LineSplitter(MAX_LINE_BYTES);
    while (!signal.aborted) {
      const news = await this.#follower.next();
      if (news.kind === "bytes") await this.#takeBytes(news.bytes, signal);
      else if (news.kind === "new-file") await this.#takeRest(signal);
      else if (news.kind === "truncated") {
        this.#options.log.info("log was truncated, its history is read again", { file: this.#options.path });
        return;
      } else {
        await this.#send(signal);
        this.#sayWhetherThere();
        // A rotation, or a writer that still holds a rotated file: what it added is found by reading all of it again.
        if (await this.#historyChanged()) return;
        this.#caughtUp = true;
        await this.#pause(this.#options.pollMs);
      }
    }
  }

  async #takeBytes(bytes: Buffer, signal: AbortSignal): Promise<void> {
    for (const line of this.#splitter.push(bytes)) {
      this.#takeLine(line);
      if (this.#batch.length >= BATCH_EVENTS) await this.#send(signal);
    }
  }

  async #takeRest(signal: AbortSignal): Promise<void> {
    const rest = this.#splitter.end();
    if (rest !== undefined) this.#takeLine(rest);
    await this.#send(signal);
  }

  #takeLine(line: SplitLine): void {
    this.#counts.read += 1;
    const event = line === TOO_LONG ? undefined : this.#reader.read(line.toString("utf8"));
    if (!event) {
      this.#counts.ignored += 1;
      return;
    }
    try {
      this.#batch.push(this.#options.admit(Buffer.from(JSON.stringify(event)), { source: this.name }));
    } catch (error) {
      if (!(error instanceof AdmitError)) throw error;
      this.#counts.refused += 1;
      this.#options.log.warn("package event refused", { element: event.element_id, code: error.code, error });
    }
  }

  /** Sends the batch until every event of it is in the ledger; a failed write is tried again until we are stopped. */
  async #send(signal: AbortSignal): Promise<void> {
    let retrying = false;
    while (this.#batch.length > 0) {
      const failed: AdmittedEvent[] = [];
      let reason: Error | undefined;
      const acks: Promise<void>[] = [];
      for (const event of this.#batch) {
        for (let room = this.#options.sink.room(); room; room = this.#options.sink.room()) await room;
        acks.push(
          this.#options.sink.append(event).then(
            (ack) => this.#count(ack.duplicate),
            (error: Error & { code?: string }) => {
              // The same line under another time (the host's zone was changed since) is still the same event.
              if (error.code === "idempotency-conflict") return this.#count(true);
              reason = error;
              failed.push(event);
            },
          ),
        );
      }
      await Promise.all(acks);
      this.#batch = failed;
      if (!reason) {
        if (retrying) this.#problem = undefined;
        return;
      }
      retrying = true;
      if (signal.aborted) throw reason;
      this.#problem = reason.message;
      this.#options.log.error("package events not written, they will be sent again", { error: reason });
      await sleep(this.#options.retryMs, undefined, { signal });
    }
  }

  #count(duplicate: boolean): void {
    this.#counts[duplicate ? "duplicates" : "written"] += 1;
  }

  #watch(): void {
    if (this.#watcher) return;
    try {
      // The folder, because the file itself is replaced.
      const name = basename(this.#options.path);
      this.#watcher = watch(dirname(this.#options.path), (_, changed) => {
        if (!changed?.startsWith(name)) return;
        this.#nudged = true;
        this.#nudge?.();
      });
      this.#watcher.on("error", () => undefined);
    } catch (error) {
      this.#options.log.debug("log folder cannot be watched, it is polled", { error: error as Error });
    }
  }

  #sayWhetherThere(): void {
    const missing = !this.#follower.isOpen;
    if (missing && !this.#waitingForFile) {
      this.#options.log.warn("log is not there, waiting for it", { file: this.#options.path });
    }
    this.#waitingForFile = missing;
  }

  async #pause(timeoutMs: number): Promise<void> {
    if (this.#stop.signal.aborted) return;
    if (!this.#nudged) await this.#nudgeOr(timeoutMs);
    this.#nudged = false;
  }

  async #nudgeOr(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#nudge = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#nudge = undefined;
  }
}
