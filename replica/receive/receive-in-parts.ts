// A push on its way onto disk, in parts. Each part is one run of `btrfs receive` into a folder of its own, which begins as
// snapshots of what came before it. Once a part is closed, a push that is cut can go on from its end, also after a crash of
// this side; it costs neither a second copy on disk nor a second look at what is there. What is not closed is nothing.
import { basename } from "node:path";
import { makePairFolder } from "../../shared/store/generations.js";
import type { Subvolume } from "../../shared/store/layout.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import { CommandWalker, type StreamPlace } from "../../shared/store/walk-commands.js";
import type { InspectedSoFar, StreamInspector } from "./inspect-stream.js";
import { RunningReceive } from "./running-receive.js";
import { settleArrival } from "./settle-arrival.js";
import { beginAgain, endSubvolume } from "./write-commands.js";

/** Everything that arrived of a push up to some place: what a later push of the same generation can go on from. */
export interface ArrivedPart {
  /** Name of its folder in staging. */
  folder: string;
  place: StreamPlace;
  inspected: InspectedSoFar;
  /** UUIDs here of the read-only subvolumes that hold it. */
  uuids: { [name in Subvolume]?: string | undefined };
}

/** When a part is closed while more is coming. `leastMs` 0: by its bytes alone. */
export interface PartRule {
  leastBytes: number;
  leastMs: number;
}

/** Less than this is sooner sent again than kept. */
export const LEAST_KEPT_BYTES = 1024 * 1024;
/** The wire waits while a part is closed: for no more than about a tenth of the time. */
const CLOSING_SHARE = 10;

export interface PartedPush {
  /** Folder of the first part; further ones have a number behind the name. */
  dir: string;
  from: ArrivedPart | undefined;
  /** `undefined`: nothing is kept of a push that is cut. */
  rule: PartRule | undefined;
  /** Notes a part, durably; after it, the one before is not needed. */
  keep: (part: ArrivedPart) => Promise<void>;
  spares: SpareProcesses;
}

export class PartedReceive {
  readonly #push: PartedPush;
  readonly #inspector: StreamInspector;
  readonly #walker: CommandWalker;
  #receive: RunningReceive | undefined;
  #parts = 0;
  /** The beginning of a command whose end has not come: a part must end where a command does. */
  #held: Buffer[] = [];
  #beganMs = 0;
  #beganBytes = 0;
  #closingMs = 0;

  /** `inspector` has seen every byte before it is written here. */
  constructor(push: PartedPush, inspector: StreamInspector) {
    this.#push = push;
    this.#inspector = inspector;
    const isInside = push.from !== undefined && push.from.inspected.version !== 0;
    this.#walker = new CommandWalker(push.from?.place, !isInside);
  }

  async begin(): Promise<void> {
    await this.#beginPart(this.#push.from?.uuids);
  }

  /** A promise, if there is something to wait for before the next. @throws ReceiveError what `btrfs receive` failed with */
  write(chunk: Buffer): Promise<void> | undefined {
    const wholeBytes = this.#walker.walk(chunk);
    if (wholeBytes > 0) {
      this.#running.write(...this.#held, chunk.subarray(0, wholeBytes));
      this.#held = [];
    }
    if (wholeBytes < chunk.length) this.#held.push(chunk.subarray(wholeBytes));
    return wholeBytes > 0 && this.#isDue() ? this.#beginNext() : this.#running.room();
  }

  /** The push is whole. Resolves with the folder that holds all of it. @throws ReceiveError */
  async finish(): Promise<string> {
    await this.#running.finish();
    return this.#running.dir;
  }

  /** The push was cut: keeps what has arrived of it, up to the last whole command. @throws ReceiveError */
  async keep(): Promise<void> {
    const fresh = this.#push.rule && this.#walker.place.bytes - this.#beganBytes >= LEAST_KEPT_BYTES;
    if (fresh) await this.#close();
    else await this.abandon();
  }

  /** Notes that all has arrived, if it is much: a crash while it is verified then costs no byte on the wire. */
  async noteWhole(uuids: ReadonlyMap<Subvolume, string>): Promise<void> {
    const { rule, from } = this.#push;
    const isMuch = this.#parts > 1 || from !== undefined || this.#walker.place.bytes >= (rule?.leastBytes ?? Infinity);
    if (rule && isMuch) await this.#push.keep(this.#describe(uuids));
  }

  async abandon(): Promise<void> {
    await this.#receive?.abandon();
  }

  get #running(): RunningReceive {
    return this.#receive as RunningReceive;
  }

  async #beginNext(): Promise<void> {
    const { uuids } = await this.#close();
    await this.#beginPart(uuids);
  }

  async #beginPart(arrivedAs: ArrivedPart["uuids"] | undefined): Promise<void> {
    const { dir, spares } = this.#push;
    const folder = this.#parts === 0 ? dir : `${dir}.${this.#parts}`;
    this.#parts += 1;
    await makePairFolder(folder);
    this.#receive = new RunningReceive(folder, spares);
    this.#beganMs = performance.now();
    this.#beganBytes = this.#walker.place.bytes;
    if (arrivedAs) this.#writeArrived(arrivedAs);
  }

  /** All that came before, as snapshots; the last one stays open if more of its subvolume is to come. */
  #writeArrived(arrivedAs: ArrivedPart["uuids"]): void {
    const { subvolumes } = this.#inspector;
    for (const [index, [name, { uuid, ctransid }]] of [...subvolumes].entries()) {
      const isOpen = this.#inspector.version !== 0 && index === subvolumes.size - 1;
      const version = isOpen ? this.#inspector.version : 1;
      this.#running.write(beginAgain({ name, version, uuid, ctransid, arrivedAs: arrivedAs[name] ?? "" }));
      if (!isOpen) this.#running.write(endSubvolume());
    }
  }

  #isDue(): boolean {
    const bytes = this.#walker.place.bytes - this.#beganBytes;
    const { rule } = this.#push;
    const sofar = { bytes, elapsedMs: performance.now() - this.#beganMs, closingMs: this.#closingMs };
    return rule !== undefined && isPartDue(rule, sofar);
  }

  async #close(): Promise<ArrivedPart> {
    const began = performance.now();
    if (this.#inspector.version !== 0) this.#running.write(endSubvolume());
    await this.#running.finish();
    const { subvolumes } = this.#inspector;
    const part = this.#describe(await settleArrival(this.#running.dir, subvolumes, this.#push.spares));
    await this.#push.keep(part);
    this.#closingMs = performance.now() - began;
    return part;
  }

  #describe(uuids: ReadonlyMap<Subvolume, string>): ArrivedPart {
    return {
      folder: basename(this.#running.dir),
      place: this.#walker.place,
      inspected: this.#inspector.soFar(),
      uuids: Object.fromEntries(uuids),
    };
  }
}

/** Pure: whether what has come since the last part is worth the wait for the disk. */
export function isPartDue(
  rule: PartRule,
  { bytes, elapsedMs, closingMs }: { bytes: number; elapsedMs: number; closingMs: number },
): boolean {
  if (bytes < rule.leastBytes) return false;
  return rule.leastMs === 0 || elapsedMs >= Math.max(rule.leastMs, closingMs * CLOSING_SHARE);
}
