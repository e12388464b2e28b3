// One push at the pace of its link: estimates its size, has the codec chosen (after a probe where that matters), sends it,
// and notes what it has shown for the next one.
import type { HelloAnswer } from "../../shared/protocol/protocol.js";
import type { TreeLayout } from "../../shared/store/layout.js";
import type { SendSizes } from "./pace/estimate-size.js";
import type { LinkSample } from "./pace/link-speed.js";
import { WireMeter } from "./pace/meter-wire.js";
import type { LinkPace, PeerAbilities } from "./pace/pace-link.js";
import { probeLink } from "./pace/probe-link.js";
import type { ResumePlace } from "./plan-push.js";
import { PushError } from "./push-error.js";
import { type BtrfsVersions, compressedDataIsSafe } from "./wire/choose-protocol.js";
import { type PushRequest, pushGeneration, sendProbe } from "./wire/replica-client.js";
import type { SshConnection } from "./wire/ssh-connection.js";

export interface PacedPush extends Omit<PushRequest, "codec" | "meter" | "limits" | "source" | "resume"> {
  trees: { tree: TreeLayout; base: TreeLayout | undefined };
  /** Where a push that was cut is to go on. */
  from: ResumePlace | undefined;
  /** The send streams, with extents as they are on disk or not; of a push that goes on, what is left. */
  open: (compressedData: boolean) => Promise<Pick<PushRequest, "source" | "resume">>;
  pace: LinkPace;
  sizes: SendSizes;
  answer: HelloAnswer;
  versions: BtrfsVersions;
  /** Told once the codec is chosen: about how many bytes will be on the wire. */
  onChosen: (estimatedBytes: number) => void;
}

export interface PacedAck {
  note: string;
  codec: string;
  reason: string;
  /** Shares of the time between first and last byte, in milliseconds: who waited for whom. */
  waits: { source_ms: number; limit_ms: number; link_ms: number };
}

/** @throws PushError */
export async function pushAtPace(connection: SshConnection, push: PacedPush): Promise<PacedAck> {
  const { pace, sizes, answer, versions, trees, from } = push;
  const allBytes = await sizes.estimate(trees.tree, trees.base);
  const rawBytes = Math.max(0, allBytes - (from?.bytes ?? 0));
  const probe = (mostBytes: number, roundTripMs: number) => probeFor(connection, push, mostBytes, roundTripMs);
  const { codec, reason, estimatedBytes } = await pace.choose(
    rawBytes,
    { ...abilitiesOf(answer, versions), goesOnAs: kindOf(from) },
    probe,
    () => sizes.extents(trees.tree, trees.base),
  );
  push.onChosen(estimatedBytes);
  const meter = new WireMeter();
  const opened = await push.open(codec.compressedData);
  const request = { ...push, ...opened, codec, meter, limits: pace.limits };
  const { note, arrival } = await pushGeneration(connection, request);
  // Of extents that go on in the middle nobody knows what they would come to otherwise.
  if (!opened.resume || !codec.compressedData) pace.pushed(codec, rawBytes, meter, arrival);
  const [source_ms, limit_ms, link_ms] = [meter.sourceMs, meter.limitMs, meter.linkMs].map(Math.round) as Waits;
  return { note, codec: codec.name, reason, waits: { source_ms, limit_ms, link_ms } };
}

/** A push goes on with the same streams. */
function kindOf(from: ResumePlace | undefined): PeerAbilities["goesOnAs"] {
  return from && (from.protocol === 2 ? "extents" : "raw");
}

type Waits = [number, number, number];

function abilitiesOf({ versions, encodings, probes }: HelloAnswer, here: BtrfsVersions): PeerAbilities {
  return {
    compressedData: compressedDataIsSafe(here, versions),
    zstd: encodings?.includes("zstd") ?? true,
    probes: probes ?? false,
  };
}

/** Nothing is learnt from a replica that refuses a probe; a connection that breaks ends the push as well. */
async function probeFor(
  connection: SshConnection,
  { stallMs, signal, onBytes, pace: { limits } }: PacedPush,
  mostBytes: number,
  roundTripMs: number,
): Promise<LinkSample | undefined> {
  const send = async (bytes: number) => {
    const meter = new WireMeter();
    const arrival = await sendProbe(connection, Math.ceil(bytes), { meter, limits, signal, stallMs, onBytes });
    return { arrival, idleMs: meter.limitMs };
  };
  try {
    return await probeLink({ mostBytes, roundTripMs, send, nowMs: () => performance.now() });
  } catch (error) {
    if (error instanceof PushError && error.kind === "conflict") return undefined;
    throw error;
  }
}
