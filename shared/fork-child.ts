// Forks a process of this program, which talks by structured clone. Of one that could not be started Node tells an error and no
// exit (no process or no descriptor is left), or throws (no memory is left); and who waits for its exit to start another would
// wait for ever, or die in a timer. Here each ends with `exit`.
import { type ForkOptions, fork, type Serializable } from "node:child_process";
import { EventEmitter } from "node:events";

export interface ForkedAs extends Pick<ForkOptions, "execArgv" | "execPath"> {
  args?: readonly string[];
}

/** What is used of Node's ChildProcess. */
export interface ForkedChild extends EventEmitter {
  readonly pid?: number | undefined;
  readonly connected: boolean;
  readonly exitCode: number | null;
  readonly signalCode: NodeJS.Signals | null;
  send(message: Serializable, callback?: (error: Error | null) => void): boolean;
  kill(signal?: NodeJS.Signals): boolean;
  disconnect(): void;
}

/** Its `pid` is undefined if it could not be started; `error` says why, and `exit` has neither code nor signal then. */
export function forkChild(file: string, { args = [], execArgv = [], ...options }: ForkedAs = {}): ForkedChild {
  const child = forkOrTell(() => fork(file, args, { ...options, execArgv, serialization: "advanced" }));
  child.once("error", () => {
    if (child.pid === undefined) child.emit("exit", null, null);
  });
  return child;
}

function forkOrTell(start: () => ForkedChild): ForkedChild {
  try {
    return start();
  } catch (error) {
    // Of the kernel's answers Node throws those it does not know to pass by themselves.
    if ((error as NodeJS.ErrnoException).syscall !== "spawn") throw error;
    return new NeverStarted(error as Error);
  }
}

class NeverStarted extends EventEmitter implements ForkedChild {
  readonly pid = undefined;
  readonly connected = false;
  readonly exitCode = null;
  readonly signalCode = null;

  constructor(error: Error) {
    super();
    process.nextTick(() => this.emit("error", error));
  }

  send(): boolean {
    return false;
  }

  kill(): boolean {
    return false;
  }

  disconnect(): void {}
}
