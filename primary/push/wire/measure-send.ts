// How many bytes a push would stream, for a dry run: the streams are made and counted, and go nowhere.
import type { TreeLayout } from "../../../shared/store/layout.js";
import { sendGeneration } from "./stream-generation.js";

/** Bytes of both send streams, uncompressed. @throws PushError `send-failed`; the reason of `signal` */
export async function measureSend(
  tree: TreeLayout,
  base: TreeLayout | undefined,
  signal = new AbortController().signal,
): Promise<number> {
  let bytes = 0;
  for await (const chunk of sendGeneration({ tree, base, compressedData: false, signal })) {
    signal.throwIfAborted();
    bytes += chunk.length;
  }
  return bytes;
}
