// `OPDBUS_MAX_CACHE_SNAPSHOTS`: how many generations stay on disk, on both daemons.
import type { EnvironmentVariable } from "./environment-options.js";

export const MAX_CACHE_SNAPSHOTS: EnvironmentVariable = {
  name: "OPDBUS_MAX_CACHE_SNAPSHOTS",
  options: ["keep.last"],
  read(text) {
    const digits = /^\s*(\d{1,9})\s*$/.exec(text)?.[1];
    if (digits === undefined) throw new Error("must be a whole number of generations, such as 24");
    return [Number(digits)];
  },
};
