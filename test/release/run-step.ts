// One program of the build, such as npm or tar, to its end: quiet, in plain C locale, ended by the signal. What it wrote is shown
// only when it fails.
import { execa } from "execa";
import { ReleaseError } from "./release-error.js";

export interface StepOptions {
  cwd: string;
  hint: string;
  env?: Record<string, string>;
  signal: AbortSignal;
}

/** Resolves with its standard output. @throws ReleaseError step-failed */
export async function runStep(program: string, args: readonly string[], options: StepOptions): Promise<string> {
  const { cwd, hint, env, signal } = options;
  const result = await execa(program, args, {
    cwd,
    stdin: "ignore",
    env: { ...env, LC_ALL: "C" },
    cancelSignal: signal,
    reject: false,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.exitCode === 0) return result.stdout;
  signal.throwIfAborted();
  const said = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-40).join("\n");
  throw new ReleaseError("step-failed", `${program} ${args[0] ?? ""} failed:\n${said}`, { cause: result, hint });
}
