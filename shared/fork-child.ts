// Forks a process of this program, which talks by structured clone. Of one that could not be started (no process or no
// descriptor is left) Node tells an error and no exit, and who waits for its exit to start another would wait for ever: here
// each ends with `exit`.
import { type ChildProcess, type ForkOptions, fork } from "node:child_process";

export interface ForkedAs extends Pick<ForkOptions, "execArgv" | "execPath"> {
  args?: readonly string[];
}

/** Its `pid` is undefined if it could not be started; `error` says why, and `exit` has neither code nor signal then. */
export function forkChild(file: string, { args = [], execArgv = [], ...options }: ForkedAs = {}): ChildProcess {
  const child = fork(file, args, { ...options, execArgv, serialization: "advanced" });
  child.once("error", () => {
    if (child.pid === undefined) child.emit("exit", null, null);
  });
  return child;
}
