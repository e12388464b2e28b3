// One connection's life with an Open vSwitch database: schema, monitor, the ledger brought in step with the monitor's first
// reply, then every update as it comes. Updates that come while the ledger is brought in step wait, in order and bounded.
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../../../shared/log.js";
import type { ElementState } from "../watch/element-change.js";
import type { ElementWriter } from "../watch/element-writer.js";
import { nameOvsChange } from "./name-change.js";
import { OvsdbConnection, type OvsdbConnectionOptions } from "./ovsdb-connection.js";
import { OvsdbError } from "./ovsdb-error.js";
import { isWireObject } from "./parse-message.js";
import { monitorRequests, readSchema } from "./read-schema.js";
import { RowCopy } from "./row-copy.js";

export interface DatabaseWatchOptions extends Omit<OvsdbConnectionOptions, "onNotification" | "signal"> {
  writer: ElementWriter;
  log: Logger;
  /** Keys of maps that are not recorded. */
  ignoredKeys: ReadonlySet<string>;
}

const DATABASE = "Open_vSwitch";
const MONITOR_ID = "isochron";
/** New states that wait while the ledger is brought in step. More lead to another comparison. */
const MAX_HELD = 2000;
/** Updates that come between the monitor's reply and its being read: those of a few chunks. */
const MAX_EARLY = 10_000;
/** Between two comparisons because of losses: time for the rest of the daemon. */
const STEP_PAUSE_MS = 1000;
/** Elements compared in one go: some 20 ms. */
const PIECE = 128;

export class DatabaseWatch {
  readonly #options: DatabaseWatchOptions;
  #rows: RowCopy | undefined;
  #early: unknown[] = [];
  /** New states that wait; undefined while they are written as they come. */
  #held: ElementState[] | undefined = [];
  #heldOverflow = false;
  #stepWanted: string | undefined = "start";
  #wake: () => void = () => undefined;
  /** What the writer had lost when the ledger was last in step. */
  #lostBefore = 0;

  constructor(options: DatabaseWatchOptions) {
    this.#options = options;
  }

  /** Rows by table; undefined until they are there. */
  counts(): Record<string, number> | undefined {
    return this.#rows?.counts();
  }

  /** Runs once, until the connection ends. @throws OvsdbError */
  async run(signal: AbortSignal): Promise<void> {
    const { writer } = this.#options;
    const connection = await OvsdbConnection.connect({
      ...this.#options,
      signal,
      onNotification: (method, params) => this.#onNotification(method, params),
    });
    const over = new AbortController();
    // Since it was last heard: that a peer is dead is noticed later than it died. Our own stop is no blindness.
    const blind = ({ message }: Error) => signal.aborted || writer.blind(message, connection.lastHeard);
    void connection.closed.then((reason) => {
      blind(reason);
      over.abort();
    });
    try {
      await this.#open(connection);
      await this.#keepInStep(over.signal);
      throw await connection.closed;
    } catch (error) {
      // Once more: a comparison that was under way has taken the source for sighted.
      blind(error as Error);
      throw error;
    } finally {
      connection.close();
    }
  }

  async #open(connection: OvsdbConnection): Promise<void> {
    const { writer, ignoredKeys } = this.#options;
    const tables = readSchema(await connection.call("get_schema", [DATABASE]));
    const reply = await connection.call("monitor", [DATABASE, MONITOR_ID, monitorRequests(tables)]);
    const rows = new RowCopy({ tables, ignoredKeys, last: (elementId) => writer.last(elementId) });
    rows.load(reply);
    this.#rows = rows;
    // What they changed is in the comparison that follows.
    for (const update of this.#early.splice(0)) rows.apply(update);
  }

  #onNotification(method: string, params: unknown): void {
    if (method !== "update") return;
    const [id, update] = Array.isArray(params) ? params : [];
    if (id !== MONITOR_ID || !isWireObject(update))
      throw new OvsdbError("bad-message", "an update is not of our monitor");
    if (this.#rows) this.#take(this.#rows.apply(update));
    else if (this.#early.push(update) > MAX_EARLY)
      throw new OvsdbError("bad-message", "updates come without a monitor");
  }

  #take(changed: ElementState[]): void {
    if (!this.#held) this.#write(changed);
    else if (this.#held.length + changed.length <= MAX_HELD) this.#held.push(...changed);
    else this.#heldOverflow = true;
  }

  #write(changed: ElementState[]): void {
    const { writer } = this.#options;
    for (const element of changed) {
      const before = writer.last(element.elementId) ?? {};
      writer.writeIfChanged({ ...element, action: nameOvsChange(before, element.state, element.elementType) });
    }
    // The loss is told by the writer; the state that the lost events led to is found by comparing.
    if (writer.lostSoFar > this.#lostBefore) this.#wantStep("events were lost");
  }

  #wantStep(reason: string): void {
    this.#stepWanted ??= reason;
    this.#wake();
  }

  async #keepInStep(over: AbortSignal): Promise<void> {
    over.addEventListener("abort", () => this.#wake(), { once: true });
    while (!over.aborted) {
      if (this.#stepWanted === undefined) await this.#nextWish();
      else {
        await this.#step(this.#stepWanted);
        if (this.#stepWanted !== undefined)
          await sleep(STEP_PAUSE_MS, undefined, { signal: over }).catch(() => undefined);
      }
    }
  }

  /** Brings the ledger in step with the rows as they are now. */
  async #step(reason: string): Promise<void> {
    const { writer, log } = this.#options;
    const present = this.#rows?.elements() ?? [];
    this.#stepWanted = undefined;
    this.#held ??= [];
    await writer.resync(inPieces(present), nameOvsChange);
    this.#lostBefore = writer.lostSoFar;
    log.debug("the switch database was compared with the ledger", { reason, elements: present.length });
    this.#release();
  }

  #release(): void {
    const held = this.#held ?? [];
    const overflow = this.#heldOverflow;
    this.#held = undefined;
    this.#heldOverflow = false;
    this.#write(held);
    if (overflow) this.#wantStep("more updates than could be kept");
  }

  #nextWish(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** The rest of the daemon has its turn in between: a large switch has thousands of elements. */
async function* inPieces(elements: readonly ElementState[]): AsyncGenerator<ElementState> {
  for (const [index, element] of elements.entries()) {
    if (index % PIECE === PIECE - 1) await nextTurn();
    yield element;
  }
}
