// A shell that stays and runs `btrfs` commands, one after another: to fork a daemon of 130 MiB copies its page tables
// (4 ms on a quiet machine, 20 on a busy one), to fork this one costs a tenth. What a command writes is the answer; its
// stdin is empty, or a FIFO of this shell. A list of arguments ends with a mark and an answer with its exit code, each
// part followed by a zero byte, so that no half of either is ever taken for a whole.
import { constants, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { execa, type Options, type ResultPromise } from "execa";
import { PLAIN_BASH } from "../plain-bash.js";

/** What a command wrote, and how it ended. */
export interface CommandAnswer {
  failed: boolean;
  /** `undefined` if the shell ended before the command had. */
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}

const SHELL_OPTIONS = {
  env: { LC_ALL: "C" },
  stdio: ["pipe", "pipe", "pipe"],
  reject: false,
  encoding: "buffer",
  buffer: false,
  cleanup: false,
  // A process group of its own: `stop` ends the command with the shell, and a Ctrl-C on the terminal ends neither.
  detached: true,
} as const satisfies Options;

const END = "isochron: end of arguments";
/**
 * Opening the FIFO for both directions waits for nobody, not even for a daemon that is gone. It is open for reading, and for
 * nothing else, before the shell says so: from then on it ends when the daemon closes it, and not before.
 */
const SCRIPT = `if [[ $1 ]]; then mkfifo -m 600 -- "$1" && printf '\\0' >&2 || exit; fi
input=\${1:-/dev/null}
words=()
while IFS= read -r -d "" word; do
  if [[ $word != "${END}" ]]; then words+=("$word"); continue; fi
  exec 3<>"$input" 4<"$input" 3>&-
  printf '\\0' >&2
  btrfs "\${words[@]}" <&4 4<&-
  code=$?
  exec 4<&-
  printf '\\0%d\\0' "$code"
  printf '\\0' >&2
  words=()
done`;
/** Zero bytes that end an answer, by stream: after the text and after the exit code; before the text and after it. */
const ENDS = { stdout: 2, stderr: 2 };

interface Running {
  parts: Record<"stdout" | "stderr", Buffer[]>;
  ends: Record<"stdout" | "stderr", number>;
  /** The daemon's end of the FIFO. */
  stdin: Socket | undefined;
  /** Its input is open: what is closed from here on has an end for it. */
  opened: () => void;
  resolve: (answer: CommandAnswer) => void;
}

/** A command that reads a stream. */
export interface FedCommand {
  /** Its input, which it may not read to the end. Destroyed, it ends in the middle. */
  readonly stdin: Writable;
  /** How it ended; its input is closed then. Never rejects. */
  readonly ended: Promise<{ failed: boolean; stderr?: unknown }>;
  /** What was written is all. */
  finish(): void;
}

export class CommandShell {
  readonly #shell: ResultPromise<typeof SHELL_OPTIONS>;
  readonly #fifo: string;
  #isReady: boolean;
  #running: Running | undefined;
  #ended = false;

  /** With `fifo`, a path where nothing is, its commands read what they are fed. */
  constructor(fifo = "") {
    this.#fifo = fifo;
    this.#isReady = fifo === "";
    this.#shell = spawnShell(fifo);
    for (const name of ["stdout", "stderr"] as const) {
      this.#shell[name].on("data", (chunk: Buffer) => this.#take(name, chunk));
    }
    // Its death is told by its end, once its pipes are read out.
    this.#shell.stdin.on("error", () => undefined);
    void this.#shell.then(() => this.#endedWith());
  }

  get pid(): number | undefined {
    return this.#ended ? undefined : this.#shell.pid;
  }

  /** Whether it can take a command now. */
  get isFree(): boolean {
    return this.#isReady && !this.#ended && this.#running === undefined;
  }

  /** `btrfs ARGS`. To be called only while it `isFree`. Never rejects. */
  run(args: readonly string[]): Promise<CommandAnswer> {
    return new Promise((resolve) => this.#start(args, { stdin: undefined, opened: () => undefined, resolve }));
  }

  /** `btrfs ARGS` with an input. To be called only while it `isFree`. @throws what opening the FIFO fails with */
  feed(args: readonly string[]): FedCommand {
    const fd = openSync(this.#fifo, constants.O_RDWR | constants.O_NONBLOCK);
    const stdin = new Socket({ fd, readable: false, writable: true });
    let opened: () => void = () => undefined;
    const isOpen = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const ended = new Promise<CommandAnswer>((resolve) => this.#start(args, { stdin, opened, resolve }));
    // A FIFO has no end that could be sent: its last writer leaves, once there is a reader.
    const finish = () => void isOpen.then(() => stdin.write("", () => stdin.destroy()));
    return { stdin, ended, finish };
  }

  /** Ends the command under way too. */
  kill(): void {
    if (this.#ended || this.#shell.pid === undefined) return;
    try {
      process.kill(-this.#shell.pid, "SIGKILL");
    } catch {
      // It has ended by itself in this moment.
    }
  }

  /** Resolves when the shell is gone; a command under way comes to its end. */
  async stop(): Promise<void> {
    this.#shell.stdin.end();
    await this.#shell;
  }

  #start(args: readonly string[], { stdin, opened, resolve }: Pick<Running, "stdin" | "opened" | "resolve">): void {
    this.#running = { parts: { stdout: [], stderr: [] }, ends: { stdout: 0, stderr: 0 }, stdin, opened, resolve };
    this.#shell.stdin.write(`${[...args, END].join("\0")}\0`);
  }

  #take(name: "stdout" | "stderr", chunk: Buffer): void {
    const running = this.#running;
    if (!running) {
      this.#isReady ||= name === "stderr" && chunk[0] === 0;
      return;
    }
    running.parts[name].push(chunk);
    for (let at = chunk.indexOf(0); at >= 0; at = chunk.indexOf(0, at + 1)) running.ends[name] += 1;
    if (running.ends.stderr > 0) running.opened();
    if (running.ends.stdout < ENDS.stdout || running.ends.stderr < ENDS.stderr) return;
    const [stdout = "", code = ""] = textOf(running.parts.stdout).split("\0");
    this.#answer({ exitCode: Number(code), stdout, stderr: textOf(running.parts.stderr).slice(1, -1) });
  }

  #endedWith(): void {
    this.#ended = true;
    if (!this.#running) return;
    const { parts } = this.#running;
    this.#answer({ exitCode: undefined, stdout: textOf(parts.stdout), stderr: textOf(parts.stderr).replace("\0", "") });
  }

  #answer(answer: Omit<CommandAnswer, "failed">): void {
    const running = this.#running;
    this.#running = undefined;
    // Before the next command can be fed: what is left in the FIFO goes with its last owner.
    running?.stdin?.destroy();
    running?.resolve({ ...answer, failed: answer.exitCode !== 0 });
  }
}

/** A shell that runs each list of arguments once it is whole, and ends with its stdin. */
export function spawnShell(fifo = ""): ResultPromise<typeof SHELL_OPTIONS> {
  return execa("bash", [...PLAIN_BASH, SCRIPT, "isochron-shell", fifo], SHELL_OPTIONS);
}

function textOf(parts: readonly Buffer[]): string {
  return Buffer.concat(parts).toString();
}
