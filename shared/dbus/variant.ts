// Values with their signature, `v` of D-Bus. Apart from the connection, because configuration is checked with them: a command then
// loads one small file of dbus-next, and not all of it.
import { createRequire } from "node:module";

const { Variant } = createRequire(import.meta.url)("dbus-next/lib/variant.js") as Pick<
  typeof import("dbus-next"),
  "Variant"
>;

/** A value with its signature, for `v` in bodies that are sent. */
export function variant(signature: string, value: unknown): object {
  return new Variant(signature, value);
}

/** What a received `v` holds: signature and value. */
export function isVariant(value: unknown): value is { signature: string; value: unknown } {
  return value instanceof Variant;
}
