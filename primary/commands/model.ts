// `isochron-primary model`
import { modelCommand } from "../../shared/cli/model-command.js";
import { MODEL_LEVELS } from "../../shared/embed/levels.js";
import { laterLevels, levelsOf, loadPrimaryConfig } from "../config.js";

export const model = modelCommand({
  bin: "isochron-primary",
  async rootOf(args) {
    const { root } = (await loadPrimaryConfig(args)).config;
    const [{ ensureMounted }, { loadPrimaryIdentity }] = await Promise.all([
      import("../../shared/store/volume.js"),
      import("../../shared/store/identity.js"),
    ]);
    await ensureMounted(root);
    await loadPrimaryIdentity(root);
    return root;
  },
  async levelsOf(args) {
    const { vectorize } = (await loadPrimaryConfig(args)).config;
    const inForce = new Set<string>([levelsOf(vectorize), laterLevels(vectorize)].flatMap(Object.values));
    return MODEL_LEVELS.map((level) => ({ level, model: vectorize.models[level], inForce: inForce.has(level) }));
  },
});
