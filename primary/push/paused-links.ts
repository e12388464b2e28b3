// `links/paused.json`: the replicas that an operator holds. A pause outlives the daemon: a replica that is being repaired
// must not be pushed to because the primary was restarted meanwhile.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { wholeSeconds } from "../../shared/format/timestamp.js";
import type { Logger } from "../../shared/log.js";
import { replaceFile } from "../../shared/store/write-file.js";

const schema = z.record(z.string(), z.object({ since: z.string(), reason: z.string() }));
type Pauses = z.infer<typeof schema>;

export class PausedLinks {
  readonly #path: string;
  #pauses: Pauses;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, pauses: Pauses) {
    this.#path = path;
    this.#pauses = pauses;
  }

  /** A file that cannot be read holds nobody, and is told. */
  static async open(path: string, log: Logger): Promise<PausedLinks> {
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "{}";
      throw error;
    });
    try {
      return new PausedLinks(path, schema.parse(JSON.parse(text)));
    } catch (error) {
      log.error("which replicas are paused cannot be read: none is", { file: path, error });
      return new PausedLinks(path, {});
    }
  }

  /** Why and since when it is held; `undefined` if it is not. */
  reason(name: string): string | undefined {
    const pause = Object.hasOwn(this.#pauses, name) ? this.#pauses[name] : undefined;
    return pause && `${pause.reason} (since ${wholeSeconds(pause.since)})`;
  }

  /** Resolves once it is durable. */
  async pause(name: string, reason: string): Promise<void> {
    await this.#change((pauses) => ({ ...pauses, [name]: { since: new Date().toISOString(), reason } }));
  }

  async resume(name: string): Promise<void> {
    await this.#change(({ [name]: _, ...others }) => others);
  }

  #change(change: (pauses: Pauses) => Pauses): Promise<void> {
    const written = this.#writing.then(async () => {
      const pauses = change(this.#pauses);
      await replaceFile(this.#path, `${JSON.stringify(pauses, null, 2)}\n`);
      this.#pauses = pauses;
    });
    this.#writing = written.catch(() => undefined);
    return written;
  }
}
