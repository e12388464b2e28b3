// What the process that verifies and its threads say to each other.
import type { EventPlace } from "../store/read-events.js";
import type { FoundSeal } from "./walk-range.js";

/** The same for every range of a walk. `dir` is the generation's folder. */
export interface ThreadSetup {
  dir: string;
  storeUuid: string;
  element: string | undefined;
}

/** The events from `from` to before `to`; `known` is where the lines of `from` begin. */
export interface RangeRequest {
  id: number;
  from: number;
  to: number;
  known: EventPlace;
}

/** `walked` is undefined for a range that is not good, or could not be read. */
export interface RangeReply {
  id: number;
  walked: WalkedRange | undefined;
}

/**
 * A range that is good by itself. Its elements stand in lists beside each other (they are copied between threads), each with
 * where its chain must stand before the range, and where it stands behind it.
 */
export interface WalkedRange {
  from: number;
  /** 32 bytes an event. */
  leaves: Uint8Array<ArrayBuffer>;
  /** Roots of the whole tiles of the tree among them. */
  tiles: Uint8Array<ArrayBuffer>;
  elements: string[];
  heightsBefore: number[];
  hashesBefore: string[];
  heights: number[];
  hashes: string[];
  seals: FoundSeal[];
  last: EventPlace;
}
