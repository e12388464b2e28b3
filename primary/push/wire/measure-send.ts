// How many bytes a push would stream, for a dry run or for the choice of a codec: the streams are made and counted, and go
// nowhere.
import type { TreeLayout } from "../../../shared/store/layout.js";
import { type GenerationSend, sendGeneration } from "./stream-generation.js";

/** Bytes of both send streams, with extents as they are on disk or not. @throws PushError `send-failed`; the reason of `signal` */
export async function measureSend(
  tree: TreeLayout,
  base: TreeLayout | undefined,
  options: Partial<Pick<GenerationSend, "compressedData" | "spares" | "signal">> = {},
): Promise<number> {
  const { compressedData = false, spares, signal = new AbortController().signal } = options;
  let bytes = 0;
  for await (const chunk of sendGeneration({ tree, base, compressedData, spares, signal })) {
    signal.throwIfAborted();
    bytes += chunk.length;
  }
  return bytes;
}
