// The names that the events before a window had in one column: how often each was there, and how many events had a name
// as rare. Where every second event has a name of its own, a name that nobody saw before says nothing.
import { SEAL_ELEMENT_TYPE } from "../format/seal.js";
import { type Counted, pairKey, type SpanCounts } from "./span-counts.js";
import { namesOf, type Tallies, type TallyKind } from "./tallies.js";

/** With more different names than this no name of them is rare. */
const MOST_NAMES = 10_000;

export class EarlierNames {
  readonly #tallies: Tallies;
  readonly #since: readonly SpanCounts[];
  readonly #kind: TallyKind;
  readonly #type: string | undefined;
  #counts: number[] | "too-many" | undefined;

  /** `since` has what is counted in `tallies` and is not earlier. `type` is given where the names are those of one type. */
  constructor(tallies: Tallies, since: readonly SpanCounts[], kind: TallyKind, type: string | undefined) {
    this.#tallies = tallies;
    this.#since = since;
    this.#kind = kind;
    this.#type = type;
  }

  /** Earlier events with this name. */
  count(name: string): number {
    return this.#before(name, this.#tallies.count(this.#kind, ...namesOf(this.#type, name)));
  }

  /**
   * Earlier events whose name was there no more than twice as often as one that was there `count` times: of many names
   * that are all seldom, the one that is a little less so stands out by chance. For 0 the names that were there once, which
   * is how often an event brought a new one (Good, "The population frequencies of species", Biometrika 40, 1953).
   */
  asRareAs(count: number): number {
    this.#counts ??= this.#countAll();
    if (this.#counts === "too-many") return Number.POSITIVE_INFINITY;
    let sum = 0;
    for (const one of this.#counts) if (one <= Math.max(1, 2 * count)) sum += one;
    return sum;
  }

  #countAll(): number[] | "too-many" {
    const { names, most } = this.#tallies.frequent(this.#kind, MOST_NAMES, this.#type);
    if (names > MOST_NAMES) return "too-many";
    return most.map(({ name, count }) => this.#before(name, count));
  }

  #before(name: string, all: number): number {
    const since = this.#since.reduce((sum, counts) => sum + (this.#countedIn(counts, name)?.count ?? 0), 0);
    return all - since - this.#ofSeals(name);
  }

  #countedIn(counts: SpanCounts, name: string): Counted | undefined {
    switch (this.#kind) {
      case "type":
        return counts.types.get(name);
      case "actor":
        return counts.actors.get(name);
      case "type-action":
        return counts.typeActions.get(pairKey(this.#type ?? "", name));
      case "type-actor":
        return counts.typeActors.get(pairKey(this.#type ?? "", name));
      default:
        throw new Error(`spans are not counted by ${this.#kind}`);
    }
  }

  /** Seals are in the tallies and in no span. */
  #ofSeals(name: string): number {
    if (this.#kind === "actor") return this.#tallies.count("type-actor", SEAL_ELEMENT_TYPE, name);
    return this.#kind === "type" && name === SEAL_ELEMENT_TYPE ? this.#tallies.count("type", name) : 0;
  }
}
