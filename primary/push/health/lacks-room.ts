// Whether a push would be refused for want of room, by what the replica's hello said. Pure. It says so only where that is
// certain: what was not foreseen, the replica notices while the push comes in.
import { formatSize } from "../../../shared/config/parse-size.js";
import type { HelloRoom } from "../../../shared/protocol/protocol.js";

/** The replica's volume compresses: lines of JSON to a fifth by zstd, alike ones to less. Vectors hardly. */
const BEST_COMPRESSION = 10;

/** Why a push of about `rawBytes` cannot go, in words; `undefined` if it may fit. */
export function lacksRoom(room: HelloRoom | undefined, rawBytes: number): string | undefined {
  // A replica of an earlier version does not say.
  if (!room) return undefined;
  const { free_bytes: free, min_free_bytes: least, metadata_free_bytes: metadata, min_metadata_bytes: need } = room;
  if (metadata !== undefined && need !== undefined && metadata < need) {
    return `${mebibytes(metadata)} are left for btrfs metadata on the replica; a push needs ${mebibytes(need)}`;
  }
  if (free < least) {
    return `${mebibytes(free)} are free on the replica; its receive.min_free_bytes is ${mebibytes(least)}`;
  }
  if (free - least >= rawBytes / BEST_COMPRESSION) return undefined;
  const usable = mebibytes(free - least);
  return `a push of about ${mebibytes(rawBytes)} does not fit into the ${usable} that the replica may use`;
}

/** A push, and what was free when it was offered. */
export interface Offered {
  rawBytes: number;
  freeBytes: number;
}

/** As `lacksRoom`, for a push after one that the replica had no room for: until there is so much more that it could count. */
export function lacksAsBefore(now: Offered, refused: Offered): string | undefined {
  // It is not known what was refused.
  if (refused.rawBytes === 0) return undefined;
  const atLeast = refused.rawBytes / BEST_COMPRESSION;
  if (now.freeBytes > refused.freeBytes + atLeast || now.rawBytes < refused.rawBytes - atLeast) return undefined;
  const [free, freeThen] = [mebibytes(now.freeBytes), mebibytes(refused.freeBytes)];
  return `${free} are free on the replica; a push of about ${mebibytes(refused.rawBytes)} did not fit when ${freeThen} were`;
}

function mebibytes(bytes: number): string {
  const mib = bytes / 2 ** 20;
  return mib < 10 ? `${mib.toFixed(1)}MiB` : formatSize(Math.round(mib) * 2 ** 20);
}
