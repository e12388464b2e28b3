// Names of users and groups, from /etc/passwd and /etc/group: numbers stand for what is not in them. The files are read
// again when they have changed.
import { readFile, stat } from "node:fs/promises";

interface NameFile {
  path: string;
  version: string;
  names: Map<number, string>;
}

export class OwnerNames {
  readonly #users: NameFile;
  readonly #groups: NameFile;

  constructor(folder = "/etc") {
    this.#users = { path: `${folder}/passwd`, version: "", names: new Map() };
    this.#groups = { path: `${folder}/group`, version: "", names: new Map() };
  }

  /** Before a round of looking at files. */
  async refresh(): Promise<void> {
    for (const file of [this.#users, this.#groups]) await readAgain(file);
  }

  user(uid: number): string {
    return this.#users.names.get(uid) ?? String(uid);
  }

  group(gid: number): string {
    return this.#groups.names.get(gid) ?? String(gid);
  }
}

async function readAgain(file: NameFile): Promise<void> {
  try {
    const { ino, size, mtimeNs } = await stat(file.path, { bigint: true });
    const version = `${ino} ${size} ${mtimeNs}`;
    if (version === file.version) return;
    file.names = parse(await readFile(file.path, "utf8"));
    file.version = version;
  } catch {
    // Numbers do as well; what was read before still holds.
  }
}

/** passwd(5) and group(5) both begin with name:password:number. The first name of a number counts. */
function parse(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name, , number] = line.split(":");
    if (!name || !number || !/^\d+$/.test(number) || names.has(Number(number))) continue;
    names.set(Number(number), name);
  }
  return names;
}
