// The fleet of the steps: two primaries and three replicas, each a bare Debian of its own, and the machine that Ansible runs on.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { buildImage } from "./build-image.js";
import { NspawnHost } from "./nspawn-host.js";
import { type Archive, packNode, packRelease } from "./pack-release.js";
import type { Controller } from "./run-playbook.js";
import { startZone, type Zone } from "./start-zone.js";

export interface HostFleet {
  controller: Controller;
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
  say: (line: string) => void;
}

const PRIMARIES = ["primary1", "primary2"];
const REPLICAS = ["replica1", "replica2", "replica3"];

/** Bare hosts, booted, with nothing of ours on them. */
export async function startHosts({ folder, suite, say }: FleetRequest): Promise<HostFleet> {
  const image = await buildImage({ suite, say });
  const folderOfController = join(folder, "controller");
  await mkdir(folderOfController);
  const adminKey = await makeAdminKey(folderOfController);
  const node = await packNode(folder);
  const release = await packRelease(folder, "0.1.0");
  const zone = await startZone(join(folder, "zone"));
  const make = (name: string, at: number) => new NspawnHost({ name, address: `10.77.0.${at}`, zone, image, adminKey });
  const primaries = PRIMARIES.map((name, i) => make(name, 11 + i));
  const replicas = REPLICAS.map((name, i) => make(name, 21 + i));
  const hosts = [...primaries, ...replicas];
  const stop = async () => {
    for (const host of hosts) await host.powerOff();
    await zone.stop();
  };
  try {
    await Promise.all(hosts.map((host) => host.install().then(() => host.boot())));
  } catch (error) {
    await stop();
    throw error;
  }
  const variables = { ...variablesOf("0.1.0", release), ...nodeVariables(suite, node), ...OF_THE_TEST };
  const controller: Controller = { zone, folder: folderOfController, primaries, replicas, variables, ofHost: {} };
  return { controller, zone, primaries, replicas, hosts, stop };
}

export function variablesOf(version: string, { path, sha256 }: Archive): Record<string, unknown> {
  return { isochron_version: version, isochron_release: path, isochron_release_sha256: sha256 };
}

const OF_THE_TEST = {
  isochron_primary_volume_size: "512M",
  isochron_replica_volume_size: "512M",
  // Low events wait half a minute for their generation; the steps ask for them one after the other.
  isochron_primary_options: { seal: { low_ms: 2000, medium_ms: 1000 } },
};

function nodeVariables(suite: string, node: Archive): Record<string, unknown> {
  if (suite !== "bookworm") return {};
  return { isochron_node: "archive", isochron_node_archive: node.path, isochron_node_sha256: node.sha256 };
}

async function makeAdminKey(folder: string): Promise<string> {
  const path = join(folder, "admin-key");
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", path]);
  return (await readFile(`${path}.pub`, "utf8")).trim();
}
