// Verification asked for over the bus: the project's own `verify` command in a process of its own, at a lower priority, so
// that the daemon's loop goes on. One at a time: it reads the whole store.
import { getPriority, setPriority } from "node:os";
import { execa } from "execa";
import { VERDICT_EXIT_CODES } from "../verify/verify-error.js";

export interface VerifyTarget {
  /** The compiled bin, `main.js`. */
  bin: string;
  root: string;
  /** vkeys that are trusted besides those of the root. */
  keys: readonly string[];
  /** The store's newest generation: while one is verified, the next seal may delete it. */
  generation(store: string | undefined): number;
}

const VERDICTS = new Set<number>(Object.values(VERDICT_EXIT_CODES));
const NICENESS = 10;
const TRIES = 3;

export class VerifyRunner {
  readonly #target: VerifyTarget;
  #isRunning = false;

  constructor(target: VerifyTarget) {
    this.#target = target;
  }

  /** The finding as JSON, whatever its verdict. @throws an error `busy`, or `verify-failed` where none was come to */
  async run(store: string | undefined, signal: AbortSignal): Promise<string> {
    if (this.#isRunning) {
      const hint = "wait for its answer; the verify command can run at the same time";
      throw Object.assign(new Error("a verification is under way"), { code: "busy", hint });
    }
    this.#isRunning = true;
    try {
      return await this.#untilOfOneGeneration(store, signal);
    } finally {
      this.#isRunning = false;
    }
  }

  /** A verdict on files that went away under the verifier is none: it is come to again, on the generation of now. */
  async #untilOfOneGeneration(store: string | undefined, signal: AbortSignal): Promise<string> {
    for (let tries = 1; ; tries += 1) {
      const before = this.#target.generation(store);
      const { exitCode, finding } = await this.#runCommand(store, signal);
      if (exitCode === 0 || tries === TRIES || this.#target.generation(store) === before) return finding;
    }
  }

  async #runCommand(store: string | undefined, signal: AbortSignal): Promise<{ exitCode: number; finding: string }> {
    const { bin, root, keys } = this.#target;
    const args = ["verify", "--json", `--root=${root}`, ...keys.map((key) => `--key=${key}`)];
    if (store !== undefined) args.push(`--store=${store}`);
    const child = execa(process.execPath, [bin, ...args], {
      reject: false,
      stdin: "ignore",
      cancelSignal: signal,
      // What the daemon runs on is given above; its file may have changed since.
      env: { ISOCHRON_CONFIG: "/dev/null" },
    });
    if (child.pid !== undefined) setPriority(child.pid, Math.min(19, getPriority() + NICENESS));
    const { exitCode = 1, stdout, stderr } = await child;
    if (VERDICTS.has(exitCode)) return { exitCode, finding: stdout.trim() };
    signal.throwIfAborted();
    const reason = stderr.trim() || `the verifier ended with ${exitCode}`;
    throw Object.assign(new Error(reason), { code: "verify-failed" });
  }
}
