// `model remove`: a model goes in one step, by rename, and its bytes after that. Processes that have it open keep it until
// they end.
import { mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { RootLayout } from "../store/layout.js";
import { syncFolder } from "../store/write-file.js";
import { ADDING_PREFIX } from "./adding-folder.js";
import type { ModelUses } from "./find-uses.js";
import { ModelError } from "./model-error.js";
import type { StoredModel } from "./stored-model.js";

/** @throws ModelError `in-use`, naming what uses it */
export function refuseIfUsed(model: StoredModel, { levels, spaces }: ModelUses): void {
  const users = [
    ...levels.filter(({ inForce }) => inForce).map(({ level }) => `level ${level}`),
    ...spaces.map(({ space, origin }) => `space ${space} of ${origin}`),
  ];
  if (users.length === 0) return;
  throw new ModelError("in-use", `${model.id} is used by ${users.join(", ")}; nothing was removed`, {
    hint: "without it events fall back to a lower level and questions to full text; if that is meant, add --force",
  });
}

export async function removeModel(root: string, { dir, id }: Pick<StoredModel, "dir" | "id">): Promise<void> {
  const { models } = new RootLayout(root);
  const going = await mkdtemp(join(models, ADDING_PREFIX));
  await rename(dir, join(going, id));
  await syncFolder(models);
  await rm(going, { recursive: true, force: true });
}
