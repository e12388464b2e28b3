// One run's folder, and the commands that are run in it: each is shown as a user would type it, run as a user would run it,
// and must end as expected. The bins lie in a `bin` folder of the run, so that what is shown can be typed.
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { binPath, type CliResult, runCli } from "../support/run-cli.js";
import type { CleanUp } from "./clean-up.js";
import { showCommand, showOutput, WIDTH } from "./print-story.js";

type Role = "primary" | "replica";

export interface RunOptions {
  input?: string;
  /** Exit code that is right here. Default 0. */
  exitCode?: number;
  /** Only lines like this are shown. */
  shown?: RegExp;
  /** Shown before the command, such as the other end of a pipe. */
  before?: string[];
}

export class Session {
  readonly folder: string;
  readonly binFolder: string;
  readonly cleanUp: CleanUp;
  /** An element of this run that has a history, for the commands to try. */
  element = "";

  constructor(folder: string, cleanUp: CleanUp) {
    this.folder = folder;
    this.binFolder = join(folder, "bin");
    this.cleanUp = cleanUp;
  }

  root(role: Role): string {
    return join(this.folder, role);
  }

  config(role: Role): string {
    return join(this.folder, `${role}.yaml`);
  }

  socket(role: Role, name: string): string {
    return join(this.root(role), "run", `${name}.sock`);
  }

  /** A command of the running primary, shown with all it says. */
  primary(...args: string[]): Promise<CliResult> {
    return this.run("primary", args);
  }

  replica(...args: string[]): Promise<CliResult> {
    return this.run("replica", args);
  }

  primaryLines(shown: RegExp, ...args: string[]): Promise<CliResult> {
    return this.run("primary", args, { shown });
  }

  replicaLines(shown: RegExp, ...args: string[]): Promise<CliResult> {
    return this.run("replica", args, { shown });
  }

  /** A command of another program, shown with what it says. */
  async command(words: string[]): Promise<string> {
    showCommand(words);
    const [file = "", ...args] = words;
    const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: "C" };
    const { stdout } = await execa(file, args, { env, stdin: "ignore", cancelSignal: this.cleanUp.signal });
    showOutput(stdout);
    return stdout;
  }

  /** Runs with `--config`, which says where the side lies. */
  run(role: Role, args: string[], options: RunOptions = {}): Promise<CliResult> {
    return this.runBare(role, [...args, "--config", this.config(role)], options);
  }

  /** @throws Error if the command ends otherwise than expected */
  async runBare(role: Role, args: string[], options: RunOptions = {}): Promise<CliResult> {
    const { input, exitCode = 0, shown, before = [] } = options;
    showCommand([...before, `isochron-${role}`, ...args]);
    const result = await runCli(role, args, {
      ...(input === undefined ? {} : { input }),
      env: { COLUMNS: String(WIDTH) },
      signal: this.cleanUp.signal,
    });
    this.cleanUp.signal.throwIfAborted();
    const said = [result.stdout, result.stderr].filter((text) => text !== "").join("\n");
    const right = result.exitCode === exitCode;
    const lines = said.split("\n").filter((line) => !right || (shown?.test(line) ?? true));
    showOutput(lines.join("\n"));
    if (right) return result;
    throw new Error(`isochron-${role} ${args[0]} ended with exit code ${result.exitCode}, not ${exitCode}`);
  }

  commandsToTry(): string[] {
    const of = (role: Role) => `--config ${this.config(role)}`;
    return [
      `isochron-replica search 'removed or upgraded' ${of("replica")}`,
      `isochron-replica chain ${this.element} --json ${of("replica")}`,
      `isochron-replica verify --element ${this.element} ${of("replica")}`,
      `echo '{"element_id":"note:1","element_type":"Note","action":"written"}' |`,
      `    isochron-primary ingest - --json ${of("primary")}`,
      `isochron-primary seal ${of("primary")}`,
      `isochron-primary watch --from-start-of-history ${of("primary")}`,
      `isochron-replica anomalies --window 30d ${of("replica")}`,
      `isochron-primary resync replica-1 --dry-run --full ${of("primary")}`,
      `curl -s --unix-socket ${this.socket("replica", "query")} http://x/v1/status`,
    ];
  }

  untilSignal(): Promise<void> {
    const { signal } = this.cleanUp;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      // Without something to wait for, node would end.
      const timer = setInterval(() => undefined, 60_000);
      signal.addEventListener("abort", () => {
        clearInterval(timer);
        resolve();
      });
    });
  }
}

/** @throws Error unless run by root */
export async function makeSession(cleanUp: CleanUp): Promise<Session> {
  if (process.geteuid?.() !== 0) {
    throw Object.assign(new Error("mounting volumes and btrfs send and receive need root"), { hint: "run it as root" });
  }
  const folder = await mkdtemp(join(tmpdir(), "isochron-"));
  cleanUp.add(() => rm(folder, { recursive: true, force: true }));
  const session = new Session(folder, cleanUp);
  await mkdir(session.binFolder);
  for (const role of ["primary", "replica"] as const) {
    await symlink(binPath(role), join(session.binFolder, `isochron-${role}`));
  }
  return session;
}
