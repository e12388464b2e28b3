// Bytes from anywhere into a new file: hashed as they come, bounded, and on disk when it returns.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { formatSize } from "../config/parse-size.js";
import { isAborted, ModelError } from "./model-error.js";
import { requireRoomStill } from "./require-room.js";

export interface WriteOptions {
  maxBytes: number;
  /** For messages, such as the name of the file where it came from. */
  what: string;
  signal: AbortSignal;
  onBytes?: ((bytes: number) => void) | undefined;
}

export interface Written {
  sha256: string;
  sizeBytes: number;
}

/** What is written between two looks at the volume: less than is left free. */
const LOOK_EVERY_BYTES = 64 * 1024 * 1024;

/** @throws ModelError `too-large`, `no-space`, `interrupted`; what `from` ended with. The file is then not whole */
export async function writeStream(from: Readable, path: string, options: WriteOptions): Promise<Written> {
  const { maxBytes, what, signal, onBytes } = options;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let lookAtBytes = LOOK_EVERY_BYTES;
  // What fails before the loop below listens would otherwise end the process; the loop hears of it all the same.
  from.on("error", () => undefined);
  try {
    const file = await open(path, "wx", 0o644);
    try {
      for await (const bytes of from as AsyncIterable<Buffer>) {
        signal.throwIfAborted();
        sizeBytes += bytes.length;
        if (sizeBytes > maxBytes) throw tooLarge(what, maxBytes);
        hash.update(bytes);
        await file.writeFile(bytes);
        if (sizeBytes >= lookAtBytes) {
          lookAtBytes = sizeBytes + LOOK_EVERY_BYTES;
          // What is not on disk yet counts as free.
          await file.datasync();
          await requireRoomStill(dirname(path), what);
        }
        onBytes?.(bytes.length);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw explained(cause, what, signal);
  } finally {
    from.destroy();
  }
  return { sha256: hash.digest("hex"), sizeBytes };
}

export function tooLarge(what: string, maxBytes: number): ModelError {
  return new ModelError("too-large", `${what} is larger than ${formatSize(maxBytes)}; nothing was added`, {
    hint: "an archive or an .onnx file that is meant to be so large is let through by --max-size",
  });
}

function explained(cause: unknown, what: string, signal: AbortSignal): unknown {
  if (isAborted(signal)) return new ModelError("interrupted", "interrupted; nothing was added", { cause });
  if ((cause as NodeJS.ErrnoException).code !== "ENOSPC") return cause;
  return new ModelError("no-space", `the volume ran full while ${what} was written; nothing was added`, {
    cause,
    hint: "make room, or keep fewer generations (`keep`)",
  });
}
