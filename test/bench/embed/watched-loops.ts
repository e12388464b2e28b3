// How late timers fire in a daemon, and in a process beside it that does nothing: what the second has, the machine does.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DaemonProcess } from "../../support/start-daemon.js";
import type { LoopDelays } from "./loop-probe.js";

const PROBE = new URL("./loop-probe.js", import.meta.url);

export interface WatchedDelays {
  daemon: LoopDelays;
  idle: LoopDelays;
}

export class WatchedLoops {
  readonly #daemon: DaemonProcess;
  readonly #idle: ChildProcess;
  readonly #file: string;

  private constructor(daemon: DaemonProcess, idle: ChildProcess, file: string) {
    this.#daemon = daemon;
    this.#idle = idle;
    this.#file = file;
  }

  /** Before the daemon is started. */
  static prepare(daemon: DaemonProcess, folder: string): WatchedLoops {
    const env = { LOOP_PROBE_FILE: join(folder, "loop-delays") };
    Object.assign(daemon.env, env, { NODE_OPTIONS: `--import ${PROBE.href}` });
    const idle = spawn(process.execPath, [PROBE.pathname, "idle"], {
      stdio: "ignore",
      env: { ...process.env, ...env },
    });
    return new WatchedLoops(daemon, idle, env.LOOP_PROBE_FILE);
  }

  /** Since the last time, or the start. */
  async read(): Promise<WatchedDelays> {
    return { daemon: await this.#ask(this.#daemon.pid), idle: await this.#ask(this.#idle.pid as number) };
  }

  async stop(): Promise<void> {
    if (this.#idle.exitCode !== null || this.#idle.signalCode !== null) return;
    const gone = once(this.#idle, "exit");
    this.#idle.kill();
    await gone;
  }

  async #ask(pid: number): Promise<LoopDelays> {
    const file = `${this.#file}.${pid}`;
    await rm(file, { force: true });
    process.kill(pid, "SIGUSR2");
    for (let tries = 0; tries < 300; tries += 1) {
      const text = await readFile(file, "utf8").catch(() => undefined);
      if (text !== undefined) return JSON.parse(text) as LoopDelays;
      await sleep(50);
    }
    throw new Error(`process ${pid} does not say how late its timers are`);
  }
}
