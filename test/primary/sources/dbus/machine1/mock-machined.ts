// systemd-machined as a python-dbusmock: machines that are there, that start and that stop.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BusMock, TestBus } from "../../../../support/with-bus.js";

export const NAME = "org.freedesktop.machine1";
export const ROOT = "/org/freedesktop/machine1";
export const MOCK = "org.freedesktop.DBus.Mock";

export interface Life {
  name: string;
  leader?: number;
  since?: number;
}

/** python-dbusmock has no machined. As a template its machines are there before it answers anyone. */
const TEMPLATE = `
import dbus
from dbusmock import MOCK_IFACE, mockobject

BUS_NAME = "${NAME}"
MAIN_OBJ = "${ROOT}"
MAIN_IFACE = "${NAME}.Manager"
MACHINE = "${NAME}.Machine"
SYSTEM_BUS = True


def load(mock, parameters):
    for life in parameters["machines"]:
        add(mock, life["name"], life.get("leader", 4711), life.get("since", 1700000000000000))


def path_of(name):
    return dbus.ObjectPath(MAIN_OBJ + "/machine/" + name.replace("-", "_2d"))


def add(mock, name, leader, since):
    mock.AddObject(path_of(name), MACHINE, {
        "Name": name, "Class": "container", "Service": "systemd-nspawn", "State": "opening",
        "Unit": f"systemd-nspawn@{name}.service", "Leader": dbus.UInt32(leader),
        "RootDirectory": f"/var/lib/machines/{name}", "Timestamp": dbus.UInt64(since),
        "NetworkInterfaces": dbus.Array([7], signature="i"),
    }, [])


@dbus.service.method(MAIN_IFACE, in_signature="", out_signature="a(ssso)")
def ListMachines(self):
    there = [(path, o.props[MACHINE]) for path, o in mockobject.objects.items() if "/machine/" in path]
    return [(p["Name"], p["Class"], p["Service"], dbus.ObjectPath(path)) for path, p in there]


@dbus.service.method(MOCK_IFACE, in_signature="sut", out_signature="")
def StartMachine(self, name, leader, since):
    add(self, name, leader, since)
    self.EmitSignal(MAIN_IFACE, "MachineNew", "so", [name, path_of(name)])


@dbus.service.method(MOCK_IFACE, in_signature="s", out_signature="")
def StopMachine(self, name):
    self.RemoveObject(path_of(name))
    self.EmitSignal(MAIN_IFACE, "MachineRemoved", "so", [name, path_of(name)])
`;

export async function mockMachined(bus: TestBus, ...machines: Life[]): Promise<BusMock> {
  const template = join(bus.folder, "machined.py");
  await writeFile(template, TEMPLATE);
  return bus.mock("--template", template, "--parameters", JSON.stringify({ machines }));
}

export async function startMachine(
  bus: TestBus,
  { name, leader = 4711, since = 1_700_000_000_000_000 }: Life,
): Promise<void> {
  await bus.call(NAME, ROOT, `${MOCK}.StartMachine`, name, String(leader), String(since));
}

export async function stopMachine(bus: TestBus, name: string): Promise<void> {
  await bus.call(NAME, ROOT, `${MOCK}.StopMachine`, name);
}
