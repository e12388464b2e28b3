// What the primary tells of the keys that sign its checkpoints, as events of the ledger itself: a next key prepared, taken
// back, or in force. The ledger is compared with what is on disk, so a crash between a step and its event loses no event.
import type { SourceParts } from "../source.js";
import { OwnSource } from "../watch/own-source.js";

/** The keys, as far as this source looks at them. */
export interface WatchedKeys {
  readonly origin: string;
  /** In the order of their signatures. */
  readonly signers: readonly { vkey: string }[];
  /** Told of each change; returns what ends it. */
  onChange(listener: () => void): () => void;
}

export interface KeysSourceOptions extends SourceParts {
  keys: WatchedKeys;
}

const SOURCE = "keys";

export class KeysSource extends OwnSource {
  readonly #keys: WatchedKeys;

  constructor(options: KeysSourceOptions) {
    super(SOURCE, options);
    this.#keys = options.keys;
  }

  protected watch(): () => void {
    const unwatch = this.#keys.onChange(() => this.#write());
    this.#write();
    return unwatch;
  }

  #write(): void {
    const elementId = `key:${this.#keys.origin}`;
    const before = signedBy(this.writer.last(elementId));
    const now = this.#keys.signers.map(({ vkey }) => vkey);
    // A store whose key has never changed says nothing of it.
    if (String(before) === String(now) || (before.length === 0 && now.length === 1)) return;
    this.writer.write({
      elementId,
      elementType: "SigningKey",
      action: actionOf(before, now),
      actor: "isochron-primary",
      state: { signed_by: now },
      priority: "high",
    });
  }
}

function signedBy(state: Record<string, unknown> | undefined): string[] {
  return Array.isArray(state?.signed_by) ? state.signed_by.map(String) : [];
}

function actionOf(before: readonly string[], now: readonly string[]): string {
  if (now.length > 1) return "key_prepared";
  return before[0] === now[0] ? "key_taken_back" : "key_rotated";
}
