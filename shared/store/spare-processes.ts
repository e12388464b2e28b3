// Processes that were started in a quiet moment and wait for a `btrfs` command. To start one, a daemon of 130 MiB has its
// page tables copied, and stands still for 4 ms; a seal and its push need seven commands. Those that write no stream run in
// shells that stay (command-shell.ts). One that does needs a pipe of its own: a spare is a shell that reads its
// arguments from its stdin and replaces itself (exec) by the command: same pid, same pipes, same exit code. Each ends with a
// zero byte and the list with a mark, so that no half of a list ever runs: not even when the daemon is killed.
import { mkdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { execa, type Options, type ResultPromise } from "execa";
import { PLAIN_BASH } from "../plain-bash.js";
import { type CommandAnswer, CommandShell, type FedCommand } from "./command-shell.js";

/** Every command under LC_ALL=C, with the same pipes, whether it was a spare or not. */
export const PROCESS_OPTIONS = {
  env: { LC_ALL: "C" },
  stdio: ["pipe", "pipe", "pipe"],
  reject: false,
  encoding: "utf8",
  buffer: { stdout: false, stderr: true },
  // Enough for any message; a stream that makes `btrfs` say more is ended.
  maxBuffer: { stderr: 64 * 1024 },
  // All end by themselves when their pipes close; an exit handler for each would cost more than it saves.
  cleanup: false,
} as const satisfies Options;

export type BtrfsProcess = ResultPromise<typeof PROCESS_OPTIONS>;

const END = "isochron: end of arguments";
/** From a pipe, `read` takes no byte more than it needs: what follows is the command's own stdin. */
const SCRIPT = `words=()
while IFS= read -r -d "" word; do
  [[ $word == "${END}" ]] && exec btrfs "\${words[@]}"
  words+=("$word")
done
exit 125`;

/** A seal and its push are over before the next spare costs its 4 ms. */
const QUIET_MS = 40;
/** While others wait there is time until all who were sent the same push are done with it. */
const NOT_EMPTY_QUIET_MS = 500;

export interface SpareOptions {
  /** Processes that wait for a command that writes a stream; each is a shell of about 3 MiB. */
  spares: number;
  /** Shells for commands without a stream; as many of those run at once. Likewise. */
  shells: number;
  /** Shells for commands that read a stream, likewise, and a folder for their FIFOs, which holds nothing else. */
  fed?: { shells: number; folder: string };
}

export class SpareProcesses {
  readonly #options: SpareOptions;
  #spares: BtrfsProcess[] = [];
  #shells: CommandShell[] = [];
  #fed: CommandShell[] = [];
  /** Names of FIFOs are not used again. */
  #fifos = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: SpareOptions) {
    this.#options = options;
  }

  start(): void {
    const { fed } = this.#options;
    if (fed) {
      // What a daemon that was killed left there.
      rmSync(fed.folder, { recursive: true, force: true });
      mkdirSync(fed.folder, { mode: 0o700 });
    }
    this.#refillWhenQuiet();
  }

  /** `btrfs ARGS` in a process that was waiting, its stdin still open; `undefined` if none is left. */
  take(args: readonly string[]): BtrfsProcess | undefined {
    if (this.#stopped) return undefined;
    this.#refillWhenQuiet();
    for (;;) {
      const spare = this.#spares.shift();
      if (!spare) return undefined;
      // One that someone has killed meanwhile.
      if (spare.exitCode !== null || spare.signalCode !== null) continue;
      spare.stdin.write(`${[...args, END].join("\0")}\0`);
      return spare;
    }
  }

  /**
   * Runs `btrfs ARGS`, which reads no stdin, in a shell that is free; `undefined` if none is. Aborting ends the command; it must not
   * have been aborted before.
   */
  run(args: readonly string[], signal?: AbortSignal): Promise<CommandAnswer> | undefined {
    if (this.#stopped) return undefined;
    this.#shells = this.#shells.filter(({ pid }) => pid !== undefined);
    const shell = this.#shells.find(({ isFree }) => isFree);
    if (!shell) this.#refillWhenQuiet();
    return shell && runUntilAborted(shell, args, signal);
  }

  /** `btrfs ARGS`, which reads what it is fed; `undefined` if no shell for it is free. */
  feed(args: readonly string[]): FedCommand | undefined {
    if (this.#stopped) return undefined;
    this.#fed = this.#fed.filter(({ pid }) => pid !== undefined);
    const shell = this.#fed.find(({ isFree }) => isFree);
    if (!shell) this.#refillWhenQuiet();
    try {
      return shell?.feed(args);
    } catch {
      // Somebody has deleted its FIFO: another shell makes its own.
      shell?.kill();
      return undefined;
    }
  }

  pids(): number[] {
    return this.#spares.flatMap(({ pid }) => pid ?? []);
  }

  shellPids(): number[] {
    return this.#shells.flatMap(({ pid }) => pid ?? []);
  }

  /** Of the shells that can be fed now. */
  fedPids(): number[] {
    return this.#fed.flatMap(({ pid, isFree }) => (isFree && pid) || []);
  }

  /** Resolves when no spare and no shell is left. What was taken goes on; what a shell runs comes to its end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const spares = this.#spares;
    this.#spares = [];
    for (const spare of spares) spare.kill("SIGKILL");
    await Promise.all([...spares, ...[...this.#shells, ...this.#fed].map((shell) => shell.stop())]);
    const { fed } = this.#options;
    if (fed) await rm(fed.folder, { recursive: true, force: true });
  }

  /** One at a time, and each take puts it off. */
  #refillWhenQuiet(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const lacking = this.#pools().find(({ there, wanted }) => there < wanted);
      if (!lacking) return;
      lacking.add();
      this.#refillWhenQuiet();
    }, this.#quietMs());
    this.#timer.unref();
  }

  #quietMs(): number {
    return this.#pools().some(({ there, wanted }) => there === 0 && wanted > 0) ? QUIET_MS : NOT_EMPTY_QUIET_MS;
  }

  /** What is to be there, in the order in which it is made. */
  #pools(): { there: number; wanted: number; add: () => void }[] {
    const { spares, shells, fed } = this.#options;
    return [
      { there: this.#shells.length, wanted: shells, add: () => this.#shells.push(new CommandShell()) },
      {
        there: this.#fed.length,
        wanted: fed?.shells ?? 0,
        add: () => this.#fed.push(new CommandShell(this.#newFifo())),
      },
      { there: this.#spares.length, wanted: spares, add: () => this.#spares.push(spawnSpare()) },
    ];
  }

  #newFifo(): string | undefined {
    const { fed } = this.#options;
    this.#fifos += 1;
    return fed && join(fed.folder, `${this.#fifos}.fifo`);
  }
}

/** A shell that becomes `btrfs` once its arguments have come, and ends without running anything if they break off. */
export function spawnSpare(): BtrfsProcess {
  return execa("bash", [...PLAIN_BASH, SCRIPT], PROCESS_OPTIONS);
}

async function runUntilAborted(
  shell: CommandShell,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<CommandAnswer> {
  const kill = () => shell.kill();
  signal?.addEventListener("abort", kill, { once: true });
  try {
    return await shell.run(args);
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}
