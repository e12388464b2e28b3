// The `files` source: what changes in the files of a watch list. All its parts are made here.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Source, SourceParts } from "../source.js";
import { ElementWriter } from "../watch/element-writer.js";
import { SupervisedSource } from "../watch/supervised-source.js";
import { FilesWatch } from "./files-watch.js";
import { openFingerprintKey } from "./fingerprint-key.js";
import type { FilesOptions } from "./options.js";
import { OwnerNames } from "./owner-names.js";
import { createConfigRedaction } from "./redact-config-text.js";
import { TextCache } from "./text-cache.js";
import { WatchList } from "./watch-list.js";

export interface FilesPlace {
  /** Texts that diffs are made from: derived, in the store's index folder. */
  textsPath: string;
  /** Key of the fingerprints, made when it is missing: among the private keys. */
  keyPath: string;
  /** The daemon's own files and folders, which are never watched: the root, its loop file, the folder of the sockets. */
  own: readonly string[];
  /** As given to admission. */
  redactKeys: readonly string[];
}

/** How soon and how often it looks. */
export interface FilesPace {
  /** Default 250. */
  quietMs?: number;
  /** Default 5000. */
  longestMs?: number;
  /** Default an hour. */
  walkMs?: number;
  /** Default 30 s. */
  pollMs?: number;
}

const NAME = "files";
const PACE: Required<FilesPace> = { quietMs: 250, longestMs: 5000, walkMs: 3_600_000, pollMs: 30_000 };

/** Starts at once; what cannot be opened yet is tried again. */
export function createFilesSource(
  options: FilesOptions,
  place: FilesPlace,
  parts: SourceParts,
  pace: FilesPace = {},
): Source {
  const writer = new ElementWriter({ ...parts, source: NAME });
  const list = new WatchList({ ...options, own: place.own });
  let watch: FilesWatch | undefined;
  return new SupervisedSource({
    name: NAME,
    log: parts.log,
    writer,
    state: () => watch?.state() ?? {},
    async watch(signal) {
      await mkdir(dirname(place.textsPath), { recursive: true, mode: 0o700 });
      const redact = createConfigRedaction(place.redactKeys);
      const fingerprint = await openFingerprintKey(place.keyPath);
      const cache = TextCache.open(place.textsPath);
      const { max_diff_bytes: maxDiffBytes, max_hash_bytes: maxHashBytes, max_files: maxFiles } = options;
      const isSecret = (path: string) => list.isSecret(path);
      const rules = { maxHashBytes, maxDiffBytes, isSecret, redact, fingerprint, owners: new OwnerNames() };
      watch = new FilesWatch({
        ...{ source: NAME, writer, known: parts.known, list, rules, redact, cache, maxFiles, maxDiffBytes },
        ...{ ...PACE, ...pace },
      });
      try {
        await watch.run(signal);
      } finally {
        cache.close();
      }
    },
  });
}
