// The engine's HNSW children: a number at most that hold segments and answer, and short-lived ones that build, as many
// at a time. A store too small for segments has none. All stores and spaces share them.
import PQueue from "p-queue";
import type { Logger } from "../log.js";
import { HnswHost } from "./hnsw-host.js";
import type { BuildAnswer, BuildRequest } from "./hnsw-message.js";

export class HnswPool {
  readonly processes: number;
  readonly #log: Logger;
  readonly #hosts: HnswHost[];
  readonly #builders = new Set<HnswHost>();
  readonly #builds: PQueue;
  #nextId = 1;

  constructor(processes: number, log: Logger) {
    this.processes = processes;
    this.#log = log;
    this.#hosts = Array.from({ length: processes }, () => new HnswHost(log));
    this.#builds = new PQueue({ concurrency: processes });
  }

  /** Ends all children. Builds that wait or run are rejected. */
  async stop(): Promise<void> {
    this.#builds.clear();
    await Promise.all([...this.#hosts, ...this.#builders].map((host) => host.stop()));
  }

  /** A number for a segment, different for every segment of this engine. */
  nextSegmentId(): number {
    return this.#nextId++;
  }

  /** The child that holds the fewest rows. */
  leastLoaded(): HnswHost {
    return this.#hosts.reduce((least, host) => (host.rows < least.rows ? host : least));
  }

  /** Process ids of the children that are alive. */
  pids(): number[] {
    return [...this.#hosts, ...this.#builders].map(({ pid }) => pid).filter((pid) => pid !== undefined);
  }

  /** Builds in a child of its own, so that a crash costs that segment only. @throws HnswGone */
  build(request: Omit<BuildRequest, "op" | "call">, signal: AbortSignal): Promise<BuildAnswer> {
    return this.#builds.add(
      async () => {
        const builder = new HnswHost(this.#log);
        this.#builders.add(builder);
        // Left alone, it would write into a folder that others have begun anew.
        const end = () => void builder.stop();
        signal.addEventListener("abort", end, { once: true });
        try {
          return await builder.build(request);
        } finally {
          signal.removeEventListener("abort", end);
          await builder.stop();
          this.#builders.delete(builder);
        }
      },
      { signal },
    );
  }
}
