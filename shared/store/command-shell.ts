// A shell that stays and runs `btrfs` commands, one after another: to fork a daemon of 130 MiB copies its page tables
// (4 ms on a quiet machine, 20 on a busy one), to fork this one costs a tenth. For commands without a stream: they get no
// stdin, and what they write is the answer. A list of arguments ends with a mark and an answer with its exit code, each
// part followed by a zero byte, so that no half of either is ever taken for a whole.
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
const SCRIPT = `words=()
while IFS= read -r -d "" word; do
  if [[ $word != "${END}" ]]; then words+=("$word"); continue; fi
  btrfs "\${words[@]}" </dev/null
  printf '\\0%d\\0' "$?"
  printf '\\0' >&2
  words=()
done`;
/** Zero bytes that end an answer, by stream: after the text and after the exit code; after the text. */
const ENDS = { stdout: 2, stderr: 1 };

interface Running {
  parts: Record<"stdout" | "stderr", Buffer[]>;
  ends: Record<"stdout" | "stderr", number>;
  resolve: (answer: CommandAnswer) => void;
}

export class CommandShell {
  readonly #shell: ResultPromise<typeof SHELL_OPTIONS>;
  #running: Running | undefined;
  #ended = false;

  constructor() {
    this.#shell = spawnShell();
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
    return !this.#ended && this.#running === undefined;
  }

  /** `btrfs ARGS`. To be called only while it `isFree`. Never rejects. */
  run(args: readonly string[]): Promise<CommandAnswer> {
    return new Promise((resolve) => {
      this.#running = { parts: { stdout: [], stderr: [] }, ends: { stdout: 0, stderr: 0 }, resolve };
      this.#shell.stdin.write(`${[...args, END].join("\0")}\0`);
    });
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

  #take(name: "stdout" | "stderr", chunk: Buffer): void {
    const running = this.#running;
    if (!running) return;
    running.parts[name].push(chunk);
    for (let at = chunk.indexOf(0); at >= 0; at = chunk.indexOf(0, at + 1)) running.ends[name] += 1;
    if (running.ends.stdout < ENDS.stdout || running.ends.stderr < ENDS.stderr) return;
    const [stdout = "", code = ""] = textOf(running.parts.stdout).split("\0");
    this.#answer({ exitCode: Number(code), stdout, stderr: textOf(running.parts.stderr).slice(0, -1) });
  }

  #endedWith(): void {
    this.#ended = true;
    if (!this.#running) return;
    const { parts } = this.#running;
    this.#answer({ exitCode: undefined, stdout: textOf(parts.stdout), stderr: textOf(parts.stderr) });
  }

  #answer(answer: Omit<CommandAnswer, "failed">): void {
    const running = this.#running;
    this.#running = undefined;
    running?.resolve({ ...answer, failed: answer.exitCode !== 0 });
  }
}

/** A shell that runs each list of arguments once it is whole, and ends with its stdin. */
export function spawnShell(): ResultPromise<typeof SHELL_OPTIONS> {
  return execa("bash", [...PLAIN_BASH, SCRIPT], SHELL_OPTIONS);
}

function textOf(parts: readonly Buffer[]): string {
  return Buffer.concat(parts).toString();
}
