// For arrivals that keep nothing of a push that is cut.
import type { Arrival } from "../../replica/receive/receive-generation.js";

export const NOTHING_KEPT: Pick<Arrival, "from" | "rule" | "keep" | "onEnd"> = {
  from: undefined,
  rule: undefined,
  keep: () => Promise.reject(new Error("nothing is to be kept")),
  onEnd: () => undefined,
};
