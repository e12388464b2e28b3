// The primary's environment variables, as mappings to options of its configuration: pure, and judged by the options'
// own rules.
import type { EnvironmentVariable } from "../shared/config/environment-options.js";
import { MAX_CACHE_SNAPSHOTS } from "../shared/config/keep-variable.js";
import { SEAL_INTERVALS, type SealInterval } from "./seal/seal-interval.js";

/** `none`, `heuristic`, `low`, …: which of them there are is for the option to say. */
const VECTOR_LEVEL: EnvironmentVariable = {
  name: "OP_DBUS_VECTOR_LEVEL",
  options: ["vectorize.level"],
  read: (text) => [text.trim().toLowerCase()],
};

const LONG_FORMS = new Map<string, SealInterval>([
  ["every-minute", "1min"],
  ["every-5-minutes", "5min"],
  ["every-15-minutes", "15min"],
  ["every-30-minutes", "30min"],
  ["every-hour", "1h"],
  ["hourly", "1h"],
  ["daily", "1d"],
  ["weekly", "1w"],
]);

const SNAPSHOT_INTERVAL: EnvironmentVariable = {
  name: "OPDBUS_SNAPSHOT_INTERVAL",
  options: ["seal.strategy", "seal.interval"],
  read(text) {
    const interval = readInterval(text.trim().toLowerCase());
    return [interval === "per-op" ? "realtime" : "interval", interval];
  },
};

function readInterval(text: string): SealInterval {
  const interval = LONG_FORMS.get(text) ?? SEAL_INTERVALS.find((short) => short === text);
  if (interval !== undefined) return interval;
  throw new Error(`must be one of ${[...SEAL_INTERVALS, ...LONG_FORMS.keys()].join(", ")}`);
}

export const PRIMARY_VARIABLES: readonly EnvironmentVariable[] = [VECTOR_LEVEL, SNAPSHOT_INTERVAL, MAX_CACHE_SNAPSHOTS];
