// A program on a terminal of its own, made by script(1): what it writes is read as the terminal gets it, keys are typed.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Part, program } from "./require-part.js";

export const SCRIPT: Part = program("script", "bsdutils");

export class OnTerminal {
  readonly #command: string[];
  #child: ChildProcess | undefined;
  #closed: Promise<unknown> | undefined;
  /** Everything that was written, escape sequences and all. */
  written = "";

  constructor(command: string[]) {
    this.#command = command;
  }

  /** On a terminal of 120 columns and 40 rows. */
  start(): void {
    const words = this.#command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const shell = `stty rows 40 cols 120; echo "pid=$$"; exec ${words}`;
    const child = spawn("script", ["-q", "-e", "-f", "-c", shell, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, TERM: "xterm-256color", SHELL: "/bin/sh", ISOCHRON_CONFIG: "/dev/null" },
    });
    child.stdout?.on("data", (chunk: Buffer) => {
      this.written += chunk.toString();
    });
    this.#child = child;
    this.#closed = once(child, "close");
  }

  /** Of the program itself, once it has been started. */
  get pid(): number | undefined {
    const pid = /pid=(\d+)/.exec(this.written)?.[1];
    return pid === undefined ? undefined : Number(pid);
  }

  type(keys: string): void {
    this.#child?.stdin?.write(keys);
  }

  /** Resolves with the program's exit code, all of its output read. */
  async ended(): Promise<number | null> {
    await this.#closed;
    return this.#child?.exitCode ?? null;
  }

  /** Ends what still runs. */
  async stop(): Promise<void> {
    if (this.#child?.exitCode !== null || this.#child.signalCode !== null) return;
    if (this.pid !== undefined) process.kill(this.pid, "SIGKILL");
    await this.ended();
  }
}
