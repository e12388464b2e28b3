// Emits signals as fast as the bus takes them: restarts of services as systemd shows them, with all their noise, or a storm
// of one kind. A process of its own: `node emit-signals.js ADDRESS`; reads `restarts N` and `storm N` from its input.
import { createInterface } from "node:readline";
import { type BusCall, BusConnection } from "../../../shared/dbus/bus-connection.js";
import { variant } from "../../../shared/dbus/variant.js";
import {
  MANAGER,
  MANAGER_PATH,
  NAME,
  PROPERTIES,
  SERVICE,
  STORM_NAME,
  STORM_PATH,
  UNIT,
  UNITS,
} from "./bench-names.js";

const connection = await BusConnection.connect({ address: process.argv[2] as string, onCall: answer });
await connection.requestName(NAME);
await connection.requestName(STORM_NAME);
process.stdout.write("ready\n");

for await (const line of createInterface({ input: process.stdin })) {
  const [what, count] = line.split(" ");
  if (what === "restarts") for (let i = 0; i < Number(count); i += 1) restart(i % UNITS, i);
  else for (let i = 0; i < Number(count); i += 1) storm(i);
  process.stdout.write("emitted\n");
}
connection.close();

/** What a source asks of the manager before it listens. */
function answer(call: BusCall): void {
  const path = (i: number) => `${MANAGER_PATH}/unit/bench${i}_2eservice`;
  if (call.member === "ListUnitsByPatterns") {
    const units = Array.from({ length: UNITS }, (_, i) => {
      const state = ["loaded", "active", "running", "", path(i), 0, "", "/"];
      return [`bench${i}.service`, `Bench ${i}`, ...state];
    });
    call.reply("a(ssssssouso)", [units]);
  } else if (call.member === "ListUnitFilesByPatterns") {
    call.reply("a(ss)", [Array.from({ length: UNITS }, (_, i) => [`/lib/bench${i}.service`, "enabled"])]);
  } else call.reply("", []);
}

/** The 18 signals of one restart: the state goes deactivating, inactive, active; the rest says nothing new. */
function restart(unit: number, turn: number): void {
  const path = `${MANAGER_PATH}/unit/bench${unit}_2eservice`;
  const name = `bench${unit}.service`;
  const job = `${MANAGER_PATH}/job/${turn}`;
  const state = (active: string, sub: string) => changed(path, UNIT, { ActiveState: active, SubState: sub });
  const noise = (key: string, value: string) => changed(path, SERVICE, { [key]: value });
  connection.emit(MANAGER_PATH, MANAGER, "JobNew", "uos", [turn, job, name]);
  state("active", "running");
  noise("Result", "success");
  state("deactivating", "stop-sigterm");
  noise("ControlPID", "0");
  noise("StatusText", "");
  state("inactive", "dead");
  noise("ExecMainStatus", "0");
  connection.emit(MANAGER_PATH, MANAGER, "JobRemoved", "uoss", [turn, job, name, "done"]);
  connection.emit(MANAGER_PATH, MANAGER, "JobNew", "uos", [turn, job, name]);
  state("inactive", "dead");
  noise("Result", "success");
  state("active", "running");
  noise("ExecMainPID", String(turn));
  noise("MainPID", String(turn));
  state("active", "running");
  noise("NFileDescriptorStore", "0");
  connection.emit(MANAGER_PATH, MANAGER, "JobRemoved", "uoss", [turn, job, name, "done"]);
}

function changed(path: string, iface: string, values: Record<string, string>): void {
  const properties = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, variant("s", value)]));
  connection.emit(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [iface, properties, []]);
}

function storm(i: number): void {
  connection.emit(`${STORM_PATH}/thing${i % 1000}`, STORM_NAME, "Changed", "su", [`thing ${i}`, i]);
}
