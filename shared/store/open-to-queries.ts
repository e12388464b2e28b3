// What whoever answers queries may reach of a root. A user of its own gets passage to what is promoted, and the folder of its
// index; arrivals, the live ledger and keys stay root's. Root works here in folders that this user may write to: it follows
// no link, gives away only what is its own under a single name, and never enters a folder that is another's.
import {
  chmod,
  chown,
  constants,
  type FileHandle,
  lstat,
  open,
  readdir,
  realpath,
  rename,
  stat,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "../log.js";
import { RootLayout, type StoreLayout } from "./layout.js";
import { adoptQueryIndex, discardIndex, makeIndexFolder, setAside } from "./make-index-folder.js";
import { widenFolder } from "./widen-modes.js";

/** Who answers queries; undefined is the daemon's own child. */
export type QueryUser = Owner | undefined;

interface Owner {
  uid: number;
  gid: number;
}

/** All stores of the root, at the start of the daemon. A store that cannot be opened is logged, and the others are. */
export async function openStoresToQueries(root: string, user: QueryUser, log: Logger): Promise<void> {
  const layout = new RootLayout(root);
  // The group first: the old one must not get the new mode.
  await chown(layout.stores, self(), user?.gid ?? process.getegid?.() ?? 0);
  await chmod(layout.stores, user ? 0o750 : 0o700);
  if (user) {
    await warnOfClosedFolders(root, user, log);
    await openModels(layout.models);
  }
  for (const uuid of await readdir(layout.stores)) {
    const store = layout.store(uuid);
    try {
      await adoptQueryIndex(store);
      await openStoreToQueries(store, user, log);
    } catch (error) {
      log.error("a store cannot be opened to queries", { store: uuid, error });
    }
  }
}

/** The folders above are the operator's: whether others may pass through them is not the daemon's to change. */
async function warnOfClosedFolders(root: string, { uid, gid }: Owner, log: Logger): Promise<void> {
  for (let folder = await realpath(root); ; folder = dirname(folder)) {
    const found = await stat(folder);
    const bit = found.uid === uid ? 0o100 : found.gid === gid ? 0o010 : 0o001;
    if ((found.mode & bit) === 0) {
      log.warn("the query user may not pass through a folder: chmod o+x", { folder, mode: formatMode(found.mode) });
    }
    if (dirname(folder) === folder) return;
  }
}

/** Questions are embedded by the models that made the vectors. One that is being added is its command's alone. */
async function openModels(models: string): Promise<void> {
  for (const name of (await readdir(models).catch(ifMissing)) ?? []) {
    if (!name.startsWith(".")) await widenFolder(join(models, name)).catch(ifMissing);
  }
}

/** One store, by one call at a time. Asking again for what is open already is cheap. */
export async function openStoreToQueries(store: StoreLayout, user: QueryUser, log: Logger): Promise<void> {
  const owner = user?.uid ?? self();
  const found = await lstat(store.queryIndex).catch(ifMissing);
  if (found?.isDirectory() && found.uid === owner) return;
  await openModes(store);
  if (found && !(found.isDirectory() && found.uid === self())) {
    log.warn("the index is another user's, and is built again", { folder: store.queryIndex, uid: found.uid });
    await discardIndex(store.queryIndex);
  }
  await makeIndexFolder(store.index);
  await makeIndexFolder(store.queryIndex);
  if (user) await giveIndex(store.queryIndex, user);
}

/** What a daemon with another umask may have made too narrow, and what is nobody's but root's. */
async function openModes(store: StoreLayout): Promise<void> {
  const generations = await readdir(store.generations).catch(ifMissing);
  const open = [store.dir, store.generations, ...(generations ?? []).map((name) => join(store.generations, name))];
  for (const folder of [...open, store.index]) await chmod(folder, 0o755).catch(ifMissing);
  for (const folder of [store.live.dir, store.staging, store.links]) await chmod(folder, 0o700).catch(ifMissing);
  await chmod(store.storeFile, 0o644).catch(ifMissing);
}

/**
 * Closed and out of the way meanwhile: a crash leaves nothing half given where root would take it for its own, and the index
 * is built again.
 */
async function giveIndex(path: string, owner: Owner): Promise<void> {
  const aside = await setAside(path);
  await chmod(aside, 0o700);
  await giveFolder(aside, owner);
  await rename(aside, path);
}

/** What is in it first: until the folder itself is given, nobody else can change what its names lead to. */
async function giveFolder(path: string, owner: Owner): Promise<void> {
  for (const name of await readdir(path)) await give(join(path, name), owner);
  await withoutLinks(path, (handle) => handle.chown(owner.uid, owner.gid));
}

async function give(path: string, owner: Owner): Promise<void> {
  await withoutLinks(path, async (handle) => {
    const found = await handle.stat();
    if (found.uid !== self()) return;
    if (found.isDirectory()) await giveFolder(path, owner);
    // A file with a second name elsewhere would be given away there too.
    else if (found.isFile() && found.nlink === 1) await handle.chown(owner.uid, owner.gid);
  });
}

/** Passes over what cannot be opened without following a link or waiting for somebody. */
async function withoutLinks(path: string, use: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(ifNoFile);
  if (!handle) return;
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}

function formatMode(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function self(): number {
  return process.geteuid?.() ?? 0;
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

function ifNoFile(error: NodeJS.ErrnoException): undefined {
  if (!["ENOENT", "ELOOP", "ENXIO"].includes(error.code ?? "")) throw error;
}
