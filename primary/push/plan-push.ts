// What to send to a replica, and from where, given what it says it holds and what stands here. Pure: no clock, no disk, no network.
// Parents are found by UUID, never by name: a generation of the same number on another disk is another generation.
import type { StreamPlace } from "../../shared/store/walk-commands.js";

/** A generation here, with the UUIDs of its subvolumes: `undefined` until a hello has to be compared with them. */
export interface LocalGeneration {
  generation: number;
  timing: string | undefined;
  vector: string | undefined;
}

/** What the replica holds of this store, as its hello says; `null` before its first generation. */
export interface HeldByReplica {
  generation: number;
  size: number;
  timingReceivedUuid: string | null;
  vectorReceivedUuid: string | null;
  /** This process pushed that generation and has its cosigned ack: it is the one of this number here. */
  acked?: true;
}

export interface PlanInput {
  /** Whole generations here, ascending. */
  local: readonly LocalGeneration[];
  held: HeldByReplica | null;
  /** Entries under the newest generation's checkpoint. */
  size: number;
  /** A full resync was asked for. */
  full: boolean;
  /** What the replica keeps of a push that was cut. */
  partial?: PartialPush | undefined;
  /** A generation that has arrived whole there, and is being verified. */
  workingOn?: number | undefined;
}

/** `protocol`: of the streams, 2 with extents as they are on disk. */
export interface ResumePlace extends StreamPlace {
  protocol: number;
}

export interface PartialPush extends ResumePlace {
  generation: number;
  /** `null` for a full send. */
  base: number | null;
}

/** `resume`: the push goes on behind this place. */
export type PushPlan =
  | { kind: "nothing"; reason: string }
  | { kind: "increment"; generation: number; base: number; reason: string; resume?: ResumePlace }
  | { kind: "full"; generation: number; reason: string; resume?: ResumePlace }
  | { kind: "refuse"; code: "regressed"; reason: string };

export function planPush(input: PlanInput): PushPlan {
  const plan = planAnew(input);
  if (plan.kind !== "increment" && plan.kind !== "full") return plan;
  const { workingOn, partial } = input;
  if (workingOn !== undefined) {
    return { kind: "nothing", reason: `the replica has all of generation ${workingOn}, and verifies it` };
  }
  return partial && canGoOn(plan, partial, input) ? goOn(plan, partial) : plan;
}

/**
 * A push that was cut is finished rather than begun anew with a newer generation: on a link that holds for an hour, one
 * that takes two would else never end.
 */
function canGoOn(plan: SendPlan, partial: PartialPush, { local, held }: PlanInput): boolean {
  const base = plan.kind === "increment" ? plan.base : null;
  const isAhead = partial.generation > (held?.generation ?? 0);
  return isAhead && partial.base === base && local.some(({ generation }) => generation === partial.generation);
}

export type SendPlan = Extract<PushPlan, { generation: number }>;

function goOn(plan: SendPlan, { generation, bytes, digest, protocol }: PartialPush): PushPlan {
  const reason = `${plan.reason}; ${bytes} bytes of generation ${generation} are there from a push that was cut`;
  return { ...plan, generation, reason, resume: { bytes, digest, protocol } };
}

function planAnew({ local, held, size, full }: PlanInput): PushPlan {
  const newest = local.at(-1);
  if (!newest) return { kind: "nothing", reason: "nothing has been sealed yet" };
  if (!held) return { kind: "full", generation: newest.generation, reason: "the replica holds nothing of this store" };
  if (held.size > size || held.generation > newest.generation) {
    const reason = `the replica holds generation ${held.generation} (${held.size} entries); this primary ends at ${newest.generation} (${size})`;
    return { kind: "refuse", code: "regressed", reason };
  }
  if (held.generation === newest.generation && sameContent(newest, held) && !full) {
    return { kind: "nothing", reason: `the replica stands at generation ${newest.generation}, the newest` };
  }
  if (full) return { kind: "full", generation: newest.generation, reason: "a full resync was asked for" };
  const base = local.find((candidate) => sameContent(candidate, held));
  if (!base) {
    return {
      kind: "full",
      generation: newest.generation,
      reason: `its generation ${held.generation} is no longer here as a base`,
    };
  }
  const { generation } = newest;
  return {
    kind: "increment",
    generation,
    base: base.generation,
    reason: `the replica holds generation ${base.generation}`,
  };
}

function sameContent(local: LocalGeneration, held: HeldByReplica): boolean {
  if (held.acked) return local.generation === held.generation;
  return local.timing === held.timingReceivedUuid && local.vector === held.vectorReceivedUuid;
}
