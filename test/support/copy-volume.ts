// A side's volume as a backup has it: copied whole while its daemon is stopped, and put back in the same way.
import { copyFile } from "node:fs/promises";
import { execa } from "execa";
import { RootLayout } from "../../shared/store/layout.js";
import { eventually } from "./eventually.js";
import type { FleetSide } from "./start-many.js";

/** Its loop file's copy. */
export async function backUp(side: FleetSide): Promise<string> {
  const { loopFile } = new RootLayout(side.root);
  await side.daemon.stop();
  await unmountWhole(side.root);
  await copyFile(loopFile, `${loopFile}.old`);
  await side.daemon.start();
  return `${loopFile}.old`;
}

export async function restore(side: FleetSide, backup: string): Promise<void> {
  await side.daemon.stop();
  await unmountWhole(side.root);
  await copyFile(backup, new RootLayout(side.root).loopFile);
  await side.daemon.start();
}

/** Not lazily: what is copied over a volume that somebody still has mounted is not what the next mount shows. */
export async function unmountWhole(root: string): Promise<void> {
  let said = "";
  await eventually(
    async () => {
      const { exitCode, stderr } = await execa("umount", [root], { reject: false });
      said = stderr;
      return exitCode === 0;
    },
    () => said,
  );
}
