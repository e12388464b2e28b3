// Real changes on a host, and what every replica must know of them a little later.
import { eventsOf, primaryStatus, until } from "./ask-fleet.js";
import type { NspawnHost } from "./nspawn-host.js";

const UNIT = "[Service]\\nExecStart=/bin/sleep infinity\\n";

/** A unit is restarted, a package installed, an Open vSwitch bridge added. Resolves with the elements that changed. */
export async function changeThings(primary: NspawnHost): Promise<Record<string, string>> {
  await primary.must("sh", "-c", `printf '${UNIT}' >/etc/systemd/system/demo.service && systemctl daemon-reload`);
  await primary.must("systemctl", "start", "demo.service");
  await primary.must("systemctl", "restart", "demo.service");
  await primary.must("apt-get", "-q", "-y", "--no-install-recommends", "install", "sl", "openvswitch-switch");
  await primary.must("systemctl", "start", "ovsdb-server.service");
  // A bridge that was there before the source was is observed, not created.
  await until(
    () => primaryStatus(primary),
    ({ sources }) => sources.ovsdb.watching,
    "nobody watches Open vSwitch",
  );
  await primary.must("ovs-vsctl", "--no-wait", "add-br", "br-fleet");
  return { "unit:demo.service": "stopped", "package:sl:amd64": "installed", "ovs-bridge:br-fleet": "created" };
}

/** Elements and what was done to them. */
export async function expectKnown(
  replica: NspawnHost,
  primary: NspawnHost,
  changes: Record<string, string>,
): Promise<void> {
  for (const [element, action] of Object.entries(changes)) {
    const seen = (events: { action: string }[]) => events.some((event) => event.action === action);
    await until(() => eventsOf(replica, primary, element), seen, `${replica.name} knows nothing of ${element}`);
  }
}
