// One run of `btrfs receive`: what is written to it, its end, and what it said if it failed. Its exit code proves nothing
// about what is on disk; that is looked at afterwards.
import { requireSuccess, spawnReceive } from "../../shared/store/btrfs.js";
import type { FedCommand } from "../../shared/store/command-shell.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import type { StoreError } from "../../shared/store/store-error.js";
import { ReceiveError } from "./receive-error.js";

/** What may wait for a slow disk, so that the wire does not stand still meanwhile. */
const BUFFER_BYTES = 2 * 1024 * 1024;

type Ended = Awaited<FedCommand["ended"]>;

export class RunningReceive {
  readonly dir: string;
  readonly #command: FedCommand;
  #ended: Ended | undefined;
  #resume: () => void = () => undefined;

  constructor(dir: string, spares: SpareProcesses) {
    this.dir = dir;
    this.#command = spawnReceive(dir, { spares });
    // It may end before it has read all: its own words then say why.
    this.#command.stdin.on("error", () => undefined);
    this.#command.stdin.on("drain", () => this.#resume());
    void this.#command.ended.then((ended) => {
      this.#ended = ended;
      this.#resume();
    });
  }

  /** @throws ReceiveError what the program failed with */
  write(...pieces: Buffer[]): void {
    this.#requireRunning();
    const { stdin } = this.#command;
    // One system call for all of them.
    stdin.cork();
    for (const bytes of pieces) stdin.write(bytes);
    stdin.uncork();
  }

  /** A promise, if there is no room for more until it resolves. Rejects with what the program failed with. */
  room(): Promise<void> | undefined {
    return this.#command.stdin.writableLength < BUFFER_BYTES ? undefined : this.#drained();
  }

  async #drained(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
      if (this.#ended) resolve();
    });
    this.#requireRunning();
  }

  /** Gives it the end of its input, and waits for its own. @throws ReceiveError what it failed with */
  async finish(): Promise<void> {
    this.#command.finish();
    this.#requireGood(await this.#command.ended);
  }

  /** Ends it in the middle of whatever it does. */
  async abandon(): Promise<void> {
    this.#command.stdin.destroy();
    await this.#command.ended;
  }

  #requireRunning(): void {
    if (!this.#ended) return;
    this.#requireGood(this.#ended);
    throw new ReceiveError("bad-stream", "btrfs receive ended before the stream did");
  }

  #requireGood(result: Ended): void {
    try {
      requireSuccess(result, this.dir);
    } catch (cause) {
      throw failureOf(String(result.stderr ?? ""), cause as StoreError);
    }
  }
}

function failureOf(raw: string, cause: StoreError): ReceiveError {
  const { message, code } = cause;
  if (code === "no-space") return new ReceiveError("no-space", message, { cause, hint: "free space on the replica" });
  if (/cannot find parent|parent.*not found|clone: did not find source/i.test(raw)) {
    return new ReceiveError("base-missing", "the base of this increment is not here", { cause });
  }
  // Its first line says what it is about to do; the reason comes after it.
  const reason = /^ERROR: (.*)$/m.exec(raw)?.[1] ?? message;
  return new ReceiveError("bad-stream", `btrfs receive refused the stream: ${reason}`, { cause });
}
