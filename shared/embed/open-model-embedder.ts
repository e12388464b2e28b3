// Opens what makes vectors with a model: the encoder, and the cache of texts that were embedded before.
import type { Embedder, ModelSpec } from "./embedder.js";
import { ModelEmbedder } from "./model-embedder.js";
import { SentenceEncoder } from "./onnx/sentence-encoder.js";
import { TextCache } from "./text-cache.js";

/** @throws EmbedError */
export async function openModelEmbedder(
  { space, model, cache }: ModelSpec,
  onLeftOut: (error: unknown) => void = () => undefined,
): Promise<Embedder> {
  const encoder = await SentenceEncoder.open(model, { threads: 1 });
  if (!cache) return new ModelEmbedder({ space, encoder });
  const texts = TextCache.open(cache.path, { maxBytes: cache.maxBytes, onLeftOut });
  return new ModelEmbedder({ space, encoder, cache: texts });
}
