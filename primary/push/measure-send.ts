// How many bytes a push would stream, for a dry run: the streams are made and counted, and go nowhere.
import { Writable } from "node:stream";
import type { TreeLayout } from "../../shared/store/layout.js";
import { streamGeneration } from "./stream-generation.js";

/** Bytes of both send streams, uncompressed. @throws PushError `send-failed` */
export async function measureSend(tree: TreeLayout, base: TreeLayout | undefined): Promise<number> {
  let bytes = 0;
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const onBytes = (count: number) => {
    bytes += count;
  };
  const { signal } = new AbortController();
  await streamGeneration({ tree, base, compressedData: false, zstdLevel: undefined, signal, onBytes }, nowhere);
  return bytes;
}
