// Another Node in a folder, from the npm package that carries its binary. Nothing of this machine's Node is changed.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

/** The next long-term one: its ABI is another. */
export const OTHER_NODE = "24.21.0";

/** Resolves with the path of the binary. */
export async function installNode(folder: string, version: string): Promise<string> {
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }));
  await execa("npm", ["install", "--no-save", "--prefix", folder, `node@${version}`], { stdin: "ignore" });
  const node = join(folder, "node_modules", "node", "bin", "node");
  const { stdout } = await execa(node, ["--version"]);
  if (stdout !== `v${version}`) throw new Error(`the package's Node is ${stdout}`);
  return node;
}
