// The kept generations in a few words, for the `status` of both bins.
import { wholeSeconds } from "../format/timestamp.js";
import type { KeptGeneration } from "../store/select-kept.js";

export function describeHistory(kept: readonly KeptGeneration[]): string {
  const [oldest] = kept;
  if (!oldest) return "no generations";
  const when = oldest.sealed ? wholeSeconds(oldest.sealed) : "a time that cannot be read";
  return `${kept.length} generations, oldest ${oldest.generation} of ${when}`;
}
