// The source of one push: the send streams of its plan from their beginning, shared with other links where they are small; or
// what is left of them behind the place up to which the replica kept a push that was cut.
import type { Logger } from "../../../shared/log.js";
import type { TreeLayout } from "../../../shared/store/layout.js";
import type { SpareProcesses } from "../../../shared/store/spare-processes.js";
import type { ResumePlace, SendPlan } from "../plan-push.js";
import type { SharedSends } from "./shared-sends.js";
import { skipHeld } from "./skip-held.js";
import { sendGeneration } from "./stream-generation.js";

export interface OpenSend {
  replica: string;
  plan: SendPlan;
  trees: { tree: TreeLayout; base: TreeLayout | undefined };
  /** Entries of the generation that the replica does not hold. */
  newEntries: number;
  compressedData: boolean;
  spares: SpareProcesses;
  sends: SharedSends;
  /** Ends a send of its own. */
  signal: AbortSignal;
  /** Fires when the connection is gone: skipping what is held takes a while. */
  lost: AbortSignal;
  log: Logger;
}

export interface OpenedSend {
  source: AsyncGenerator<Buffer>;
  /** Where `source` goes on; `undefined` at the beginning. */
  resume: ResumePlace | undefined;
}

/** More entries than this are hardly a small increment: not shared with other links. */
const MOST_SHARED_ENTRIES = 5000;

export async function openSend(open: OpenSend): Promise<OpenedSend> {
  const { plan, replica, lost, log } = open;
  const { resume, generation } = plan;
  if (!resume) return { source: startSend(open), resume };
  const said = { replica, generation, bytes: resume.bytes };
  const rest = await skipHeld(startSend(open), resume, lost);
  if (rest) {
    log.info("goes on with a push that was cut", said);
    return { source: rest, resume };
  }
  log.warn("what a replica kept of a cut push is not what is sent now: begins anew", said);
  return { source: startSend(open), resume: undefined };
}

function startSend({
  plan,
  trees,
  newEntries,
  compressedData,
  spares,
  sends,
  signal,
}: OpenSend): AsyncGenerator<Buffer> {
  const send = { ...trees, compressedData, spares };
  if (plan.resume || newEntries > MOST_SHARED_ENTRIES) return sendGeneration({ ...send, signal });
  const base = plan.kind === "increment" ? plan.base : "nothing";
  const key = `${plan.generation} on ${base}${compressedData ? ", compressed" : ""}`;
  return sends.read(key, (ending) => sendGeneration({ ...send, signal: ending }));
}
