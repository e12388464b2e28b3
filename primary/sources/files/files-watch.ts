// The files source at work: first all of the watch list against what the ledger last knew, then what notifications point at,
// and all of it again from time to time, because notifications can be lost. One look at a time, however many changes there
// are; what changes twice before it is looked at is one event.
import { setTimeout as sleep } from "node:timers/promises";
import type { SourceState } from "../source.js";
import type { FoundElement, JsonObject } from "../watch/element-change.js";
import type { ElementWriter } from "../watch/element-writer.js";
import type { KnownElements } from "../watch/known-elements.js";
import { type DiffParts, describeContentChange, keepText, nameFileChange, UNWATCHED } from "./describe-change.js";
import { FileTree, type FileTreeOptions, type Finding } from "./file-tree.js";
import { FolderWatches } from "./folder-watches.js";
import { GatheredNews, type NewsOptions } from "./gather-news.js";
import { elementIdOf, FILE_TYPE, pathOfElement, type RawPath, readablePath } from "./raw-path.js";

export interface FilesWatchOptions extends Omit<FileTreeOptions, "watches">, DiffParts, NewsOptions {
  source: string;
  writer: ElementWriter;
  known: KnownElements;
  /** All is looked at again after so long. */
  walkMs: number;
  /** The same, as long as some folders cannot be watched. */
  pollMs: number;
}

const ROOT = "/";
/** Rest after a walk, as a multiple of what it took. */
const LEAST_REST = 10;

export class FilesWatch {
  readonly #options: FilesWatchOptions;
  readonly #news: GatheredNews;
  readonly #watches: FolderWatches;
  #tree: FileTree;
  #wake: (() => void) | undefined;
  /** Left-out files that a loss event was asked for. */
  #leftOutTold = 0;
  #walks = 0;
  #walkTookMs = 0;

  constructor(options: FilesWatchOptions) {
    this.#options = options;
    this.#news = new GatheredNews(options);
    this.#watches = new FolderWatches({
      onNews: (folder, name, renamed) => this.#hear(folder, name, renamed),
      onFlood: () => this.#news.noteAll(ROOT, performance.now()),
    });
    this.#tree = this.#plant();
  }

  /** Until the signal fires. Begins anew each time it is called. */
  async run(signal: AbortSignal): Promise<void> {
    const { writer } = this.#options;
    const wake = () => this.#wake?.();
    signal.addEventListener("abort", wake);
    this.#tree = this.#plant();
    try {
      await writer.resync(this.#present(signal), nameFileChange);
      this.#tellLeftOut();
      let walkedMs = performance.now();
      while (!signal.aborted) {
        await this.#rest(walkedMs);
        if (signal.aborted) return;
        await this.#lookAtNews(signal);
        if (performance.now() - walkedMs < this.#walkEveryMs()) continue;
        await this.#walk(signal);
        walkedMs = performance.now();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", wake);
      this.#watches.close();
    }
  }

  state(): SourceState {
    return {
      files: this.#tree.files,
      folders_watched: this.#watches.watched,
      folders_polled: this.#watches.unwatched,
      left_out: this.#tree.leftOut,
      walks: this.#walks,
      texts_bytes: this.#options.cache.sizeBytes,
      problem: [this.#watches.problem, this.#tree.problem].filter(Boolean).join("; ") || null,
    };
  }

  #plant(): FileTree {
    const { list, rules, maxFiles } = this.#options;
    return new FileTree({ list, rules, maxFiles, watches: this.#watches });
  }

  /** For every notification, so it only notes. */
  #hear(folder: RawPath, name: string | undefined, renamed: boolean): void {
    const nowMs = performance.now();
    if (name === undefined) this.#news.noteAll(folder, nowMs);
    else if (this.#options.list.concerns(folder, name)) this.#news.note(folder, name, renamed, nowMs);
    this.#wake?.();
  }

  /** Until there may be something to do. */
  async #rest(walkedMs: number): Promise<void> {
    const leftMs = Math.max(0, walkedMs + this.#walkEveryMs() - performance.now());
    const { quietMs } = this.#options;
    // News is looked through at this pace, and not once for each.
    if (!this.#news.isEmpty) return sleep(Math.min(leftMs, quietMs / 2));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, leftMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** Where walks stand in for notifications they are frequent, but never most of what the daemon does. */
  #walkEveryMs(): number {
    const { pollMs, walkMs } = this.#options;
    return this.#watches.unwatched > 0 ? Math.max(pollMs, this.#walkTookMs * LEAST_REST) : walkMs;
  }

  async #lookAtNews(signal: AbortSignal): Promise<void> {
    for (const { folder, names } of this.#news.takeDue(performance.now())) {
      const leftOutBefore = this.#tree.leftOut;
      await this.#tell(this.#tree.look(folder, names, signal));
      // A folder as a whole may have met those again that were told of before.
      if (names) this.#tellLeftOut(leftOutBefore);
      else this.#tellLeftOut();
    }
  }

  async #walk(signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    await this.#tell(this.#tree.walk(signal), { found_by: "walk" });
    this.#walkTookMs = performance.now() - startedMs;
    this.#walks += 1;
    this.#tellLeftOut();
  }

  /** What was passed over for want of room is a loss. */
  #tellLeftOut(told = this.#leftOutTold): void {
    const { leftOut } = this.#tree;
    if (leftOut > told) this.#options.writer.lost("too_many_files", leftOut - told);
    this.#leftOutTold = leftOut;
  }

  /** Writes what was found, and waits for room rather than drop it. */
  async #tell(findings: AsyncIterable<Finding>, found: JsonObject = {}): Promise<void> {
    const { writer, cache } = this.#options;
    for await (const finding of findings) {
      await writer.room();
      const before = writer.last(elementIdOf(finding.path)) ?? {};
      if (!finding.file && Object.keys(before).length === 0) continue;
      const { change, ...element } = this.#describe(finding, before);
      const action = nameFileChange(before, element.state, FILE_TYPE);
      const isKept = writer.writeIfChanged({ ...element, action, change: unlessEmpty({ ...change, ...found }) });
      if (isKept) keepText(element.elementId, element.state, finding.file?.text, cache);
      else this.#tree.forgetVersion(finding.path);
    }
  }

  /** All that is there, for the comparison with what the ledger last knew. */
  async *#present(signal: AbortSignal): AsyncGenerator<FoundElement> {
    const { writer, known, source, cache } = this.#options;
    const found = new Set<string>();
    for await (const finding of this.#tree.walk(signal)) {
      if (!finding.file) continue;
      const element = this.#describe(finding, writer.last(elementIdOf(finding.path)));
      found.add(element.elementId);
      yield element;
      keepText(element.elementId, element.state, finding.file.text, cache);
    }
    for (const { elementId, elementType } of known.list(source)) {
      signal.throwIfAborted();
      if (elementType === FILE_TYPE && !found.has(elementId)) yield* this.#absent(elementId);
    }
    this.#walks += 1;
  }

  /** What the ledger knows and the walk has not met: gone, not watched any more, or out of reach. */
  async *#absent(elementId: string): AsyncGenerator<FoundElement> {
    const { writer, list, cache } = this.#options;
    const before = writer.last(elementId) ?? {};
    if (Object.keys(before).length === 0) return;
    const path = pathOfElement(elementId, before);
    const asBefore = { elementId, elementType: FILE_TYPE, state: before };
    if (list.wants(path)) {
      if (!(await this.#tree.isGone(path))) return yield asBefore;
      yield this.#describe({ path, file: undefined }, before);
    } else yield { ...asBefore, state: UNWATCHED };
    cache.delete(elementId);
  }

  #describe({ path, file }: Finding, before: JsonObject | undefined): FoundElement {
    const elementId = elementIdOf(path);
    const state = file?.state ?? {};
    const content = { elementId, path: readablePath(path), before, after: state, text: file?.text };
    const change = describeContentChange(content, this.#options);
    if (file?.stillChanging) change.still_changing = true;
    return { elementId, elementType: FILE_TYPE, state, change: unlessEmpty(change) };
  }
}

function unlessEmpty(change: JsonObject): JsonObject | undefined {
  return Object.keys(change).length > 0 ? change : undefined;
}
