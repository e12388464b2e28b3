// The interfaces that every object on a bus has: Introspectable, Peer, and Properties, which only reads. Set is answered
// with an error and assigns nothing.
// https://dbus.freedesktop.org/doc/dbus-specification.html#standard-interfaces
import { readFileSync } from "node:fs";
import { CallRefused } from "./call-refused.js";
import type { ServedInterface, ServedMethod, ServedObject, ServedProperty } from "./served-object.js";
import { variant } from "./variant.js";
import { writeIntrospection } from "./write-introspection.js";

export type MethodsByInterface = Map<string, Map<string, ServedMethod>>;

const MACHINE_ID_FILES = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/** Everything that can be called at an object. */
export function methodsOfObject(objects: readonly ServedObject[], object: ServedObject): MethodsByInterface {
  const own = object.interfaces.map(({ name, methods }) => [name, new Map(Object.entries(methods))] as const);
  return new Map([...methodsOfPath(objects, object.path), ...propertyMethods(object), ...own]);
}

/** What can be called at a path that only leads to objects. */
export function methodsOfPath(objects: readonly ServedObject[], path: string): MethodsByInterface {
  const xml = writeIntrospection(objects, path);
  const introspect: ServedMethod = { takes: "", gives: "s", answer: () => [xml] };
  return new Map([["org.freedesktop.DBus.Introspectable", new Map([["Introspect", introspect]])], PEER]);
}

const PEER: [string, Map<string, ServedMethod>] = [
  "org.freedesktop.DBus.Peer",
  new Map<string, ServedMethod>([
    ["Ping", { takes: "", gives: "", answer: () => [] }],
    ["GetMachineId", { takes: "", gives: "s", answer: () => [readMachineId()] }],
  ]),
];

function readMachineId(): string {
  for (const path of MACHINE_ID_FILES) {
    try {
      const id = readFileSync(path, "utf8").trim();
      if (/^[0-9a-f]{32}$/.test(id)) return id;
    } catch {
      // The next one may be there.
    }
  }
  throw Object.assign(new Error("this host has no machine id"), { code: "no-machine-id" });
}

function propertyMethods(object: ServedObject): MethodsByInterface {
  const methods: Record<string, ServedMethod> = {
    Get: {
      takes: "ss",
      gives: "v",
      answer: ([iface, name]) => [asVariant(findProperty(object, iface as string, name as string))],
    },
    GetAll: { takes: "s", gives: "a{sv}", answer: ([iface]) => [valuesOf(findInterfaces(object, iface as string))] },
    Set: {
      takes: "ssv",
      gives: "",
      answer: ([iface, name]) => {
        findProperty(object, iface as string, name as string);
        throw new CallRefused("PropertyReadOnly", `${String(name)} can be read, not set`);
      },
    },
  };
  return new Map([["org.freedesktop.DBus.Properties", new Map(Object.entries(methods))]]);
}

/** An empty name stands for all interfaces, as the specification allows. */
function findInterfaces(object: ServedObject, name: string): readonly ServedInterface[] {
  if (name === "") return object.interfaces;
  const found = object.interfaces.filter((served) => served.name === name);
  if (found.length > 0 || /^org\.freedesktop\.DBus\.(?:Introspectable|Peer|Properties)$/.test(name)) return found;
  throw new CallRefused("UnknownInterface", `${object.path} has no interface ${name}`);
}

function findProperty(object: ServedObject, iface: string, name: string): ServedProperty {
  for (const { properties } of findInterfaces(object, iface)) {
    if (Object.hasOwn(properties, name)) return properties[name] as ServedProperty;
  }
  throw new CallRefused("UnknownProperty", `${iface || object.path} has no property ${name}`);
}

function valuesOf(interfaces: readonly ServedInterface[]): Record<string, object> {
  const properties = interfaces.flatMap((served) => Object.entries(served.properties));
  return Object.fromEntries(properties.map(([name, property]) => [name, asVariant(property)]));
}

export function asVariant({ type, get }: ServedProperty): object {
  return variant(type, get());
}
