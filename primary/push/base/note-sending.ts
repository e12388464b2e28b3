// `links/<replica-uuid>.sending`: the generation that is on its way to a replica, when it is much. It keeps that
// generation over a restart, so that a push that was cut can go on. A hint only: what the replica kept, its hello says.
import { rm } from "node:fs/promises";
import { z } from "zod";
import type { Logger } from "../../../shared/log.js";
import { replaceFile } from "../../../shared/store/write-file.js";
import { readHints } from "./read-hints.js";

const schema = z.object({ replica: z.uuid(), name: z.string(), generation: z.number().int().positive() });
type Sending = z.infer<typeof schema>;

/** What one link has on its way. */
export class SendingNote {
  readonly #dir: string;
  readonly #name: string;
  readonly #pathOf: (replicaUuid: string) => string;
  /** Of the last note that was begun, until it is forgotten. */
  #noted: { path: string; generation: number; written: Promise<void> } | undefined;

  constructor(dir: string, name: string, pathOf: (replicaUuid: string) => string) {
    this.#dir = dir;
    this.#name = name;
    this.#pathOf = pathOf;
  }

  /** Generations that were on their way to replicas of this name when the daemon stopped. */
  async load(): Promise<number[]> {
    const found = await readHints(this.#dir, ".sending", schema, this.#name);
    const last = found.at(-1);
    if (last) {
      this.#noted = { path: this.#pathOf(last.replica), generation: last.generation, written: Promise.resolve() };
    }
    return found.map(({ generation }) => generation);
  }

  /** Once for each generation; the push does not wait for it. */
  note(replica: string, generation: number, log: Logger): void {
    const path = this.#pathOf(replica);
    if (this.#noted?.generation === generation && this.#noted.path === path) return;
    const sending: Sending = { replica, name: this.#name, generation };
    const written = replaceFile(path, `${JSON.stringify(sending)}\n`).catch((error: unknown) => {
      log.warn("a push that is cut may have to begin anew after a restart", { replica: this.#name, error });
    });
    this.#noted = { path, generation, written };
  }

  /** It has arrived. */
  async forget(): Promise<void> {
    const noted = this.#noted;
    this.#noted = undefined;
    await noted?.written;
    if (noted) await rm(noted.path, { force: true });
  }
}
