// A rotation of a signing key as a run that was cut leaves it: begun, or over but for the old key, which replicas still trust.
import type { NspawnHost } from "./nspawn-host.js";
import type { HostFleet } from "./start-hosts.js";

/** The vkeys in force, in the order of the primaries. */
export async function signingKeys({ primaries }: HostFleet): Promise<string[]> {
  const keys = primaries.map((host) => host.must("isochron-primary", "key", "--only", "vkey"));
  return (await Promise.all(keys)).map((key) => key.trim());
}

/** Returns the key that was prepared. */
export async function startRotation(primary: NspawnHost): Promise<string> {
  const { next } = JSON.parse(await primary.must("isochron-primary", "key", "rotate", "--prepare", "--json"));
  return next;
}

/** Returns the key that signs from now on. */
export async function finishRotation(primary: NspawnHost, replicas: readonly NspawnHost[]): Promise<string> {
  const next = await startRotation(primary);
  for (const replica of replicas) await replica.must("isochron-replica", "trust", next);
  await primary.must("isochron-primary", "key", "rotate", "--commit");
  return next;
}
