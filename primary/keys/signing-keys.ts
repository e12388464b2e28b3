// The keys that sign this store's checkpoints, on disk and in memory: the one in force, and between the two halves of a
// rotation the next one beside it, with both signatures on each checkpoint. Private halves never leave the host.
//
// Crash points: a step is one file that is there or not. `prepare` links the next key into place; `commit` notes the old
// vkey as retired, then renames the next key over the old one; `abort` unlinks the next key. Before and after each of these
// the store opens, because the newest generation carries a signature of the key in force: whoever calls sees to that.
import { rename, unlink } from "node:fs/promises";
import { KEY_TYPE, type NoteSigner, type NoteVerifier } from "../../shared/format/signed-note.js";
import { ensureSigner, readSigner } from "../../shared/store/key-files.js";
import { RootLayout } from "../../shared/store/layout.js";
import { StoreError } from "../../shared/store/store-error.js";
import { readRetiredKeys, retireKey } from "../../shared/store/vkey-lists.js";
import { syncFolder } from "../../shared/store/write-file.js";

export class SigningKeys {
  readonly origin: string;
  readonly #root: string;
  #current: NoteSigner;
  #next: NoteSigner | undefined;
  #noted: readonly NoteVerifier[];
  readonly #listeners = new Set<() => void>();

  private constructor(root: string, current: NoteSigner, next: NoteSigner | undefined, noted: readonly NoteVerifier[]) {
    this.origin = current.name;
    this.#root = root;
    this.#current = current;
    this.#next = next;
    this.#noted = noted;
  }

  /** @throws StoreError `missing`, `unreadable`; FormatError `bad-vkey` */
  static async open(root: string, origin: string): Promise<SigningKeys> {
    const { signingKey, nextSigningKey } = new RootLayout(root);
    const current = await readSigner(signingKey, origin, KEY_TYPE.ed25519);
    const next = await readSigner(nextSigningKey, origin, KEY_TYPE.ed25519).catch((error: unknown) => {
      if (error instanceof StoreError && error.code === "missing") return undefined;
      throw error;
    });
    return new SigningKeys(root, current, next, await readRetiredKeys(root));
  }

  /** The key in force. */
  get current(): NoteSigner {
    return this.#current;
  }

  /** The key that was prepared. */
  get next(): NoteSigner | undefined {
    return this.#next;
  }

  /** Who signs a checkpoint, in the order of the signatures: old first, which older replicas look for. */
  get signers(): readonly [NoteSigner, ...NoteSigner[]] {
    return this.#next ? [this.#current, this.#next] : [this.#current];
  }

  /** Keys that signed once, oldest first. A commit that was cut short has noted one that is still in force. */
  get retired(): readonly NoteVerifier[] {
    return this.#noted.filter(({ vkey }) => !this.signers.some((signer) => signer.vkey === vkey));
  }

  get everSigned(): readonly NoteVerifier[] {
    return [...this.retired, ...this.signers];
  }

  /** Told of each step that was taken, until the function that it returns is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Makes the next key. One that was prepared already stays. */
  async prepare(): Promise<void> {
    if (this.#next) return;
    this.#next = await ensureSigner(new RootLayout(this.#root).nextSigningKey, this.origin, KEY_TYPE.ed25519);
    this.#tell();
  }

  /** The next key is the one in force from now on. @throws StoreError `missing` if none was prepared */
  async commit(): Promise<void> {
    const { signingKey, nextSigningKey, keys } = new RootLayout(this.#root);
    const next = this.#requireNext();
    await retireKey(this.#root, this.#current);
    await rename(nextSigningKey, signingKey);
    await syncFolder(keys);
    this.#noted = await readRetiredKeys(this.#root);
    this.#current = next;
    this.#next = undefined;
    this.#tell();
  }

  /** Takes the prepared key back. @throws StoreError `missing` if none was prepared */
  async abort(): Promise<void> {
    const { nextSigningKey, keys } = new RootLayout(this.#root);
    this.#requireNext();
    await unlink(nextSigningKey);
    await syncFolder(keys);
    this.#next = undefined;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #requireNext(): NoteSigner {
    if (this.#next) return this.#next;
    throw new StoreError("missing", "no key was prepared", { hint: "first: isochron-primary key rotate --prepare" });
  }
}
