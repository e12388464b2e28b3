// A daemon of ours as users run it: the compiled bin in a process of its own, ended by its process id.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { binPath, NO_CONFIG } from "./run-cli.js";

export interface DaemonOptions {
  /** In a process group of its own it does not hear a Ctrl-C on the terminal: whoever started it passes it on. */
  ownGroup?: boolean;
  /** Words before the command, such as those that run it in another network. */
  enter?: readonly string[];
  /** Another build of the bin. */
  bin?: string;
  /** Another command that goes on running. Default `serve`. */
  command?: string;
}

export class DaemonProcess {
  readonly #role: "primary" | "replica";
  readonly #args: string[];
  readonly #ownGroup: boolean;
  readonly #enter: readonly string[];
  readonly #bin: string;
  readonly #command: string;
  /** Added to the environment at the next start. */
  readonly env: Record<string, string> = {};
  #child: ChildProcess | undefined;
  #log = "";

  constructor(role: "primary" | "replica", args: string[], options: DaemonOptions = {}) {
    this.#role = role;
    this.#args = args;
    this.#ownGroup = options.ownGroup ?? false;
    this.#enter = options.enter ?? [];
    this.#bin = options.bin ?? binPath(role);
    this.#command = options.command ?? "serve";
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** The end of what it has logged. */
  get log(): string {
    return this.#log;
  }

  /** Starts it and waits until it serves. @throws if it ends before that */
  async start(): Promise<void> {
    const [program = "", ...args] = [...this.#enter, process.execPath, this.#bin, this.#command, ...this.#args];
    const child = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe"],
      detached: this.#ownGroup,
      env: { ...process.env, ...NO_CONFIG, ...this.env },
    });
    this.#child = child;
    let said = "";
    await new Promise<void>((resolve, reject) => {
      child.stderr?.on("data", (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString()).slice(-256 * 1024);
        // A line may come in two pieces.
        said = (said + chunk.toString()).slice(-4096);
        if (/\bserving\b/.test(said)) resolve();
      });
      // Not at its exit: what it said last may not have been read by then.
      child.once("close", (code, signal) => {
        reject(new Error(`isochron-${this.#role} ended (${code ?? signal}):\n${this.#log}`));
      });
    });
  }

  /** Waits until it ends by itself; resolves with the exit code. */
  async ended(): Promise<number | null> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) await once(child, "exit");
    return child?.exitCode ?? null;
  }

  /** An orderly stop; resolves with the exit code. */
  async stop(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  /** No orderly stop: what a crash or the out-of-memory killer does. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, "exit");
    child.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }
}
