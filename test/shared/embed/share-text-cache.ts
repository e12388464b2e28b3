// A process of its own that uses a text cache with others: `PATH NAME COUNT`. It keeps vectors of its texts and reads those
// that all keep, then says how many it found, and how many were wrong.
import { TextCache } from "../../../shared/embed/text-cache.js";

const [path = "", name = "", count = "0"] = process.argv.slice(2);
const SPACE = "a".repeat(64);

/** What the text's vector is, whoever asks. */
export function vectorOf(text: string): Float32Array {
  return Float32Array.from(
    { length: 384 },
    (_, i) => ((text.length * 31 + text.charCodeAt(i % text.length) * (i + 1)) % 97) / 97,
  );
}

if (process.send) {
  const cache = TextCache.open(path, { maxBytes: 64 * 1024 * 1024, maxMemoryBytes: 0 });
  let wrong = 0;
  for (let i = 0; i < Number(count); i += 1) {
    const texts = [`${name} says ${i}`, `all say ${i}`];
    cache.put(SPACE, texts, texts.map(vectorOf));
    const [shared] = cache.get(SPACE, [`all say ${i}`]);
    if (shared && !shared.every((value, at) => value === vectorOf(`all say ${i}`)[at])) wrong += 1;
  }
  const own = Array.from({ length: Number(count) }, (_, i) => `${name} says ${i}`);
  const found = cache.get(SPACE, own).filter((vector) => vector !== undefined).length;
  cache.close();
  process.send({ found, wrong }, undefined, undefined, () => process.disconnect());
}
