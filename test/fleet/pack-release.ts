// Archives as the roles take them: this tree as a release under any version number, and this machine's Node.js.
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";

export interface Archive {
  path: string;
  sha256: string;
}

const PROJECT = fileURLToPath(new URL("../../..", import.meta.url));
/** What the D-Bus roles of a release need beside the compiled program. */
const DBUS_FOLDERS = ["primary/face", "replica/face", "shared/dbus"];

/** `change` may do to the unpacked release what a faulty version would have. */
export async function packRelease(
  folder: string,
  version: string,
  change?: (top: string) => Promise<void>,
): Promise<Archive> {
  const top = join(folder, `isochron-${version}`);
  await mkdir(top, { recursive: true });
  await cp(join(PROJECT, "dist"), join(top, "dist"), { recursive: true });
  await rm(join(top, "dist/test"), { recursive: true, force: true });
  const { version: _, ...manifest } = JSON.parse(await readFile(join(PROJECT, "package.json"), "utf8"));
  await writeFile(join(top, "package.json"), JSON.stringify({ ...manifest, version }));
  for (const from of DBUS_FOLDERS) await copyDbusFiles(from, top);
  await copyModules(top);
  await change?.(top);
  const archive = await pack(folder, `isochron-${version}`);
  await rm(top, { recursive: true });
  return archive;
}

/** `bin/node` in a top folder, as the archives of nodejs.org have it. */
export async function packNode(folder: string): Promise<Archive> {
  const top = join(folder, "node");
  await mkdir(join(top, "bin"), { recursive: true });
  await cp(await realpath(process.execPath), join(top, "bin/node"));
  const archive = await pack(folder, "node");
  await rm(top, { recursive: true });
  return archive;
}

async function copyDbusFiles(from: string, top: string): Promise<void> {
  await mkdir(join(top, from), { recursive: true });
  for (const name of await readdir(join(PROJECT, from))) {
    if (/\.(conf|service)$/.test(name)) await cp(join(PROJECT, from, name), join(top, from, name));
  }
}

/** Those that run it, not those that build or test it. */
async function copyModules(top: string): Promise<void> {
  const listed = await execa("npm", ["ls", "--omit=dev", "--all", "--parseable"], { cwd: PROJECT, reject: false });
  const marker = "/node_modules/";
  const names = listed.stdout
    .split("\n")
    .filter((path) => path.includes(marker))
    .map((path) => path.slice(path.indexOf(marker) + marker.length));
  for (const name of [...new Set(names)].sort()) {
    const from = join(PROJECT, "node_modules", name);
    await cp(from, join(top, "node_modules", name), { recursive: true, dereference: true, force: true });
  }
}

async function pack(folder: string, name: string): Promise<Archive> {
  const path = join(folder, `${name}.tar.gz`);
  await execa("tar", ["--create", "--use-compress-program=gzip -1", "--file", path, "--directory", folder, name]);
  return {
    path,
    sha256: createHash("sha256")
      .update(await readFile(path))
      .digest("hex"),
  };
}
