// What needs which model: the levels that the configuration names, and the spaces of the stores in this root. A space needs the
// very model that made its rows, found by its hashes; a level needs what has its name.
import { readdir, readFile } from "node:fs/promises";
import { FormatError } from "../format/format-error.js";
import { parseSpace, type Space } from "../format/space.js";
import { currentGeneration } from "../store/generations.js";
import { RootLayout, type StoreLayout, type TreeLayout } from "../store/layout.js";
import { listSpaces } from "../store/list-spaces.js";
import { readOriginIfThere } from "../store/store-file.js";
import type { ModelHashes } from "./model-id.js";
import type { StoredModel } from "./stored-model.js";

/** A level of the configuration and the model it names. */
export interface LevelModel {
  level: string;
  /** Name or id. */
  model: string;
  /** Whether events are embedded at this level; else it is only the level's default. */
  inForce: boolean;
}

/** A space of a store that was made by a model. */
export interface NeededSpace extends ModelHashes {
  store: string;
  origin: string;
  /** The space's folder. */
  space: string;
  /** What the model was called where the rows were made. */
  model: string;
}

export interface ModelUses {
  levels: LevelModel[];
  spaces: NeededSpace[];
}

export function usesOf(model: StoredModel, { levels, spaces }: ModelUses): ModelUses {
  return {
    levels: levels.filter((level) => level.model === model.name || level.model === model.id),
    spaces: spaces.filter((space) => isMadeBy(space, model)),
  };
}

/** What is needed and not there. */
export function missingOf(models: readonly StoredModel[], { levels, spaces }: ModelUses): ModelUses {
  return {
    levels: levels.filter(
      ({ model, inForce }) => inForce && !models.some(({ name, id }) => [name, id].includes(model)),
    ),
    spaces: spaces.filter((space) => !models.some((model) => isMadeBy(space, model))),
  };
}

/** Spaces of the current generation of every store, and of a primary's live tree. Those that need no model are left out. */
export async function readModelSpaces(root: string): Promise<NeededSpace[]> {
  const layout = new RootLayout(root);
  const uuids = await readdir(layout.stores).catch(emptyIfMissing);
  return (await Promise.all(uuids.map((uuid) => spacesOfStore(layout.store(uuid), uuid)))).flat();
}

async function spacesOfStore(store: StoreLayout, uuid: string): Promise<NeededSpace[]> {
  const origin = await readOriginIfThere(store.storeFile);
  // A store whose first generation is still coming in: it has promoted nothing that could need a model.
  if (origin === undefined) return [];
  const generation = currentGeneration(store);
  const trees = [...(generation > 0 ? [store.generation(generation)] : []), store.live];
  const found = new Map<string, NeededSpace>();
  for (const tree of trees) {
    for (const [name, space] of await spacesOfTree(tree)) {
      if (!("recipe" in space)) continue;
      const { model_sha256: modelSha256, tokenizer_sha256: tokenizerSha256 } = space.recipe;
      found.set(name, { store: uuid, origin, space: name, model: space.model, modelSha256, tokenizerSha256 });
    }
  }
  return [...found.values()];
}

async function spacesOfTree(tree: TreeLayout): Promise<[string, Space][]> {
  const names = await listSpaces(tree).catch(emptyIfMissing);
  const texts = await Promise.all(names.map((name) => readFile(tree.spaceFile(name), "utf8").catch(emptyIfMissing)));
  return names.flatMap((name, i) => {
    const space = parseIfKnown(texts[i]);
    return space ? [[name, space]] : [];
  });
}

/** Undefined while space.json is not written yet, and for a space of a later version of this program. */
function parseIfKnown(text: string | string[] | undefined): Space | undefined {
  if (typeof text !== "string") return undefined;
  try {
    return parseSpace(text);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

function isMadeBy({ modelSha256, tokenizerSha256 }: NeededSpace, model: StoredModel): boolean {
  return model.modelSha256 === modelSha256 && model.tokenizerSha256 === tokenizerSha256;
}

function emptyIfMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === "ENOENT") return [];
  throw error;
}
