// The fleet of the steps: primaries and replicas, each a bare Debian of its own, and the machine that Ansible runs on. The replicas
// differ in what their volume lies on; the first primary and the first replica have a model.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { AT_MEDIUM, bringModel } from "./bring-model.js";
import { buildImage } from "./build-image.js";
import { type HostDisk, type HostOptions, NspawnHost } from "./nspawn-host.js";
import { type Archive, buildRelease, packNode, type Release } from "./pack-release.js";
import type { Controller } from "./run-playbook.js";
import { attachDisk, startZone, type Zone } from "./start-zone.js";

export interface HostFleet {
  controller: Controller;
  /** What the hosts run at first. */
  release: Release;
  zone: Zone;
  primaries: NspawnHost[];
  replicas: NspawnHost[];
  hosts: NspawnHost[];
  stop(): Promise<void>;
}

export interface FleetRequest {
  /** For all that is not in the hosts' memory. */
  folder: string;
  suite: "bookworm" | "trixie";
  size: { primaries: number; replicas: number };
  say: (line: string) => void;
}

type Variables = Record<string, unknown>;

const VOLUME_SIZE = "512M";
const REPLICA_ROOT = "/var/lib/isochron/replica";

/** Bare hosts, booted, with nothing of ours on them. */
export async function startHosts({ folder, suite, size, say }: FleetRequest): Promise<HostFleet> {
  const image = await buildImage({ suite, say });
  const folderOfController = join(folder, "controller");
  await mkdir(folderOfController);
  const adminKey = await makeAdminKey(folderOfController);
  const [node, release] = await Promise.all([packNode(folder), buildRelease(folder, say)]);
  const zone = await startZone(join(folder, "zone"));
  const { primaries, replicas, ofHost } = await planHosts(size, { zone, image, adminKey });
  const hosts = [...primaries, ...replicas];
  const stop = async () => {
    await Promise.all(hosts.map((host) => host.powerOff()));
    await zone.stop();
  };
  try {
    await Promise.all(hosts.map((host) => host.install().then(() => host.boot())));
    await giveModel({ primaries, replicas, ofHost }, release, folder);
  } catch (error) {
    await stop();
    throw error;
  }
  const variables = { ...variablesOf(release), ...nodeVariables(suite, node), ...OF_THE_TEST };
  const controller: Controller = { zone, folder: folderOfController, primaries, replicas, variables, ofHost, say };
  return { controller, release, zone, primaries, replicas, hosts, stop };
}

export function variablesOf({ version, program }: Release): Variables {
  return { isochron_version: version, isochron_release: program.path, isochron_release_sha256: program.sha256 };
}

interface PlannedHosts {
  primaries: NspawnHost[];
  replicas: NspawnHost[];
  ofHost: Record<string, Variables>;
}

/** The second replica has a disk that the role formats, the third one that is mounted already. */
async function planHosts(
  size: FleetRequest["size"],
  options: Pick<HostOptions, "zone" | "image" | "adminKey">,
): Promise<PlannedHosts> {
  const make = (name: string, at: number, disk?: HostDisk) =>
    new NspawnHost({ ...options, name, address: `10.77.0.${at}`, ...(disk && { disk }) });
  const count = (length: number) => Array.from({ length }, (_, i) => i);
  const primaries = count(size.primaries).map((i) => make(`primary${i + 1}`, 11 + i));
  const replicas: NspawnHost[] = [];
  const ofHost: PlannedHosts["ofHost"] = {};
  for (const i of count(size.replicas)) {
    const name = `replica${i + 1}`;
    const disk = await diskOf(options.zone, name, i);
    replicas.push(make(name, 21 + i, disk));
    ofHost[name] = volumeVariables(disk);
  }
  return { primaries, replicas, ofHost };
}

async function diskOf(zone: Zone, name: string, at: number): Promise<HostDisk | undefined> {
  if (at !== 1 && at !== 2) return undefined;
  const device = await attachDisk(zone, name, VOLUME_SIZE);
  return at === 1 ? { device } : { device, mountedOn: REPLICA_ROOT };
}

function volumeVariables(disk: HostDisk | undefined): Variables {
  if (disk === undefined) return {};
  if (disk.mountedOn) return { isochron_replica_volume: "mounted" };
  return { isochron_replica_volume: "device", isochron_replica_volume_device: disk.device };
}

/** A third host has none: its questions are answered by words. */
async function giveModel(
  { primaries, replicas, ofHost }: PlannedHosts,
  release: Release,
  folder: string,
): Promise<void> {
  const [primary, replica] = [primaries[0], replicas[0]];
  if (!primary || !replica) throw new Error("a fleet has a primary and a replica");
  const variables = await bringModel([primary, replica], release.runtime, folder);
  const options = { ...OF_THE_TEST.isochron_primary_options, ...AT_MEDIUM };
  ofHost[primary.name] = { ...variables, isochron_primary_options: options };
  ofHost[replica.name] = { ...ofHost[replica.name], ...variables };
}

const OF_THE_TEST = {
  isochron_primary_volume_size: VOLUME_SIZE,
  isochron_replica_volume_size: VOLUME_SIZE,
  // Low events wait half a minute for their generation; the steps ask for them one after the other.
  isochron_primary_options: { seal: { low_ms: 2000, medium_ms: 1000 } },
};

function nodeVariables(suite: string, node: Archive): Variables {
  if (suite !== "bookworm") return {};
  return { isochron_node: "archive", isochron_node_archive: node.path, isochron_node_sha256: node.sha256 };
}

async function makeAdminKey(folder: string): Promise<string> {
  const path = join(folder, "admin-key");
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", path]);
  return (await readFile(`${path}.pub`, "utf8")).trim();
}
