// Frozen test vectors: JSON files beside the format's tests, read from the source tree.
import { readFileSync } from "node:fs";

/** What stands in `test/shared/format/vectors/<name>.json`. The caller says what shape it has. */
export function readVectors<T>(name: string): T {
  const file = new URL(`../../../test/shared/format/vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as T;
}
