// systemd's manager as a python-dbusmock: its lists, and the signals of its units in systemd's order and with its
// repetitions. As systemd it sends none to whom has not subscribed.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BusMock, TestBus } from "../../../../support/with-bus.js";

/** A loaded unit: name, description, load state, active state, sub-state. */
export type MockUnit = [name: string, description: string, load: string, active: string, sub: string];

/** Where a unit stands next; result, and exit status or signal number, of its last run. */
export type Step = [name: string, active: string, sub: string, result?: string, status?: number];

export interface MockSystemd extends BusMock {
  /** Sends what systemd does on each step: the type's properties, then the unit's, each twice. */
  say(...steps: Step[]): Promise<void>;
  /** The next reload of a service ends like this. */
  reloadResult(result: string): Promise<void>;
  /** The unit files as they now are, by path; with the signal or without. */
  setFiles(files: Record<string, string>, told?: boolean): Promise<void>;
  /** A unit as it now is, without a signal. */
  setUnit(unit: MockUnit): Promise<void>;
  /** A mount that someone else has made: systemd tells that the unit is new, and nothing else. */
  appear(unit: MockUnit): Promise<void>;
  reloading(on: boolean): Promise<void>;
  /** How often the units were listed. */
  lists(): Promise<number>;
}

const NAME = "org.freedesktop.systemd1";
const ROOT = "/org/freedesktop/systemd1";

const TEMPLATE = `
import fnmatch
import re
import dbus
from dbusmock import MOCK_IFACE, mockobject

BUS_NAME = "${NAME}"
MAIN_OBJ = "${ROOT}"
MAIN_IFACE = BUS_NAME + ".Manager"
SYSTEM_BUS = True


def load(mock, parameters):
    mock.files = parameters["files"]
    mock.unit_rows = {}
    mock.subscribers = set()
    mock.lists = 0
    mock.reload_result = "success"
    for unit in parameters["units"]:
        put(mock, unit)


def put(mock, unit):
    mock.unit_rows[str(unit[0])] = [str(part) for part in unit]
    path = path_of(unit[0])
    if path not in mockobject.objects:
        result = "exit-code" if unit[3] == "failed" else "success"
        mock.AddObject(path, type_of(unit[0]), {"Result": result}, [])
    return mockobject.objects[path]


def path_of(name):
    escaped = "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in str(name))
    return f"{MAIN_OBJ}/unit/{escaped}"


def type_of(name):
    return f"{BUS_NAME}.{str(name).rsplit('.', 1)[1].capitalize()}"


def fits(name, patterns):
    # As in fnmatch(3), a backslash takes the next character as it is.
    plain = [re.sub(r"\\\\(.)", r"[\\1]", str(pattern)) for pattern in patterns]
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in plain)


def changed(unit, iface, properties):
    signature = "sa{sv}as"
    unit.EmitSignal(dbus.PROPERTIES_IFACE, "PropertiesChanged", signature, [iface, properties, ["Conditions"]])


@dbus.service.method(MAIN_IFACE, in_signature="", out_signature="", sender_keyword="sender")
def Subscribe(self, sender=None):
    if sender in self.subscribers:
        raise dbus.exceptions.DBusException("already", name=BUS_NAME + ".AlreadySubscribed")
    self.subscribers.add(sender)


@dbus.service.method(MAIN_IFACE, in_signature="asas", out_signature="a(ssssssouso)")
def ListUnitsByPatterns(self, states, patterns):
    self.lists += 1
    rows = [row for name, row in self.unit_rows.items() if fits(name, patterns)]
    return [tuple(row) + ("", dbus.ObjectPath(path_of(row[0])), dbus.UInt32(0), "", dbus.ObjectPath("/")) for row in rows]


@dbus.service.method(MAIN_IFACE, in_signature="asas", out_signature="a(ss)")
def ListUnitFilesByPatterns(self, states, patterns):
    return [(path, state) for path, state in self.files.items() if fits(path.rsplit("/", 1)[1], patterns)]


@dbus.service.method(MOCK_IFACE, in_signature="a(ssssi)", out_signature="")
def Say(self, steps):
    for name, active, sub, result, status in steps:
        description = self.unit_rows.get(str(name), [name, name])[1]
        unit = put(self, [name, description, "loaded", active, sub])
        if not self.subscribers:
            continue
        code = {"exit-code": 1, "signal": 2}.get(str(result), 0)
        run = {"Result": result, "ReloadResult": self.reload_result, "NRestarts": dbus.UInt32(0)}
        if type_of(name).endswith("Service"):
            run.update({"ExecMainCode": dbus.Int32(code), "ExecMainStatus": status})
        state = {"ActiveState": active, "SubState": sub, "InvocationID": dbus.ByteArray(b"0123456789abcdef")}
        for _ in range(2):
            changed(unit, type_of(name), run)
            changed(unit, BUS_NAME + ".Unit", state)


@dbus.service.method(MOCK_IFACE, in_signature="s", out_signature="")
def SetReloadResult(self, result):
    self.reload_result = result


@dbus.service.method(MOCK_IFACE, in_signature="a{ss}b", out_signature="")
def SetFiles(self, files, told):
    self.files = {str(path): str(state) for path, state in files.items()}
    if told:
        self.EmitSignal(MAIN_IFACE, "UnitFilesChanged", "", [])


@dbus.service.method(MOCK_IFACE, in_signature="as", out_signature="")
def SetUnit(self, unit):
    put(self, unit)


@dbus.service.method(MOCK_IFACE, in_signature="as", out_signature="")
def Appear(self, unit):
    put(self, unit)
    self.EmitSignal(MAIN_IFACE, "UnitNew", "so", [unit[0], dbus.ObjectPath(path_of(unit[0]))])


@dbus.service.method(MOCK_IFACE, in_signature="b", out_signature="")
def SetReloading(self, on):
    self.EmitSignal(MAIN_IFACE, "Reloading", "b", [on])
    kind = "UnitRemoved" if on else "UnitNew"
    for name in self.unit_rows:
        self.EmitSignal(MAIN_IFACE, kind, "so", [name, dbus.ObjectPath(path_of(name))])


@dbus.service.method(MOCK_IFACE, in_signature="", out_signature="i")
def CountLists(self):
    return self.lists
`;

export async function mockSystemd(
  bus: TestBus,
  parameters: { units: MockUnit[]; files: Record<string, string> },
): Promise<MockSystemd> {
  const template = join(bus.folder, "systemd.py");
  await writeFile(template, TEMPLATE);
  const mock = await bus.mock("--template", template, "--parameters", JSON.stringify(parameters));
  const tell = (method: string, ...args: string[]) =>
    bus.call(NAME, ROOT, `org.freedesktop.DBus.Mock.${method}`, ...args);
  return {
    name: mock.name,
    pid: mock.pid,
    stop: () => mock.stop(),
    async say(...steps) {
      const rows = steps.map(([name, active, sub, result = "success", status = 0]) => {
        return `(${[name, active, sub, result].map(quoted).join(", ")}, ${status})`;
      });
      await tell("Say", `[${rows.join(", ")}]`);
    },
    async reloadResult(result) {
      await tell("SetReloadResult", result);
    },
    async setFiles(files, told = true) {
      const pairs = Object.entries(files).map(([path, state]) => `${quoted(path)}: ${quoted(state)}`);
      await tell("SetFiles", `{${pairs.join(", ")}}`, String(told));
    },
    async setUnit(unit) {
      await tell("SetUnit", `[${unit.map(quoted).join(", ")}]`);
    },
    async appear(unit) {
      await tell("Appear", `[${unit.map(quoted).join(", ")}]`);
    },
    async reloading(on) {
      await tell("SetReloading", String(on));
    },
    async lists() {
      return Number((await tell("CountLists")).replace(/\D/g, ""));
    },
  };
}

/** A string in GVariant's text form. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
