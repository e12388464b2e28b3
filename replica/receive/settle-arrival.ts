// What the kernel says of an arrival once it is on disk: before this is done, nothing of it may be counted on.
import { listReadOnly, type ReadOnlySubvolume, syncFilesystem } from "../../shared/store/btrfs.js";
import type { Subvolume } from "../../shared/store/layout.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import type { InspectedSubvolume } from "./inspect-stream.js";
import { ReceiveError } from "./receive-error.js";

/**
 * Resolves, with the UUIDs here of the subvolumes that the stream made in `dir`, when they would survive a power cut.
 *
 * @throws ReceiveError `bad-stream` unless each is read-only and was received as what its stream said
 */
export async function settleArrival(
  dir: string,
  inspected: ReadonlyMap<Subvolume, InspectedSubvolume>,
  spares: SpareProcesses,
): Promise<Map<Subvolume, string>> {
  // `btrfs receive` returning 0 is not durable: after a power cut its files are empty, in a subvolume that looks whole.
  const [found] = await Promise.all([listReadOnly(dir, { spares }), syncFilesystem(dir, { spares })]);
  return new Map([...inspected].map(([name, said]) => [name, checkArrived(name, found.get(name), said)]));
}

/** Whatever the exit code said: read-only, and made of the stream's subvolume. */
function checkArrived(name: Subvolume, info: ReadOnlySubvolume | undefined, said: InspectedSubvolume): string {
  if (!info) throw new ReceiveError("bad-stream", `${name} did not arrive, or unfinished: still writable`);
  if (info.receivedUuid !== said.uuid) {
    throw new ReceiveError("bad-stream", `${name} was received from ${info.receivedUuid}, not from ${said.uuid}`);
  }
  return info.uuid;
}
