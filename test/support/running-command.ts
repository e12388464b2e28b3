// A command that a test watches while it runs, and interrupts; `runCli` is for those that end by themselves.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { binPath, NO_CONFIG } from "./run-cli.js";

export class RunningCommand {
  readonly child: ChildProcess;
  /** Resolves with the exit code once its output has ended too; null if a signal ended it. */
  readonly ended: Promise<number | null>;
  stdout = "";
  stderr = "";

  constructor(role: "primary" | "replica", args: readonly string[]) {
    this.child = spawn(process.execPath, [binPath(role), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...NO_CONFIG },
    });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.stdout += chunk;
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk;
    });
    this.ended = once(this.child, "close").then(([code]) => code as number | null);
  }

  /** Whole lines of its standard output. */
  lines(): string[] {
    return this.stdout.split("\n").slice(0, -1);
  }

  /** Ctrl-C; resolves with the exit code. */
  async interrupt(): Promise<number | null> {
    this.child.kill("SIGINT");
    return this.ended;
  }
}
