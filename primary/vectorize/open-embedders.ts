// The embedders that a worker process has open: the few that levels in force need, so that a model is loaded once and
// not for each job. One that has long not been used is closed before another is opened: models are large.
import { EmbedError } from "../../shared/embed/embed-error.js";
import { type Embedder, type EmbedderSpec, openEmbedder } from "../../shared/embed/embedder.js";
import { spaceName } from "../../shared/format/space.js";

/** As many as there are levels with a model. */
const MOST_OPEN = 3;

/** Nothing can be embedded in `space`, here or elsewhere; its cause says why. */
export class SpaceFailed extends Error {
  override readonly cause: EmbedError;
  readonly space: string;
  constructor(space: string, cause: EmbedError) {
    super(cause.message, { cause });
    this.name = "SpaceFailed";
    this.space = space;
    this.cause = cause;
  }
}

/** Told before and after an embedder is opened: opening may end the process. */
export interface OpeningTold {
  opening(space: string): void;
  opened(space: string): void;
  cacheLeftOut(why: string): void;
}

export class OpenEmbedders {
  readonly #told: OpeningTold;
  /** Least recently used first. */
  readonly #bySpace = new Map<string, Embedder>();

  constructor(told: OpeningTold) {
    this.#told = told;
  }

  /** One call at a time. @throws SpaceFailed, as its `embed` does */
  async get(spec: EmbedderSpec): Promise<Embedder> {
    const name = spaceName(spec.space);
    const embedder = this.#bySpace.get(name) ?? (await this.#open(spec, name));
    this.#bySpace.delete(name);
    this.#bySpace.set(name, embedder);
    return embedder;
  }

  async #open(spec: EmbedderSpec, name: string): Promise<Embedder> {
    await this.#makeRoom();
    this.#told.opening(name);
    const embedder = await inSpace(name, () =>
      openEmbedder(spec, (error) => this.#told.cacheLeftOut(error instanceof Error ? error.message : String(error))),
    );
    this.#told.opened(name);
    return {
      space: embedder.space,
      embed: (events, withinMs) => inSpace(name, () => embedder.embed(events, withinMs)),
      close: () => embedder.close(),
    };
  }

  async #makeRoom(): Promise<void> {
    for (const [name, embedder] of this.#bySpace) {
      if (this.#bySpace.size < MOST_OPEN) return;
      this.#bySpace.delete(name);
      await embedder.close();
    }
  }
}

async function inSpace<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof EmbedError ? new SpaceFailed(name, error) : error;
  }
}
