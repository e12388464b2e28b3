// Run as a user without rights: what the source tells when a folder is closed and a file cannot be read. Prints JSON.
import { writeFileSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { withFilesSource } from "./with-files-source.js";

await withFilesSource(
  async (files) => {
    const { folder, told } = files;
    writeFileSync(join(folder, "hidden"), "x", { mode: 0 });
    const hidden = (await files.heard("hidden", "created")).state;
    const before = told().length;
    await files.restart(() => chmod(join(folder, "closed"), 0));
    const { problem } = files.source.state();
    await chmod(join(folder, "closed"), 0o755);
    const rest = told()
      .slice(before)
      .filter(({ path }) => path.startsWith("closed/"));
    process.stdout.write(JSON.stringify({ told: rest, problem, hidden }));
  },
  {
    prepare: async (folder) => {
      await mkdir(join(folder, "closed"));
      writeFileSync(join(folder, "closed/in"), "x");
    },
  },
);
