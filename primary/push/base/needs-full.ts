// What a link says of a replica that nothing here is a base for. Pure.
import { wholeSeconds } from "../../../shared/format/timestamp.js";
import type { LostBase } from "./link-pins.js";

export interface NeedsFull {
  reason: string;
  hint: string;
}

export interface NeedsFullFacts {
  replica: string;
  /** What was let go, and why, until it holds something to build on again. */
  lost: LostBase | undefined;
  /** Why the plan is to send all, if that is the plan and nobody asked for it. */
  planned: string | undefined;
  /** `push.full`. */
  mode: "auto" | "ask";
}

export function needsFull({ replica, lost, planned, mode }: NeedsFullFacts): NeedsFull | undefined {
  if (!lost && planned === undefined) return undefined;
  const why =
    lost &&
    `its base, generation ${lost.generation}, was let go ${wholeSeconds(new Date(lost.atMs).toISOString())}: ${lost.reason}`;
  const hint =
    mode === "ask"
      ? `\`isochron-primary resync ${replica} --full\` sends all of the store`
      : "all of the store is sent when it is reached; if it will not be back, take it out of `replicas`";
  return { reason: why ?? (planned as string), hint };
}
