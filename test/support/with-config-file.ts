// A configuration file for one test.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withFolder } from "./with-folder.js";

export async function withConfigFile<T>(yaml: string, body: (path: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const path = join(folder, "config.yaml");
    await writeFile(path, yaml);
    return body(path);
  });
}
