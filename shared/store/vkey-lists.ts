// Which vkeys count at a root: `trusted-keys` (replica: whose checkpoints are accepted) and `retired-keys` (both sides: what
// signed once, and still verifies kept generations). A key that is retired is trusted no more, wherever else it stands.
import { readFileSync } from "node:fs";
import { KEY_TYPE, type NoteVerifier, parseVkey, shortKey } from "../format/signed-note.js";
import { RootLayout } from "./layout.js";
import { StoreError } from "./store-error.js";
import { replaceFile } from "./write-file.js";

/**
 * Keys of primaries that the replica at `root` accepts: those of its file and of its configuration that are not retired.
 *
 * @throws StoreError `unreadable`, naming the line
 */
export async function readTrustedKeys(root: string, configured: readonly string[] = []): Promise<NoteVerifier[]> {
  return new TrustedKeysReader(root, configured).read();
}

/** Reads them again and again; what is in the files is parsed when they have changed. */
export class TrustedKeysReader {
  readonly #layout: RootLayout;
  readonly #configured: readonly string[];
  #last: { trusted: string; retired: string; keys: NoteVerifier[] } | undefined;

  constructor(root: string, configured: readonly string[] = []) {
    this.#layout = new RootLayout(root);
    this.#configured = configured;
  }

  /** @throws StoreError `unreadable`, naming the line */
  async read(): Promise<NoteVerifier[]> {
    const { trustedKeys, retiredKeys } = this.#layout;
    const [trusted, retired] = [readIfThere(trustedKeys), readIfThere(retiredKeys)];
    if (this.#last?.trusted === trusted && this.#last.retired === retired) return this.#last.keys;
    const known = [...parseVkeys(trustedKeys, trusted), ...this.#configured.map(parseTrustedKey)];
    const byVkey = new Map(known.map((key) => [key.vkey, key]));
    for (const { vkey } of parseVkeys(retiredKeys, retired)) byVkey.delete(vkey);
    this.#last = { trusted, retired, keys: [...byVkey.values()] };
    return this.#last.keys;
  }
}

/** @throws StoreError `unreadable`, naming the line */
export async function readRetiredKeys(root: string): Promise<NoteVerifier[]> {
  return readVkeys(new RootLayout(root).retiredKeys);
}

/** Adds a primary's vkey; one that was retired counts again. Returns false if it, or the configuration, has it already. */
export async function addTrustedKey(root: string, vkey: string, configured: readonly string[] = []): Promise<boolean> {
  const { trustedKeys, retiredKeys } = new RootLayout(root);
  const key = parseTrustedKey(vkey);
  if (has(await readTrustedKeys(root, configured), key)) return false;
  await addVkey(trustedKeys, key);
  await dropVkey(retiredKeys, key);
  return true;
}

/**
 * Notes that a key signs nothing new from now on. Returns false if it was noted already. First the note, which alone is
 * enough: a crash before the second step leaves a line that no longer counts.
 */
export async function retireKey(root: string, key: NoteVerifier): Promise<boolean> {
  const { trustedKeys, retiredKeys } = new RootLayout(root);
  const added = await addVkey(retiredKeys, key);
  await dropVkey(trustedKeys, key);
  return added;
}

/** A primary's vkey. @throws FormatError `bad-vkey`; StoreError `invalid` for a replica's key */
export function parseTrustedKey(vkey: string): NoteVerifier {
  const key = parseVkey(vkey);
  if (key.keyType === KEY_TYPE.ed25519) return key;
  throw new StoreError("invalid", `${shortKey(key)} is a replica's cosigning key, not a primary's key`, {
    hint: "take the vkey that `isochron-primary key` prints",
  });
}

/** vkeys of a file. A file that is not there has none. */
async function readVkeys(path: string): Promise<NoteVerifier[]> {
  return parseVkeys(path, readIfThere(path));
}

/** Blank lines and lines that begin with `#` are passed over. */
function parseVkeys(path: string, text: string): NoteVerifier[] {
  const keys: NoteVerifier[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    try {
      keys.push(parseTrustedKey(line));
    } catch (cause) {
      throw new StoreError("unreadable", `${path}, line ${index + 1}: ${(cause as Error).message}`, { cause });
    }
  }
  return keys;
}

/** Read in the turn, for each hello and each push: see `read-part.ts`. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

async function addVkey(path: string, key: NoteVerifier): Promise<boolean> {
  const known = await readVkeys(path);
  if (has(known, key)) return false;
  await writeVkeys(path, [...known, key]);
  return true;
}

async function dropVkey(path: string, key: NoteVerifier): Promise<void> {
  const known = await readVkeys(path);
  if (has(known, key))
    await writeVkeys(
      path,
      known.filter(({ vkey }) => vkey !== key.vkey),
    );
}

function writeVkeys(path: string, keys: readonly NoteVerifier[]): Promise<void> {
  return replaceFile(path, keys.map(({ vkey }) => `${vkey}\n`).join(""));
}

function has(keys: readonly NoteVerifier[], { vkey }: NoteVerifier): boolean {
  return keys.some((key) => key.vkey === vkey);
}
