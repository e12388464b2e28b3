// What came before a window: counts of the whole ledger less those of the window and of what came after it, so that the
// cost is that of the window and not of the history. Asked within one turn, because the ledger's counts move.
import { SEAL_ELEMENT_TYPE } from "../format/seal.js";
import { EarlierNames } from "./earlier-names.js";
import type { TimeSpan } from "./event-layer.js";
import type { QueryContext } from "./query-context.js";
import type { Counted, SpanCounts } from "./span-counts.js";
import type { Tallies, TallyKind } from "./tallies.js";

export class History {
  readonly #context: QueryContext;
  readonly #window: TimeSpan;
  readonly #tallies: Tallies;
  readonly #inWindow: SpanCounts;
  /** Of what came after the window; not by element. */
  readonly #later: SpanCounts;
  readonly #names = new Map<string, EarlierNames>();
  readonly #elements = new Map<string, number>();
  /** Events before the window, seals aside. */
  readonly total: number;

  constructor(context: QueryContext, window: TimeSpan, inWindow: SpanCounts, later: SpanCounts) {
    this.#context = context;
    this.#window = window;
    this.#tallies = context.layer.tallies(context.size);
    this.#inWindow = inWindow;
    this.#later = later;
    const seals = this.#tallies.count("type", SEAL_ELEMENT_TYPE);
    this.total = context.size - seals - inWindow.total - later.total;
  }

  get windowMicros(): number {
    return Math.max(1, this.#window.toMicros - this.#window.fromMicros);
  }

  /** The types or the actors of earlier events, or, of one type, their actions or actors. */
  names(kind: TallyKind & ("type" | "actor")): EarlierNames;
  names(kind: TallyKind & ("type-action" | "type-actor"), type: string): EarlierNames;
  names(kind: TallyKind, type?: string): EarlierNames {
    const key = `${kind} ${type}`;
    const known = this.#names.get(key);
    if (known) return known;
    const names = new EarlierNames(this.#tallies, [this.#inWindow, this.#later], kind, type);
    this.#names.set(key, names);
    return names;
  }

  /** Earlier events of the element, the actor or the type that is named, the narrowest of them. */
  sameAs({ element, actor, type = "" }: Counted): number {
    if (element !== undefined) return this.element(element);
    return actor === undefined ? this.names("type").count(type) : this.names("actor").count(actor);
  }

  element(element: string): number {
    const known = this.#elements.get(element);
    if (known !== undefined) return known;
    const { layer, size } = this.#context;
    const count = layer.topHeight(element, size) + 1 - (this.#inWindow.elements.get(element)?.count ?? 0);
    // What is later is not known by element: if there is any, the chain has to be counted, which the indices allow.
    const exact = this.#later.total === 0 || count === 0 ? count : this.#countBefore(element, undefined, count);
    this.#elements.set(element, exact);
    return exact;
  }

  /** Counted no further than `most`. */
  elementAction(element: string, action: string, most: number): number {
    return this.#countBefore(element, action, most);
  }

  /** How long before the window the first event of this element, actor or type was. */
  knownMicros({ element, type, actor }: Counted): number {
    const { layer, size } = this.#context;
    const { fromMicros } = this.#window;
    const before = { fromMicros: Number.MIN_SAFE_INTEGER, toMicros: fromMicros, type, actor, reverse: false };
    const first =
      element === undefined ? layer.timeline(before, 1, size)[0]?.atMicros : layer.firstMicros(element, size);
    return first === undefined ? 0 : fromMicros - first;
  }

  #countBefore(element: string, action: string | undefined, most: number): number {
    const { layer, size } = this.#context;
    return layer.countBefore(element, action, this.#window.fromMicros, most, size);
  }
}
