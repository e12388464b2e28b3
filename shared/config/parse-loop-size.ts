// `--loop SIZE`: how large a loop-mounted volume shall be.
import { ConfigError } from "./config-error.js";
import { parseSize } from "./parse-size.js";

/** mkfs.btrfs with its defaults wants somewhat over 100 MiB; below this a store is full before it is of any use. */
const LEAST_BYTES = 256 * 1024 * 1024;

/** @throws ConfigError `bad-option` */
export function parseLoopSize(text: string): number {
  const sizeBytes = parseSize(text);
  if (sizeBytes !== undefined && sizeBytes >= LEAST_BYTES) return sizeBytes;
  throw new ConfigError("bad-option", `--loop ${JSON.stringify(text)} is not a size of at least 256M`, {
    hint: "write it like 512M or 4G; the file is sparse and takes space only as it fills",
  });
}
