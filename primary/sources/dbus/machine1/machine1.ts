// systemd-machined as a watched service: the containers and virtual machines that are registered with it, from whichever
// program (systemd-nspawn, libvirt, podman, …). It stops by itself while there are none.
// https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.machine1.html
import type { BusMessage } from "../../../../shared/dbus/bus-connection.js";
import type { ElementState, JsonObject } from "../../watch/element-change.js";
import type { BusPeer, BusService } from "../bus-service.js";
import { nameInPath, ObjectLives } from "../object-lives.js";
import { sinceOf, textOrNull } from "../property-values.js";

const NAME = "org.freedesktop.machine1";
const ROOT = "/org/freedesktop/machine1";
const MANAGER = `${NAME}.Manager`;
const MACHINE = `${NAME}.Machine`;
const PROPERTIES_CHANGED = "org.freedesktop.DBus.Properties.PropertiesChanged";

/** The pseudo-machine that stands for the host itself. */
const HOST = ".host";

export function createMachine1(): BusService {
  return new Machine1();
}

class Machine1 implements BusService {
  readonly source = "dbus:machine1";
  readonly busName = NAME;
  readonly rules = [`path_namespace='${ROOT}'`];
  readonly exitsWhenIdle = true;
  readonly nameChange = nameMachineChange;
  readonly #machines = new ObjectLives({
    elementType: "Machine",
    elementId: (name) => `machine:${name}`,
    read: async (peer, path) => machineState(await peer.properties(path, MACHINE)),
    unread: (name) => ({ name }),
    nameChange: nameMachineChange,
  });

  async snapshot(peer: BusPeer): Promise<ElementState[]> {
    const [listed] = await peer.call({ path: ROOT, interface: MANAGER, member: "ListMachines" });
    const machines = listed as [name: string, klass: string, service: string, path: string][];
    const others = machines.filter(([name]) => name !== HOST);
    return this.#machines.readAll(
      peer,
      others.map(([name, , , path]) => [name, path]),
    );
  }

  signal({ interface: iface, member, body, path }: BusMessage, peer: BusPeer): void {
    const [name, object] = body as [string, string];
    const what = `${iface}.${member}`;
    if (what === `${MANAGER}.MachineNew`) this.#machines.came(peer, name, object);
    else if (what === `${MANAGER}.MachineRemoved`) this.#machines.gone(peer, name);
    else if (what === PROPERTIES_CHANGED) this.#changed(path, peer);
  }

  /** Up to version 252 no property of a machine is announced; who announces one is asked. */
  #changed(path: string, peer: BusPeer): void {
    const name = nameInPath(path, `${ROOT}/machine/`);
    if (name !== undefined && name !== HOST) this.#machines.changed(peer, name, path);
  }
}

function machineState(properties: JsonObject): JsonObject {
  const { Name, Class, Service, State, Unit, Leader, RootDirectory, Timestamp } = properties;
  return {
    name: Name ?? null,
    class: textOrNull(Class),
    service: textOrNull(Service),
    // machined does not tell when `opening` becomes `running`: a state that nobody would correct is not recorded.
    state: State === "closing" ? "closing" : "running",
    unit: textOrNull(Unit),
    // Belongs to one life, as does `since`: by them a machine that was replaced unseen is told from one that stayed.
    leader: Leader ?? null,
    root_directory: textOrNull(RootDirectory),
    since: sinceOf(Timestamp),
  };
}

function nameMachineChange(before: JsonObject, after: JsonObject): string {
  if (Object.keys(after).length === 0) return "stopped";
  if (Object.keys(before).length === 0) return "started";
  if (before.since !== after.since || before.leader !== after.leader) return "restarted";
  return before.state !== after.state && after.state === "closing" ? "stopping" : "modified";
}
