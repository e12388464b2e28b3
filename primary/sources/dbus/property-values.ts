// Values of D-Bus properties in the form that states keep them.
import type { JsonValue } from "../../../shared/format/canonical-json.js";
import { formatTimestamp } from "../../../shared/format/timestamp.js";

/** An empty string is D-Bus's way to say that there is none. */
export function textOrNull(value: JsonValue | undefined): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** A time in microseconds since 1970, a decimal string as 64-bit numbers are, in stored form; 0 is none. */
export function sinceOf(micros: JsonValue | undefined): string | null {
  const known = Number(micros);
  // Year 9999: what lies beyond is no time.
  return known > 0 && known < 253_402_300_800_000_000 ? formatTimestamp(known) : null;
}
