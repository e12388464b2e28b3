// A model on hosts of the fleet: a small one that tests make, put where the inventory says, and the variables that have the roles
// install it with its runtime.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { hashFile } from "../../shared/models/hash-file.js";
import { makeModel } from "../support/make-model.js";
import type { NspawnHost } from "./nspawn-host.js";
import type { Archive } from "./pack-release.js";

export const MODEL = "made-model";
/** What has a primary make vectors with it. */
export const AT_MEDIUM = { vectorize: { level: "medium", models: { medium: MODEL } } };

const ON_HOSTS = "/srv";

/** Resolves with the variables of these hosts. `folder` is for the making. */
export async function bringModel(
  hosts: readonly NspawnHost[],
  runtime: Archive,
  folder: string,
): Promise<Record<string, unknown>> {
  const made = join(folder, MODEL);
  await mkdir(made);
  await makeModel(made);
  for (const host of hosts) await host.put(made, ON_HOSTS);
  const sha256 = await hashFile(join(made, "onnx/model.onnx"));
  return {
    ...{ isochron_runtime: runtime.path, isochron_runtime_sha256: runtime.sha256 },
    isochron_models: [{ source: join(ON_HOSTS, MODEL), name: MODEL, sha256 }],
  };
}
