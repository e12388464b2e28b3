// What one replica holds of this store, as far as this primary knows: by its last ack, by what its hello says, by what is on
// its way to it; and the generations that are pinned because of that. It outlives the daemon as hints beside the store;
// the truth is asked of the replica.
import type { Logger } from "../../../shared/log.js";
import { type LinkHint, readLinkHint, writeLinkHint } from "./link-hint.js";
import { LinkPins } from "./link-pins.js";
import { SendingNote } from "./note-sending.js";

export interface LinkBaseOptions {
  name: string;
  /** `links/<replica-uuid>.json`, once its UUID is known. */
  hintPath: (replicaUuid: string) => string;
  /** `links/<replica-uuid>.sending`, beside it. */
  sendingPath: (replicaUuid: string) => string;
  /** The folder those lie in, searched at the start for this replica's name. */
  hintDir: string;
  /** Other generations are pinned than before: older ones may go. */
  onBaseMoved: () => void;
  log: Logger;
}

/** A base is out of date for a moment with each seal: only what lasts is worth a write. */
const NOTE_SUPERSEDED_AFTER_MS = 60_000;

export class LinkBase {
  readonly pins = new LinkPins();
  readonly #options: LinkBaseOptions;
  readonly #sending: SendingNote;
  #hint: LinkHint | undefined;
  #hintWritten: Promise<void> = Promise.resolve();
  #lastAck: string | null = null;
  /** The key that the replica said last. */
  #toldVkey: string | undefined;

  constructor(options: LinkBaseOptions) {
    this.#options = options;
    this.#sending = new SendingNote(options.hintDir, options.name, options.sendingPath);
  }

  /** UUID of the replica that acked last. */
  get replica(): string | undefined {
    return this.#hint?.replica;
  }
  get acked(): number | undefined {
    return this.#hint?.generation;
  }
  /** Time of the last ack; null before the first. */
  get lastAck(): string | null {
    return this.#lastAck;
  }

  /** Pins what the last ack left, so that nothing is deleted before the replica has said what it holds. */
  async pinLast(newest: number | undefined): Promise<void> {
    for (const generation of await this.#sending.load()) this.pins.add(generation);
    this.#hint = await readLinkHint(this.#options.hintDir, this.#options.name);
    if (!this.#hint) return;
    const { generation, superseded, lost, acked } = this.#hint;
    this.#lastAck = acked;
    if (lost) {
      this.pins.restoreLost({ ...lost, atMs: Date.parse(lost.at) });
      return;
    }
    this.pins.add(generation, superseded === undefined ? undefined : Date.parse(superseded));
    // What was sent last may have arrived though its ack did not.
    this.pins.add(newest ?? generation);
  }

  /** The replica said that these are what it builds on. */
  said(replica: { uuid: string; vkey: string }, generations: readonly number[]): void {
    this.#checkSame(replica);
    if (this.pins.replace(generations)) this.#options.onBaseMoved();
  }

  /** So much of a generation is on its way that it is worth going on with after a restart. */
  noteSending(replicaUuid: string, generation: number): void {
    this.#sending.note(replicaUuid, generation, this.#options.log);
  }

  /** Resolves once it is noted. `note`: the checkpoint with the replica's cosignature. */
  async ack(replica: { uuid: string; vkey: string }, generation: number, note: string, atMs: number): Promise<void> {
    this.pins.replace([generation]);
    this.#lastAck = new Date(atMs).toISOString();
    const { uuid, vkey } = replica;
    this.#hint = { replica: uuid, name: this.#options.name, vkey, generation, acked: this.#lastAck, note };
    this.#options.onBaseMoved();
    await this.#writeHint();
    await this.#sending.forget();
  }

  /** It costs too much: all of the store is sent if the replica comes back. False where there is nothing to let go. */
  letGo(reason: string): boolean {
    const { name, log, onBaseMoved } = this.#options;
    const lost = this.pins.letGo(reason, Date.now());
    if (!lost) return false;
    const { generation } = lost;
    log.error("a replica's base is let go: it needs all of the store", { replica: name, generation, reason });
    onBaseMoved();
    this.#sending.forget().catch((error: unknown) => {
      log.warn("that a push is no more on its way is not noted on disk", { replica: name, error });
    });
    if (!this.#hint) return true;
    this.#hint = { ...this.#hint, lost: { generation, reason, at: new Date(lost.atMs).toISOString() } };
    this.#writeHint().catch((error: unknown) => {
      log.warn("that a base is gone is not noted on disk", { replica: name, error });
    });
    return true;
  }

  /** Notes durably since when its base is out of date, once that lasts. */
  async notePins(): Promise<void> {
    const base = this.pins.list.find(({ generation }) => generation === this.#hint?.generation);
    if (!this.#hint || this.#hint.superseded !== undefined || base?.supersededMs === undefined) return;
    if (Date.now() - base.supersededMs < NOTE_SUPERSEDED_AFTER_MS) return;
    this.#hint = { ...this.#hint, superseded: new Date(base.supersededMs).toISOString() };
    await this.#writeHint();
  }

  /** Another replica under a known name is not taken for the old one: its cosignatures are another's. */
  #checkSame(replica: { uuid: string; vkey: string }): void {
    const known = this.#hint;
    const before = this.#toldVkey ?? known?.vkey;
    this.#toldVkey = replica.vkey;
    if (!known) return;
    const { name, log } = this.#options;
    if (known.replica === replica.uuid) {
      // What it acked before stays what it acked: the hint has the key with it.
      const [was, is] = [before, replica.vkey].map((vkey) => vkey?.split("+")[1]);
      if (was !== is) log.warn("a replica cosigns with another key from now on", { name, was, is });
      return;
    }
    log.warn("another replica answers under this name", { name, was: known.replica, is: replica.uuid });
    this.#hint = undefined;
  }

  /** One after another: each replaces the same file. */
  #writeHint(): Promise<void> {
    const written = this.#hintWritten.then(async () => {
      if (this.#hint) await writeLinkHint(this.#options.hintPath(this.#hint.replica), this.#hint);
    });
    this.#hintWritten = written.catch(() => undefined);
    return written;
  }
}
