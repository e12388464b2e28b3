// Runs a bin as a user does: the compiled file, in a process of its own.
import { fileURLToPath } from "node:url";
import { execa } from "execa";

export interface CliResult {
  stdout: string;
  stderr: string;
  exitCode: number | undefined;
}

/** Path of a compiled bin. */
export function binPath(role: "primary" | "replica"): string {
  return fileURLToPath(new URL(`../../${role}/main.js`, import.meta.url));
}

/** Neither a configuration file of this machine nor its variables may reach into a test; an empty one is as if not set. */
export const NO_CONFIG = {
  ISOCHRON_CONFIG: "/dev/null",
  OP_DBUS_VECTOR_LEVEL: "",
  OPDBUS_SNAPSHOT_INTERVAL: "",
  OPDBUS_MAX_CACHE_SNAPSHOTS: "",
};

export interface CliOptions {
  input?: string;
  env?: Record<string, string>;
  signal?: AbortSignal;
  /** Another build of the bin. */
  bin?: string;
}

/** Runs `isochron-<role> ...args` to its end; a failure is an exit code, never an exception. */
export async function runCli(
  role: "primary" | "replica",
  args: string[],
  { input, env, signal, bin = binPath(role) }: CliOptions = {},
): Promise<CliResult> {
  const { stdout, stderr, exitCode } = await execa(process.execPath, [bin, ...args], {
    reject: false,
    ...(input === undefined ? { stdin: "ignore" as const } : { input }),
    env: { ...NO_CONFIG, NO_COLOR: "1", ...env },
    ...(signal ? { cancelSignal: signal } : {}),
  });
  return { stdout, stderr, exitCode };
}
