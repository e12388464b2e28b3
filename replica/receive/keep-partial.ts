// What a store keeps of a push that was cut: one folder in staging, and `partial.json`, which names it. Everything else in
// staging is nobody's. Nothing is trusted for being kept: it is what a push goes on from, and is verified as any other.
//
// Order, and what a crash leaves behind:
//   1. a part is in its folder, and synced       the note still names the one before: this one is swept
//   2. the note is replaced and synced           it names this one: the one before is swept
//   3. the folder of the one before is deleted   all done
// Two folders of one generation hold subvolumes of the same received UUID, and `btrfs receive` finds parents by that: only
// one may be left before the generation is promoted.
import { readdirSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Logger } from "../../shared/log.js";
import { listReadOnly } from "../../shared/store/btrfs.js";
import { deletePair } from "../../shared/store/generations.js";
import { type StoreLayout, SUBVOLUMES } from "../../shared/store/layout.js";
import type { StreamPlace } from "../../shared/store/walk-commands.js";
import { replaceFile } from "../../shared/store/write-file.js";
import { ReceiveError } from "./receive-error.js";
import type { ArrivedPart } from "./receive-in-parts.js";

const range = z.object({ from: z.number(), to: z.number() });
const schema = z.object({
  origin: z.string(),
  generation: z.number().int().positive(),
  /** `null` for a full send. */
  base: z.number().int().positive().nullable(),
  folder: z.string().regex(/^[0-9]+-[0-9a-f]+(?:\.[0-9]+)?$/),
  place: z.object({ bytes: z.number().int().positive(), digest: z.string().length(64) }),
  uuids: z.object({ timing: z.string().optional(), vector: z.string().optional() }),
  inspected: z.object({
    subvolumes: z.array(
      z.object({
        name: z.enum(SUBVOLUMES),
        uuid: z.string(),
        ctransid: z.string(),
        made: z.array(z.string()),
        touched: z.array(z.tuple([z.string(), z.array(range)])),
      }),
    ),
    version: z.number().int(),
    protocol: z.number().int(),
    lengths: z.array(z.tuple([z.string(), z.number()])),
  }),
  kept_at: z.iso.datetime(),
});
export type Partial = z.infer<typeof schema>;

/** What a push says of itself. */
export interface AnnouncedPush {
  generation: number;
  base: number | undefined;
  /** Where it goes on. */
  resume: StreamPlace | undefined;
}

/** The note, also before the store is known; `undefined` if there is none that can be read. */
export async function readPartial(store: StoreLayout): Promise<Partial | undefined> {
  const text = await readFile(store.partial, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export class PartialKeeper {
  readonly #store: StoreLayout;
  readonly #maxAgeMs: number;
  readonly #log: Logger;
  #partial: Partial | undefined;
  #inUse = false;
  #timer: NodeJS.Timeout | undefined;

  /** `maxAgeMs`: what is older goes; 0 keeps nothing. */
  constructor(store: StoreLayout, maxAgeMs: number, log: Logger) {
    this.#store = store;
    this.#maxAgeMs = maxAgeMs;
    this.#log = log;
  }

  get partial(): Partial | undefined {
    return this.#partial;
  }

  /** Reads the note at the start. `stoodAt`: the generation that is current here. */
  async load(stoodAt: number): Promise<void> {
    this.#partial = await readPartial(this.#store);
    if (!this.#partial) return;
    const { generation, base } = this.#partial;
    if (this.#maxAgeMs === 0) await this.drop("nothing is to be kept");
    else if (generation <= stoodAt || (base !== null && base !== stoodAt))
      await this.drop("it does not fit what is held");
    else if (!(await this.#isThere(this.#partial))) await this.drop("it is not there");
    else this.#expireLater();
  }

  /** Deletes everything in staging that the note does not name. Returns what. */
  async sweep(): Promise<string[]> {
    const swept: string[] = [];
    for (const name of readdirSync(this.#store.staging)) {
      if (name === this.#partial?.folder) continue;
      await deletePair(join(this.#store.staging, name));
      swept.push(join("staging", name));
    }
    return swept;
  }

  /**
   * What this push goes on from; what it does not go on from is deleted. Until `release`, nothing expires.
   *
   * @throws ReceiveError `partial-missing`
   */
  async claim({ generation, base, resume }: AnnouncedPush): Promise<ArrivedPart | undefined> {
    this.#inUse = true;
    const kept = this.#partial;
    if (!resume) {
      if (kept) await this.drop(`generation ${generation} is sent from its start`);
      else await this.sweep();
      return undefined;
    }
    const isSame =
      kept?.generation === generation &&
      kept.base === (base ?? null) &&
      kept.place.bytes === resume.bytes &&
      kept.place.digest === resume.digest;
    if (kept && isSame && (await this.#isThere(kept))) return kept;
    await this.drop("what is there is not what a push goes on from");
    throw new ReceiveError("partial-missing", `nothing is kept here of generation ${generation} up to ${resume.bytes}`);
  }

  release(): void {
    this.#inUse = false;
    if (this.#partial) this.#expireLater();
  }

  async keep(origin: string, { generation, base }: AnnouncedPush, part: ArrivedPart): Promise<void> {
    const partial = { ...part, origin, generation, base: base ?? null, kept_at: new Date().toISOString() };
    await replaceFile(this.#store.partial, `${JSON.stringify(partial)}\n`);
    this.#partial = partial;
    this.#expireLater();
    await this.sweep();
    this.#log.debug("kept what has arrived", { generation, bytes: part.place.bytes, folder: part.folder });
  }

  /** Its note goes first: a folder without one is swept at the start. */
  async drop(reason: string): Promise<void> {
    const dropped = this.#partial;
    await this.forget();
    const swept = await this.sweep();
    if (dropped) {
      const { generation, place } = dropped;
      this.#log.info("let go of what a cut push left", { generation, bytes: place.bytes, reason, swept });
    }
  }

  /** Its folder is a generation by now. */
  async forget(): Promise<void> {
    clearTimeout(this.#timer);
    this.#partial = undefined;
    await rm(this.#store.partial, { force: true });
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  async #isThere({ folder, uuids }: Partial): Promise<boolean> {
    const found = await listReadOnly(join(this.#store.staging, folder)).catch(() => undefined);
    const entries = Object.entries(uuids);
    return entries.length > 0 && entries.every(([name, uuid]) => found?.get(name)?.uuid === uuid);
  }

  /** At once, if it is old enough by now. */
  #expireLater(): void {
    clearTimeout(this.#timer);
    const ageMs = Date.now() - Date.parse(this.#partial?.kept_at ?? "");
    // A clock that stands before the note, such as one that has not been set yet, makes it new, not old.
    const leftMs = Math.min(this.#maxAgeMs, Math.max(0, this.#maxAgeMs - ageMs));
    this.#timer = setTimeout(() => this.#expire(), leftMs);
    this.#timer.unref();
  }

  #expire(): void {
    if (this.#inUse) return;
    this.drop("nobody went on with it").catch((error: unknown) => {
      this.#log.warn("what a cut push left stays for now", { error });
    });
  }
}
