// Ends the trust in a key that a primary no longer signs with. It is noted as retired, so that kept generations still verify.
// What must never happen: that the generation this replica stands on is then signed by nobody it trusts.
import { readdir, readFile } from "node:fs/promises";
import { type NoteVerifier, openNote, shortKey } from "../shared/format/signed-note.js";
import { RootLayout, type StoreLayout, TreeLayout } from "../shared/store/layout.js";
import { StoreError } from "../shared/store/store-error.js";
import { readOriginIfThere } from "../shared/store/store-file.js";
import { parseTrustedKey, readRetiredKeys, readTrustedKeys, retireKey } from "../shared/store/vkey-lists.js";

export interface RetiredKey {
  vkey: string;
  /** False if it was retired already. */
  changed: boolean;
}

/** `wanted`: a vkey, or `<name>+<key id>`. @throws StoreError `missing`, `in-use`, `unreadable` of a store whose origin cannot be read */
export async function retireTrustedKey(
  root: string,
  configured: readonly string[],
  wanted: string,
): Promise<RetiredKey> {
  const isWanted = (key: NoteVerifier) => key.vkey === wanted || shortKey(key) === wanted;
  const trusted = await readTrustedKeys(root, configured);
  const key = trusted.find(isWanted);
  if (!key) {
    const before = (await readRetiredKeys(root)).find(isWanted);
    if (before) return { vkey: before.vkey, changed: false };
    // Of whom nothing is accepted anyway: noted, so that what it signed can be verified.
    if (isVkey(wanted)) return { vkey: wanted, changed: await retireKey(root, parseTrustedKey(wanted)) };
    throw new StoreError("missing", `${JSON.stringify(wanted.slice(0, 120))} is no key that is trusted here`, {
      hint: "`isochron-replica trust` lists them",
    });
  }
  const left = trusted.filter(({ name, vkey }) => name === key.name && vkey !== key.vkey);
  await requireSignedWithout(root, key, left);
  return { vkey: key.vkey, changed: await retireKey(root, key) };
}

function isVkey(text: string): boolean {
  return text.split("+").length > 2;
}

async function requireSignedWithout(root: string, key: NoteVerifier, left: readonly NoteVerifier[]): Promise<void> {
  const layout = new RootLayout(root);
  for (const uuid of await readdir(layout.stores)) {
    const store = layout.store(uuid);
    const origin = await readOriginIfThere(store.storeFile);
    if (origin !== key.name || (await isSignedBy(store, left))) continue;
    throw new StoreError("in-use", `the newest generation of ${origin} here is signed by ${shortKey(key)} alone`, {
      hint: "once its primary has gone over to another key: `isochron-primary seal --force` there, then this again",
    });
  }
}

async function isSignedBy(store: StoreLayout, keys: readonly NoteVerifier[]): Promise<boolean> {
  // By the link: a generation that is named by its number may be deleted meanwhile.
  const note = await readFile(new TreeLayout(store.current).checkpoint, "utf8").catch(() => undefined);
  return note === undefined || openNote(note, keys).signedBy.length > 0;
}
