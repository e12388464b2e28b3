// Makes a root: volume, keys, store folders, and last of all the identity. A root without identity is half-made: init
// goes on from what is there, and never makes a second store or key beside it.
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { basename } from "node:path";
import { KEY_TYPE } from "../format/signed-note.js";
import { nowTimestamp } from "../format/timestamp.js";
import { createSubvolume, isSubvolume, syncFilesystem } from "./btrfs.js";
import {
  loadPrimaryIdentity,
  loadReplicaIdentity,
  type PrimaryIdentity,
  type ReplicaIdentity,
  refuseSecondInit,
  writeIdentity,
} from "./identity.js";
import { ensureSigner, ensureTransportKey, makeKeysFolder } from "./key-files.js";
import { RootLayout, type StoreLayout, SUBVOLUMES } from "./layout.js";
import { makeIndexFolder } from "./make-index-folder.js";
import { StoreError } from "./store-error.js";
import { readStoreFile, writeStoreFile } from "./store-file.js";
import { addTrustedKey, parseTrustedKey } from "./vkey-lists.js";
import { createLoopVolume, ensureMounted } from "./volume.js";

export interface InitPrimaryOptions {
  root: string;
  /** Makes a loop-mounted volume of this size; without it, `root` must lie on btrfs. */
  loopBytes?: number | undefined;
  /** Name of the ledger in every checkpoint, such as `host1.example.org/isochron`. It can't be changed later. */
  origin: string;
}

/** @throws StoreError `exists`, `not-btrfs`, `in-use`, `command-failed` */
export async function initPrimary({ root, loopBytes, origin }: InitPrimaryOptions): Promise<PrimaryIdentity> {
  requireName("origin", origin);
  await prepareRoot(root, loopBytes);
  const layout = new RootLayout(root);
  await makeKeysFolder(root);
  await ensureSigner(layout.signingKey, origin, KEY_TYPE.ed25519);
  await ensureTransportKey(root);
  const uuid = await ensureStore(layout, origin);
  // The subvolumes and folders must be on disk before the identity says that they are.
  await syncFilesystem(root);
  await writeIdentity(root, { role: "primary", uuid, origin, created: nowTimestamp() });
  return loadPrimaryIdentity(root);
}

export interface InitReplicaOptions {
  root: string;
  loopBytes?: number | undefined;
  /** Name of the replica in its cosignatures. */
  name: string;
  /** vkeys of the primaries whose stores it accepts. */
  trust: readonly string[];
}

/** @throws StoreError `exists`, `not-btrfs`, `in-use`, `command-failed`; FormatError `bad-vkey` */
export async function initReplica({ root, loopBytes, name, trust }: InitReplicaOptions): Promise<ReplicaIdentity> {
  requireName("name", name);
  for (const vkey of trust) parseTrustedKey(vkey);
  await prepareRoot(root, loopBytes);
  const layout = new RootLayout(root);
  await makeKeysFolder(root);
  await ensureSigner(layout.cosignKey, name, KEY_TYPE.cosignature);
  for (const vkey of trust) await addTrustedKey(root, vkey);
  await mkdir(layout.stores, { recursive: true, mode: 0o700 });
  await syncFilesystem(root);
  await writeIdentity(root, { role: "replica", uuid: randomUUID(), name, created: nowTimestamp() });
  return loadReplicaIdentity(root);
}

const MAX_NAME_CHARS = 200;

/** Like a host name or a URL without its scheme: it stands in every checkpoint and names the key. */
function requireName(option: "origin" | "name", value: string): void {
  const good =
    value.length <= MAX_NAME_CHARS && /^[A-Za-z0-9][A-Za-z0-9._~:/-]*$/.test(value) && !value.includes("://");
  if (good) return;
  throw new StoreError("invalid", `--${option} ${JSON.stringify(value.slice(0, 80))} cannot be used`, {
    hint: "write it like a host name or a URL without its scheme: letters, digits and . _ ~ : / -",
  });
}

async function prepareRoot(root: string, loopBytes: number | undefined): Promise<void> {
  await refuseSecondInit(root);
  if (loopBytes !== undefined) {
    await createLoopVolume(root, loopBytes);
  } else {
    await mkdir(root, { recursive: true, mode: 0o755 });
    await ensureMounted(root);
    // A loop volume that was not mounted may hold what the bare folder did not show.
    await refuseSecondInit(root);
  }
}

async function ensureStore(layout: RootLayout, origin: string): Promise<string> {
  await mkdir(layout.stores, { recursive: true, mode: 0o700 });
  const uuid = (await findStore(layout, origin)) ?? randomUUID();
  const store = layout.store(uuid);
  await mkdir(store.dir, { recursive: true });
  await writeStoreFile(store.storeFile, { format: 1, uuid, origin, created: nowTimestamp() }).catch((error) => {
    if (!(error instanceof StoreError) || error.code !== "exists") throw error;
  });
  await makeStoreFolders(store);
  return uuid;
}

/** The store of an init that was cut short. @throws StoreError `exists` if it has another origin */
async function findStore(layout: RootLayout, origin: string): Promise<string | undefined> {
  for (const uuid of await readdir(layout.stores)) {
    const { dir, storeFile } = layout.store(uuid);
    // store.json comes first: a folder without it was made in the moment of the crash, and holds nothing else.
    if ((await readdir(dir)).every((name) => name === `${basename(storeFile)}.new`)) {
      await rm(dir, { recursive: true });
      continue;
    }
    const found = await readStoreFile(storeFile);
    if (found.origin === origin) return found.uuid;
    throw new StoreError("exists", `${dir} is a store of origin ${found.origin}, not ${origin}`, {
      hint: `give --origin ${found.origin}, or choose another --root`,
    });
  }
  return undefined;
}

async function makeStoreFolders(store: StoreLayout): Promise<void> {
  const { live } = store;
  await mkdir(live.dir, { recursive: true });
  for (const name of SUBVOLUMES) {
    const path = live.subvolume(name);
    if (!(await isSubvolume(path))) await createSubvolume(path);
  }
  for (const folder of [live.entries, live.payloads, live.tree, store.generations, store.links]) {
    await mkdir(folder, { recursive: true });
  }
  await makeIndexFolder(store.index);
}
