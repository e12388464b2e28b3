// How a command says what went wrong: one line of what, one of what to do next, and an exit code that is not 0.
import { visibleLines } from "./visible.js";

/** Writes the error and its hint to standard error and sets the exit code. */
export function reportError(error: unknown, exitCode = 1): void {
  const { message, hint } = (error ?? {}) as { message?: string; hint?: string };
  process.stderr.write(`error: ${visibleLines(message ?? String(error))}\n`);
  if (hint) process.stderr.write(`hint: ${visibleLines(hint)}\n`);
  process.exitCode = exitCode;
}
