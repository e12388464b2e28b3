// Private keys of a daemon: made once at init, 0600 in a folder 0700, outside every subvolume that is sent. A key file
// that others can read is refused, as ssh does.
import { chmod, mkdir, readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";
import {
  exportPrivateKey,
  generateSigner,
  importSigner,
  type KeyType,
  type NoteSigner,
} from "../format/signed-note.js";
import { RootLayout } from "./layout.js";
import { StoreError } from "./store-error.js";
import { replaceFile, writeFileOnce } from "./write-file.js";

export const PRIVATE_MODE = 0o600;

export async function makeKeysFolder(root: string): Promise<void> {
  const { keys } = new RootLayout(root);
  await mkdir(keys, { recursive: true, mode: 0o700 });
  // A folder that was there may be wider.
  await chmod(keys, 0o700);
}

/** The signer whose key is at `path`, made now if there is none: an interrupted init goes on with the key it made. */
export async function ensureSigner(path: string, name: string, keyType: KeyType): Promise<NoteSigner> {
  const signer = generateSigner(name, keyType);
  try {
    await writeFileOnce(path, exportPrivateKey(signer), PRIVATE_MODE);
    return signer;
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "exists") throw error;
    return readSigner(path, name, keyType);
  }
}

/** @throws StoreError `missing`, `unreadable` (also if others can read it); FormatError `bad-vkey` */
export async function readSigner(path: string, name: string, keyType: KeyType): Promise<NoteSigner> {
  return importSigner(name, keyType, await readPrivateFile(path));
}

/** The ssh key pair the primary logs in at replicas with, made now if there is none. */
export async function ensureTransportKey(root: string): Promise<{ publicKey: string }> {
  const { transportKey, transportPublicKey } = new RootLayout(root);
  const { default: ssh2 } = await import("ssh2");
  try {
    await writeFileOnce(transportKey, generateSshKey(ssh2), PRIVATE_MODE);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "exists") throw error;
  }
  const parsed = ssh2.utils.parseKey(await readPrivateFile(transportKey));
  if (parsed instanceof Error) {
    throw new StoreError("unreadable", `${transportKey} holds no private ssh key`, { cause: parsed });
  }
  // Derived again from the private half: a crash between the two files must not leave halves of two pairs.
  const publicKey = `${formatPublicKey(parsed)} ${parsed.comment}`.trim();
  await replaceFile(transportPublicKey, `${publicKey}\n`);
  return { publicKey };
}

/** As `authorized_keys` and pinned host keys have it, without a comment. */
export function formatPublicKey(key: Pick<import("ssh2").ParsedKey, "type" | "getPublicSSH">): string {
  return `${key.type} ${key.getPublicSSH().toString("base64")}`;
}

/**
 * An OpenSSH ed25519 private key. ssh2 1.17 cuts leading zeros off keys that it makes, and one key in 128 is then one that
 * nobody can read: such a one is thrown away.
 */
export function generateSshKey({ utils }: Pick<typeof import("ssh2"), "utils">): string {
  for (;;) {
    const made = utils.generateKeyPairSync("ed25519", { comment: `isochron-primary@${hostname()}` });
    if (!(utils.parseKey(made.private) instanceof Error)) return made.private;
  }
}

/** @throws StoreError `missing`, `unreadable` */
export async function readTransportKey(root: string): Promise<{ privateKey: string; publicKey: string }> {
  const { transportKey, transportPublicKey } = new RootLayout(root);
  const privateKey = await readPrivateFile(transportKey);
  return { privateKey, publicKey: (await readFile(transportPublicKey, "utf8")).trim() };
}

async function readPrivateFile(path: string): Promise<string> {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new StoreError("missing", `there is no key at ${path}`, {
      cause,
      hint: "bring it back from a backup: replicas know this store by its key",
    });
  });
  if ((info.mode & 0o077) !== 0) {
    const mode = (info.mode & 0o777).toString(8).padStart(4, "0");
    throw new StoreError("unreadable", `${path} holds a private key and its mode is ${mode}: others can read it`, {
      hint: `chmod 600 ${path}; if others have had access to this machine, the key is no longer a secret`,
    });
  }
  return readFile(path, "utf8");
}
