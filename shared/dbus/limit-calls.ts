// How many calls may wait for an answer, in number and in bytes, from one sender and from all: whoever may call can only
// fill his own share. A call past a bound is refused and says so; it has had no effect.
import { CallRefused } from "./call-refused.js";

export interface CallBounds {
  calls: number;
  bytes: number;
}

interface Share {
  calls: number;
  bytes: number;
}

const MIB = 1024 * 1024;
const OF_ALL: CallBounds = { calls: 1024, bytes: 128 * MIB };
/** A system bus lets one connection have 128 calls without an answer, so that this bound is not met before the bus's own. */
const OF_ONE: CallBounds = { calls: 256, bytes: 64 * MIB };

export class CallLimits {
  readonly #ofAll: CallBounds;
  readonly #ofOne: CallBounds;
  readonly #all: Share = { calls: 0, bytes: 0 };
  readonly #bySender = new Map<string, Share>();
  #onIdle: (() => void)[] = [];

  constructor({ ofAll = OF_ALL, ofOne = OF_ONE }: { ofAll?: CallBounds; ofOne?: CallBounds } = {}) {
    this.#ofAll = ofAll;
    this.#ofOne = ofOne;
  }

  get outstanding(): number {
    return this.#all.calls;
  }

  /** Takes a place, which `leave` with the same words gives back. @throws CallRefused `LimitsExceeded` */
  enter(sender: string, bytes: number): void {
    const share = this.#bySender.get(sender) ?? { calls: 0, bytes: 0 };
    requireRoom(share, this.#ofOne, bytes, "of yours");
    requireRoom(this.#all, this.#ofAll, bytes, "of all callers");
    this.#bySender.set(sender, share);
    for (const taken of [share, this.#all]) {
      taken.calls += 1;
      taken.bytes += bytes;
    }
  }

  leave(sender: string, bytes: number): void {
    const share = this.#bySender.get(sender);
    if (!share) return;
    for (const taken of [share, this.#all]) {
      taken.calls -= 1;
      taken.bytes -= bytes;
    }
    if (share.calls === 0) this.#bySender.delete(sender);
    if (this.#all.calls > 0) return;
    for (const tell of this.#onIdle.splice(0)) tell();
  }

  /** Resolves once no call is outstanding. */
  idle(): Promise<void> {
    if (this.#all.calls === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }
}

/** One call alone is never too many bytes: the bus bounds a message itself. */
function requireRoom({ calls, bytes }: Share, most: CallBounds, more: number, whose: string): void {
  if (calls < most.calls && (calls === 0 || bytes + more <= most.bytes)) return;
  const text = `${calls} calls with ${bytes} bytes ${whose} wait for an answer; at most ${most.calls} calls and ${most.bytes} bytes may`;
  throw new CallRefused("LimitsExceeded", `${text}: wait for answers, then call again`);
}

/** About what a call's arguments take in memory: text is what can be large. */
export function measureArguments(value: unknown): number {
  if (typeof value === "string") return value.length + 16;
  if (Buffer.isBuffer(value)) return value.length;
  if (typeof value !== "object" || value === null) return 16;
  let bytes = 16;
  for (const [key, inner] of Object.entries(value)) bytes += key.length + measureArguments(inner);
  return bytes;
}
