// `fills.json` of the store: which fills were asked for, so that they go on after a restart, and how far each surely is, so
// that a start need not look at all of the ledger. What is done is known from the rows themselves: a file that is lost
// costs the orders in it, and never a row.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { VECTOR_LEVELS } from "../../../shared/embed/levels.js";
import { PRIORITIES, type Priority } from "../../../shared/format/entry.js";
import type { Logger } from "../../../shared/log.js";
import { replaceFile } from "../../../shared/store/write-file.js";

const seq = z.number().int().nonnegative();

const order = z.object({
  id: z.string().min(1),
  level: z.enum(VECTOR_LEVELS).exclude(["none"]),
  space: z.string().min(1),
  /** Events of the ledger from `from` up to but not including `to`. */
  from: seq,
  to: seq,
  priorities: z.array(z.enum(PRIORITIES)),
  asked_at: z.string(),
  paused: z.boolean(),
  /** Events below it have their row in a generation, or get none. */
  done_below: seq,
});

const standing = z.object({ space: z.string(), priorities: z.array(z.enum(PRIORITIES)), done_below: seq });

const schema = z.object({ orders: z.array(order), later: z.array(standing) });

/** What an operator asked for. */
export type FillOrder = z.infer<typeof order>;
type Recorded = z.infer<typeof schema>;

export class FillRecord {
  readonly #path: string;
  #recorded: Recorded;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, recorded: Recorded) {
    this.#path = path;
    this.#recorded = recorded;
  }

  /** A file that cannot be read asks for nothing, and is told. */
  static async open(path: string, log: Logger): Promise<FillRecord> {
    const nothing: Recorded = { orders: [], later: [] };
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return JSON.stringify(nothing);
      throw error;
    });
    try {
      return new FillRecord(path, schema.parse(JSON.parse(text)));
    } catch (error) {
      log.error("which spaces were being filled cannot be read: ask again with reembed", { file: path, error });
      return new FillRecord(path, nothing);
    }
  }

  /** Copies: what is done to them is recorded with `put`. */
  get orders(): FillOrder[] {
    return structuredClone(this.#recorded.orders);
  }

  /** Where a standing fill may begin to look. */
  laterDoneBelow(space: string, priorities: readonly Priority[]): number {
    const same = (one: Recorded["later"][number]) => one.space === space && isEqual(one.priorities, priorities);
    return this.#recorded.later.find(same)?.done_below ?? 0;
  }

  /** Each resolves once it is durable. */
  put(put: FillOrder): Promise<void> {
    const order = structuredClone(put);
    return this.#change(({ orders, later }) => ({
      orders: [...orders.filter(({ id }) => id !== order.id), order],
      later,
    }));
  }

  remove(id: string): Promise<void> {
    return this.#change(({ orders, later }) => ({ orders: orders.filter((one) => one.id !== id), later }));
  }

  /**
   * How far all fills are now; others are there no more. Written where one is `step` events further, or another fill is
   * there: written at each generation, it would cost more than the looking again that it saves.
   */
  async progress(orders: readonly FillOrder[], later: Recorded["later"], step: number): Promise<void> {
    const same = orders.length === this.#recorded.orders.length && later.length === this.#recorded.later.length;
    const was = (space: string, all: readonly { space: string; done_below: number }[]) =>
      all.find((one) => one.space === space)?.done_below;
    const isFurther = (now: { space: string; done_below: number }, all: Recorded["orders"] | Recorded["later"]) =>
      Math.abs(now.done_below - (was(now.space, all) ?? Infinity)) >= step;
    const further =
      orders.some((one) => isFurther(one, this.#recorded.orders)) ||
      later.some((one) => isFurther(one, this.#recorded.later));
    if (!same || further) await this.#change(() => structuredClone({ orders: [...orders], later }));
  }

  #change(change: (recorded: Recorded) => Recorded): Promise<void> {
    const written = this.#writing.then(async () => {
      const recorded = change(this.#recorded);
      if (JSON.stringify(recorded) === JSON.stringify(this.#recorded)) return;
      await replaceFile(this.#path, `${JSON.stringify(recorded, null, 2)}\n`);
      this.#recorded = recorded;
    });
    this.#writing = written.catch(() => undefined);
    return written;
  }
}

function isEqual(a: readonly Priority[], b: readonly Priority[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}
