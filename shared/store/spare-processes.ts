// Processes that were started in a quiet moment and wait to become a `btrfs` command. To start one, a daemon of 130 MiB
// has its page tables copied, and stands still for 4 ms; a seal and its push need seven. A spare is a shell that reads its
// arguments from its stdin and replaces itself (exec) by the command: same pid, same pipes, same exit code. Each ends with a
// zero byte and the list with a mark, so that no half of a list ever runs: not even when the daemon is killed.
import { execa, type Options, type ResultPromise } from "execa";

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

export class SpareProcesses {
  readonly #count: number;
  #spares: BtrfsProcess[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `count`: processes that wait; each is a shell of about 3 MiB. */
  constructor(count: number) {
    this.#count = count;
  }

  start(): void {
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

  pids(): number[] {
    return this.#spares.flatMap(({ pid }) => pid ?? []);
  }

  /** Resolves when no spare is left. Those that were taken go on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const spares = this.#spares;
    this.#spares = [];
    for (const spare of spares) spare.kill("SIGKILL");
    await Promise.all(spares);
  }

  /** One at a time, and each take puts it off. */
  #refillWhenQuiet(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#spares.length >= this.#count) return;
      this.#spares.push(spawnSpare());
      this.#refillWhenQuiet();
    }, QUIET_MS);
    this.#timer.unref();
  }
}

/** A shell that becomes `btrfs` once its arguments have come, and ends without running anything if they break off. */
export function spawnSpare(): BtrfsProcess {
  return execa("bash", ["-c", SCRIPT], PROCESS_OPTIONS);
}
