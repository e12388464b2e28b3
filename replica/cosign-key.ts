// The key that this replica cosigns with. `key rotate` replaces its file in one step while the daemon runs, which looks at each
// hello whether it is another: what a hello tells is what the acks after it are signed with.
import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";
import { exportPrivateKey, generateSigner, KEY_TYPE, type NoteSigner } from "../shared/format/signed-note.js";
import { PRIVATE_MODE, readSigner } from "../shared/store/key-files.js";
import { RootLayout } from "../shared/store/layout.js";
import { replaceFile } from "../shared/store/write-file.js";

export class CosignKey {
  readonly #path: string;
  #current: NoteSigner;
  /** Of the file that `current` was read from. */
  #seen: string | undefined;

  constructor(root: string, { signer }: { signer: NoteSigner }) {
    this.#path = new RootLayout(root).cosignKey;
    this.#current = signer;
  }

  get current(): NoteSigner {
    return this.#current;
  }

  /** The key on disk now. @throws StoreError `missing`, `unreadable` */
  async read(): Promise<NoteSigner> {
    const seen = await stat(this.#path, { bigint: true }).then(identityOf, () => undefined);
    if (seen !== undefined && seen === this.#seen) return this.#current;
    this.#current = await readSigner(this.#path, this.#current.name, KEY_TYPE.cosignature);
    this.#seen = seen;
    return this.#current;
  }
}

/** Makes another key and puts it in place: before and after a crash there is one whole key. The old one is gone. */
export async function replaceCosignKey(root: string, name: string): Promise<NoteSigner> {
  const signer = generateSigner(name, KEY_TYPE.cosignature);
  await replaceFile(new RootLayout(root).cosignKey, exportPrivateKey(signer), PRIVATE_MODE);
  return signer;
}

function identityOf({ ino, mtimeNs }: BigIntStats): string {
  return `${ino} ${mtimeNs}`;
}
