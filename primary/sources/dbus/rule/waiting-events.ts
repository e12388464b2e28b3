// Events that wait for a moment, because another one of the same element may make them needless: the last one of each
// element is written. Bounded in number and bytes; what would be too much is written at once.
import type { ElementChange } from "../../watch/element-change.js";
import type { ElementWriter } from "../../watch/element-writer.js";

const MAX_ELEMENTS = 4096;
const MAX_BYTES = 4 * 1024 * 1024;

export class WaitingEvents {
  readonly #writer: ElementWriter;
  readonly #waitMs: number;
  readonly #waiting = new Map<string, { change: ElementChange; bytes: number }>();
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(writer: ElementWriter, waitMs: number) {
    this.#writer = writer;
    this.#waitMs = waitMs;
  }

  add(change: ElementChange): void {
    const { elementId } = change;
    const before = this.#waiting.get(elementId);
    if (before) this.#writer.coalesced(1);
    // In the order of the last ones.
    this.#waiting.delete(elementId);
    const bytes = JSON.stringify(change).length;
    this.#waiting.set(elementId, { change, bytes });
    this.#bytes += bytes - (before?.bytes ?? 0);
    if (this.#waiting.size > MAX_ELEMENTS || this.#bytes > MAX_BYTES) this.writeAll();
    else this.#timer ??= setTimeout(() => this.writeAll(), this.#waitMs);
  }

  writeAll(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#bytes = 0;
    const changes = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { change } of changes) this.#writer.write(change);
  }
}
