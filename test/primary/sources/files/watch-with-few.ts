// Run in a user namespace of its own: allows few inotify watches there, then lets files change in folders that cannot be
// watched. Prints JSON.
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { withFilesSource } from "./with-files-source.js";

const LIMIT = "/proc/sys/user/max_inotify_watches";
/** Of a namespace that is new. */
const UNLIMITED = "2147483647";
const FEW = "3";

if (readFileSync(LIMIT, "utf8").trim() !== UNLIMITED) throw new Error("not in a user namespace of its own");
writeFileSync(LIMIT, FEW);

await withFilesSource(
  async ({ folder, source, told, heard }) => {
    const path = join(folder, "deep/er/a");
    writeFileSync(path, "1");
    await heard("deep/er/a", "created");
    writeFileSync(path, "2");
    await heard("deep/er/a", "modified");
    await rm(path);
    await heard("deep/er/a", "deleted");
    const { problem, folders_polled: polled } = source.state();
    const changes = told().flatMap(({ path: of, action }) => (action === "observed" ? [] : [`${action} ${of}`]));
    process.stdout.write(JSON.stringify({ told: changes, problem, polled }));
  },
  {
    pace: { pollMs: 200 },
    prepare: async (folder) => {
      await mkdir(join(folder, "deep/er"), { recursive: true });
    },
  },
);
