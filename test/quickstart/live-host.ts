// What the primary watches here instead of this machine's own: a private D-Bus with a NetworkManager on it (Debian's mock of
// it) and a private Open vSwitch database, so that the story can change a network without touching one.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { OpenVswitch } from "../primary/sources/ovsdb/open-vswitch.js";
import { startBus, type TestBus } from "../support/with-bus.js";
import type { Session } from "./make-session.js";
import { say, showHeading } from "./print-story.js";
import { waitForEvents, waitForReplica } from "./wait-for-stage.js";

export interface LiveHost {
  bus: TestBus;
  ovsdbSocket: string;
  /** A file of a folder that is watched. */
  hostsFile: string;
}

const PROJECT = fileURLToPath(new URL("../../..", import.meta.url));
const POLICIES = [
  "primary/face/dev.isochron.Primary1.conf",
  "replica/face/dev.isochron.Replica1.conf",
  "shared/dbus/dev.ovs.PortAgent1.conf",
];
const NM = "org.freedesktop.NetworkManager";
const NM_PATH = "/org/freedesktop/NetworkManager";
const MOCK = "org.freedesktop.DBus.Mock";

export async function startLiveHost(session: Session): Promise<LiveHost> {
  const folder = join(session.folder, "host");
  const hostsFile = join(folder, "etc", "hosts");
  await mkdir(dirname(hostsFile), { recursive: true });
  await writeFile(hostsFile, "127.0.0.1 localhost\n");
  const bus = await startBus(folder, { policies: POLICIES.map((path) => join(PROJECT, path)) });
  session.cleanUp.add(() => bus.kill());
  await bus.mock("--template", "networkmanager");
  const vswitch = new OpenVswitch(folder);
  session.cleanUp.add(() => vswitch.stop());
  await vswitch.start();
  return { bus, ovsdbSocket: vswitch.socket, hostsFile };
}

/** Changes the network, and shows what the replica then knows of it. */
export async function showLiveEvents(session: Session, host: LiveHost): Promise<void> {
  showHeading("Live: what changes on the host becomes events by itself");
  say("NetworkManager, on a private D-Bus, gets a device. Open vSwitch gets a bridge with a port, whose VLAN then");
  say("changes. A watched file gets a line.");
  const vsctl = ["ovs-vsctl", `--db=unix:${host.ovsdbSocket}`, "--no-wait"];
  const addDevice = ["--method", `${MOCK}.AddEthernetDevice`, "eth1", "eth1", "100"];
  await session.command([...gdbusCall(host, NM, NM_PATH), ...addDevice]);
  await session.command([...vsctl, "add-br", "ovsbr1"]);
  await session.command([...vsctl, "add-port", "ovsbr1", "vi101", "tag=10"]);
  await waitForEvents(session, { "interface:eth1": 1, "ovs-port:vi101": 1 });
  await session.command([...vsctl, "set", "port", "vi101", "tag=20"]);
  await session.command(["sh", "-c", `echo 10.0.0.7 backup >> ${host.hostsFile}`]);
  await waitForEvents(session, { "ovs-port:vi101": 2, [`file:${host.hostsFile}`]: 2 });
  await waitForReplica(session);
  await session.replica("chain", "ovs-port:vi101");
  await session.replicaLines(/^(action|timestamp|state| {2})/, "state", `file:${host.hostsFile}`);
  await session.replica("elements", "--type", "NetworkInterface,OvsBridge,OvsPort");
}

/** The same record, asked over D-Bus. */
export async function showDbusFace(session: Session, host: LiveHost): Promise<void> {
  showHeading("The same over D-Bus");
  const event = JSON.stringify({ element_id: "bridge:ovsbr1", element_type: "Bridge", action: "config_changed" });
  const ingest = ["--method", "dev.isochron.Primary1.Ingest.AddEvent", event];
  await session.command([...gdbusCall(host, "dev.isochron.Primary1", "/dev/isochron/Primary1"), ...ingest]);
  await session.primary("seal");
  await waitForReplica(session);
  const search = ["--method", "dev.ovs.PortAgent1.semantic_search", "find bridge configuration issues", "2"];
  await session.command([...gdbusCall(host, "dev.ovs.PortAgent1", "/dev/ovs/PortAgent1"), ...search]);
}

function gdbusCall(host: LiveHost, destination: string, path: string): string[] {
  return ["gdbus", "call", "--address", host.bus.address, "--dest", destination, "--object-path", path];
}
