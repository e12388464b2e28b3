// How often a folded answer came in the whole store, where a model's vectors can tell: events that say the same have the
// very same vector, and the index knows which rows share one.
import { formatTimestamp } from "../../format/timestamp.js";
import { type QueryContext, rowOfSeq } from "../query-context.js";
import type { Folded } from "./fold-repeats.js";
import type { Inquiry } from "./inquire.js";

/** The same answers; those with a vector are counted over the store, the others stay as they were counted. */
export function countAll(context: QueryContext, { asked }: Inquiry, folded: readonly Folded[]): Promise<Folded[]> {
  return Promise.all(
    folded.map(async ({ hit, repeats }) => {
      const space = asked.spaces.find(({ index }) => index.has(hit.seq));
      const equals = await space?.index.equalsOf(hit.seq);
      // Events that the catalog does not answer for yet may have their rows already.
      if (!equals || equals.last >= context.size || equals.count < repeats.count) return { hit, repeats };
      const timeOf = (seq: number) => formatTimestamp(rowOfSeq(context, seq).atMicros);
      const [first, last] = [timeOf(equals.first), timeOf(equals.last)];
      return { hit, repeats: { count: equals.count, first, last, of: "store" } };
    }),
  );
}
