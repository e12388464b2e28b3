// What the primary tells of the keys that sign its checkpoints, as events of the ledger itself: a next key prepared, taken
// back, or in force. The ledger is compared with what is on disk, so a crash between a step and its event loses no event.
import type { Source, SourceParts, SourceState } from "../source.js";
import { ElementWriter } from "../watch/element-writer.js";

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

export class KeysSource implements Source {
  readonly name = SOURCE;
  readonly #keys: WatchedKeys;
  readonly #writer: ElementWriter;
  #unwatch: () => void = () => undefined;

  constructor(options: KeysSourceOptions) {
    this.#keys = options.keys;
    this.#writer = new ElementWriter({ source: SOURCE, ...options });
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#writer.start();
    this.#unwatch = this.#keys.onChange(() => this.#write());
    this.#write();
  }

  async stop(): Promise<void> {
    this.#unwatch();
    await this.#writer.stop();
  }

  state(): SourceState {
    // The keys are of this process: there is no time at which they are not seen.
    return { ...this.#writer.state(), watching: true };
  }

  #write(): void {
    const elementId = `key:${this.#keys.origin}`;
    const before = signedBy(this.#writer.last(elementId));
    const now = this.#keys.signers.map(({ vkey }) => vkey);
    // A store whose key has never changed says nothing of it.
    if (String(before) === String(now) || (before.length === 0 && now.length === 1)) return;
    this.#writer.write({
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
