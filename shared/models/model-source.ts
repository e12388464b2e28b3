// Where a model comes from: a set of files with names, in a folder, an archive or at a server. Reading names opens nothing
// and parses nothing of a file; that begins only when the digest has been checked.
import type { Readable } from "node:stream";

export interface SourceFile {
  /** Relative to the source, with `/`. */
  path: string;
  /** Undefined if it shows only when it is read. */
  sizeBytes: number | undefined;
}

export interface ModelSource {
  /** Names that the model may be known by, the likeliest first; not all of them are fit to be one. */
  names(modelDir: string): string[];
  list(signal: AbortSignal): Promise<SourceFile[]>;
  /** The bytes of a file that was listed. Ends with an error if they are not all there. */
  open(path: string, signal: AbortSignal): Promise<Readable>;
  close(): Promise<void>;
}
