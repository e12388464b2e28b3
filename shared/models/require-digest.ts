// The one place where what came is compared with what the operator said it must be.
import { ModelError } from "./model-error.js";

/** `expected` undefined: the operator did not say. @throws ModelError `digest-mismatch` */
export function requireDigest(what: string, found: string, expected: string | undefined): void {
  if (expected === undefined || found === expected) return;
  throw new ModelError("digest-mismatch", `${what} has SHA-256 ${found}, not ${expected}; nothing was added`, {
    hint: "it is another version, was damaged on its way, or was tampered with: compare with what its maker says",
  });
}

/** A digest as it is compared. @throws ModelError `bad-request` */
export function parseDigest(option: string, text: string | undefined): string | undefined {
  const digest = text
    ?.trim()
    .toLowerCase()
    .replace(/^sha256:/, "");
  if (digest === undefined || /^[0-9a-f]{64}$/.test(digest)) return digest;
  throw new ModelError("bad-request", `--${option} ${text} is not a SHA-256`, { hint: "it has 64 hex digits" });
}
