// The `.vec` files of one space on the primary: rows are appended in whole batches and counted towards the next seal.
// No fsync: the snapshot flushes them, and rows that a power cut takes are missed at the next start and made again.
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, rm, rmdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { SealedRows } from "../../shared/format/seal.js";
import { firstSeqOf, SEGMENT_BYTES, segmentName } from "../../shared/format/segment-name.js";
import { formatSpace, type Space, spaceName } from "../../shared/format/space.js";
import { rowBytes } from "../../shared/format/vector-row.js";
import type { TreeLayout } from "../../shared/store/layout.js";
import { listSegments } from "../../shared/store/read-lines.js";
import { readRowSeqs, seqsOf } from "../../shared/store/read-row-seqs.js";
import { StoreError } from "../../shared/store/store-error.js";
import { writeFileOnce } from "../../shared/store/write-file.js";
import { SeqSet } from "./seq-set.js";
import { VectorizeError } from "./vectorize-error.js";

/** Rows of one file that no seal covers yet. */
export interface UnsealedRun {
  file: string;
  first: number;
  rows: number;
  /** Over the rows' bytes so far. */
  hash: Hash;
}

export interface RowFilesOptions {
  tree: TreeLayout;
  space: Space;
  /** A file is closed once another row would make it longer. Default SEGMENT_BYTES. */
  segmentBytes?: number | undefined;
}

export class RowFiles {
  readonly name: string;
  readonly #options: RowFilesOptions;
  readonly #rowBytes: number;
  #handle: FileHandle | undefined;
  #file: string | undefined;
  /** Rows in the file that is open for appending. */
  #rows = 0;
  /** The last write failed, so bytes may stand behind the last whole row. */
  #torn = false;
  #runs: UnsealedRun[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  /** Events that have a row, once someone has asked. */
  #seqs: SeqSet | undefined;
  #reading: Promise<SeqSet> | undefined;

  constructor(options: RowFilesOptions) {
    this.#options = options;
    this.name = spaceName(options.space);
    this.#rowBytes = rowBytes(options.space);
  }

  /** Makes the space's folder and `space.json` at first use. @throws VectorizeError `space-differs` */
  async prepare(): Promise<void> {
    const { tree, space } = this.#options;
    await mkdir(tree.space(this.name), { recursive: true });
    const path = tree.spaceFile(this.name);
    try {
      await writeFileOnce(path, formatSpace(space));
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "exists") {
        await removeHalfMade(tree, this.name);
        throw error;
      }
      if ((await readFile(path, "utf8")) === formatSpace(space)) return;
      throw new VectorizeError("space-differs", `${path} describes another space of the same name`, {
        hint: "restore space.json from a generation; vectors of two spaces must never share a folder",
      });
    }
  }

  /** Goes on after what recovery found: the last file, its rows, and the runs that no seal covers. */
  resume(last: { file: string; rows: number } | undefined, runs: UnsealedRun[]): void {
    this.#file = last?.file;
    this.#rows = last?.rows ?? 0;
    this.#runs = runs;
  }

  /**
   * Appends whole rows, all of them or none; `firstSeq` is the first row's, and names the file should a new one begin.
   *
   * @throws VectorizeError `write-failed`
   */
  append(rows: Uint8Array, firstSeq: number): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#cutTorn();
        const handle = await this.#fileWithRoom(rows.length, firstSeq);
        this.#torn = true;
        await handle.appendFile(rows);
        this.#torn = false;
      } catch (cause) {
        await this.#cutTorn().catch(() => undefined);
        throw new VectorizeError("write-failed", `rows of ${this.name} cannot be written`, { cause });
      }
      this.#countRows(rows);
      if (this.#seqs) for (const seq of seqsOf(rows, this.#rowBytes)) this.#seqs.add(seq);
    });
  }

  /**
   * Events that have a row here. Read from the files at first use, and kept up with what is appended from then on. Rows of
   * events from `size` on, which can be of no event, are left out.
   */
  seqs(size: number): Promise<SeqSet> {
    this.#reading ??= this.#readSeqs(size);
    this.#reading.catch(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /** To be called before a take: a snapshot may hold nothing that no seal names. @throws VectorizeError `write-failed` */
  cutTorn(): Promise<void> {
    return this.#inTurn(() => this.#cutTorn()).catch((cause: unknown) => {
      throw new VectorizeError("write-failed", `half-written rows of ${this.name} cannot be cut off`, { cause });
    });
  }

  /** The runs since the last take, with the SHA-256 of each. */
  take(): Promise<SealedRows[]> {
    return this.#inTurn(async () => {
      const taken = this.#runs.map(({ hash, ...run }) => ({ ...run, sha256: hash.digest("hex") }));
      this.#runs = [];
      return taken;
    });
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#handle?.close();
      this.#handle = undefined;
    });
  }

  /** One write at a time, in the order of the calls; a failed one fails its caller only. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #readSeqs(size: number): Promise<SeqSet> {
    const seqs = new SeqSet(0);
    // What is there is read beside the appending, which may not wait for it: the two together leave no row out.
    const there = await this.#inTurn(async () => {
      this.#seqs = seqs;
      return this.#countFiles();
    });
    for (const { path, rows } of there) {
      for await (const some of readRowSeqs(path, this.#rowBytes, 0, rows)) {
        for (const seq of some) if (seq < size) seqs.add(seq);
      }
    }
    return seqs;
  }

  async #countFiles(): Promise<{ path: string; rows: number }[]> {
    const folder = this.#options.tree.space(this.name);
    const files = listSegments(folder, "vec");
    return Promise.all(
      files.map(async (file) => {
        const path = join(folder, file);
        const rows = file === this.#file ? this.#rows : Math.floor((await stat(path)).size / this.#rowBytes);
        return { path, rows };
      }),
    );
  }

  /** The open file, or a new one when the rows would make it too long. A batch stays in one file. */
  async #fileWithRoom(bytes: number, firstSeq: number): Promise<FileHandle> {
    const longest = this.#options.segmentBytes ?? SEGMENT_BYTES;
    const folder = this.#options.tree.space(this.name);
    if (this.#file === undefined || (this.#rows > 0 && this.#rows * this.#rowBytes + bytes > longest)) {
      // Rows come by priority, so a later file may begin with an earlier event: names must rise all the same.
      const seq = this.#file === undefined ? firstSeq : Math.max(firstSeq, firstSeqOf(this.#file) + 1);
      const file = segmentName(seq, "vec");
      const handle = await open(join(folder, file), "ax");
      await this.#handle?.close();
      this.#handle = handle;
      this.#file = file;
      this.#rows = 0;
    }
    this.#handle ??= await open(join(folder, this.#file), "a");
    return this.#handle;
  }

  /** A write that stopped half-way is cut off, so that the next one starts on a whole row. */
  async #cutTorn(): Promise<void> {
    if (!this.#torn) return;
    await truncate(join(this.#options.tree.space(this.name), this.#file as string), this.#rows * this.#rowBytes);
    this.#torn = false;
  }

  #countRows(rows: Uint8Array): void {
    const run = this.#runToAdd();
    run.hash.update(rows);
    run.rows += rows.length / this.#rowBytes;
    this.#rows += rows.length / this.#rowBytes;
  }

  #runToAdd(): UnsealedRun {
    const file = this.#file as string;
    const run = this.#runs.at(-1);
    if (run?.file === file) return run;
    const begun = { file, first: this.#rows, rows: 0, hash: createHash("sha256") };
    this.#runs.push(begun);
    return begun;
  }
}

/** Removes a space's folder that has neither `space.json` nor rows, as a making that failed leaves it; whether it did. */
export async function removeHalfMade(tree: TreeLayout, space: string): Promise<boolean> {
  try {
    await rm(`${tree.spaceFile(space)}.new`, { force: true });
    await rmdir(tree.space(space));
    return true;
  } catch {
    return false;
  }
}
