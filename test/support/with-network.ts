// Links between a primary and its replicas, in network namespaces of their own: real TCP of the kernel over lines whose
// rate, round trip and loss a test sets, and which it cuts and heals. Works where the kernel has no netem. One program,
// shape-links.c, holds it all: when it ends, by whatever end, nothing is left.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { type Part, program, ROOT, requirePart } from "./require-part.js";

export interface LinkShape {
  /** IP packets each way, headers included; no limit if left out. */
  rateMbit?: number;
  /** Half of it each way. */
  roundTripMs?: number;
  /** Of packets each way, by a generator that gives the same numbers in each run. */
  lossPercent?: number;
}

export interface LinkCounts {
  packets: number;
  bytes: number;
  /** Lost by chance. */
  lost: number;
  /** Dropped because the queue was full: how TCP finds out the rate. */
  dropped: number;
}

export interface NetworkLink {
  /** The replica's address, as the primary reaches it. */
  readonly address: string;
  /** Words before a command that runs it at the replica's end. */
  readonly enter: readonly string[];
  /** From now on, what is under way included. Nothing given is a line without limits. */
  shape(shape: LinkShape): Promise<void>;
  /** No packet arrives any more, and neither end is told. */
  cut(): Promise<void>;
  heal(): Promise<void>;
  /** Of both ways, since the start. */
  counts(): Promise<LinkCounts>;
}

export interface Network {
  /** Words before a command that runs it at the primary's end of all links. */
  readonly enter: readonly string[];
  link(index: number): NetworkLink;
  stop(): Promise<void>;
}

const TUN: Part = {
  name: "/dev/net/tun",
  howToGet: "modprobe tun",
  isThere: async () => {
    await execa("modprobe", ["tun"], { reject: false, stdin: "ignore" });
    return existsSync("/dev/net/tun");
  },
};
const PARTS = [ROOT, TUN, program("cc", "build-essential"), program("nsenter", "util-linux")];
const SOURCE = fileURLToPath(new URL("../../../test/support/shape-links.c", import.meta.url));

/** Whether there can be such links here; else the test is skipped. */
export async function requireNetwork(t: TestContext): Promise<boolean> {
  for (const part of PARTS) if (!(await requirePart(t, part))) return false;
  return true;
}

export async function networkIsPossible(): Promise<boolean> {
  for (const part of PARTS) if (!(await part.isThere())) return false;
  return true;
}

export async function withNetwork<T>(
  { replicas }: { replicas: number },
  body: (network: Network) => Promise<T>,
): Promise<T> {
  const network = await startNetwork({ replicas });
  try {
    return await body(network);
  } finally {
    await network.stop();
  }
}

export async function startNetwork({ replicas }: { replicas: number }): Promise<Network> {
  const folder = await mkdtemp(join(tmpdir(), "isochron-network-"));
  try {
    const path = join(folder, "shape-links");
    await execa("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-o", path, SOURCE], { stdin: "ignore" });
    const rig = LinkProgram.start(path, replicas);
    const namespaces = await rig.namespaces();
    const links = Array.from({ length: replicas }, (_, index) => makeLink(rig, index, enter(namespaces[index + 1])));
    return {
      enter: enter(namespaces[0]),
      link: (index) => links[index] ?? noSuchLink(index, replicas),
      stop: () => rig.stop(),
    };
  } finally {
    // It runs on without its file.
    await rm(folder, { recursive: true, force: true });
  }
}

function makeLink(rig: LinkProgram, index: number, enterIt: readonly string[]): NetworkLink {
  return {
    address: `198.18.${index}.2`,
    enter: enterIt,
    shape: async ({ rateMbit = 0, roundTripMs = 0, lossPercent = 0 }) => {
      const numbers = [rateMbit * 1e6, (roundTripMs / 2) * 1000, lossPercent * 10_000];
      await rig.ask(`shape ${index} ${numbers.map(Math.round).join(" ")}`);
    },
    cut: async () => {
      await rig.ask(`cut ${index}`);
    },
    heal: async () => {
      await rig.ask(`heal ${index}`);
    },
    counts: async () => {
      const answer = await rig.ask(`count ${index}`);
      const [packets = 0, bytes = 0, lost = 0, dropped = 0] = answer.split(" ").slice(1).map(Number);
      return { packets, bytes, lost, dropped };
    },
  };
}

function noSuchLink(index: number, count: number): never {
  throw new Error(`there is no link ${index}: there are ${count}`);
}

function enter(namespace: string | undefined): readonly string[] {
  return ["nsenter", `--net=${namespace}`, "--"];
}

/** The running program: one line in, one line out, in order. */
class LinkProgram {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start(path: string, links: number): LinkProgram {
    const child = spawn(path, [String(links)], { stdio: ["pipe", "pipe", "inherit"] });
    const rig = new LinkProgram(child);
    createInterface({ input: child.stdout }).on("line", (line) => rig.#waiting.shift()?.resolve(line));
    const ended = () => {
      for (const { reject } of rig.#waiting.splice(0)) reject(new Error("shape-links has ended"));
    };
    child.once("error", ended);
    child.once("exit", ended);
    // A command to one that has ended is told by `ask`.
    child.stdin.on("error", () => undefined);
    return rig;
  }

  /** Paths of the primary's network namespace, then of each replica's: its first line, so this is asked first. */
  async namespaces(): Promise<string[]> {
    const [, ...fds] = (await this.#nextLine()).split(" ");
    return fds.map((fd) => `/proc/${this.#child.pid}/fd/${fd}`);
  }

  async ask(command: string): Promise<string> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error("shape-links has ended");
    const answered = this.#nextLine();
    this.#child.stdin?.write(`${command}\n`);
    const answer = await answered;
    if (answer.startsWith("error")) throw new Error(`${command}: ${answer}`);
    return answer;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }

  #nextLine(): Promise<string> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
}
