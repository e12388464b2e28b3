// The introspection document of a path: the interfaces' own XML, those that every object has, and the child nodes that
// lead from `/` to the objects.
// https://dbus.freedesktop.org/doc/dbus-specification.html#introspection-format
import type { ServedObject } from "./served-object.js";

const DOCTYPE = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">`;

/** Interfaces that are answered at every object. */
export const STANDARD_XML = `  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect">
      <arg name="xml_data" type="s" direction="out"/>
    </method>
  </interface>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId">
      <arg name="machine_uuid" type="s" direction="out"/>
    </method>
  </interface>
  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get">
      <arg name="interface_name" type="s" direction="in"/>
      <arg name="property_name" type="s" direction="in"/>
      <arg name="value" type="v" direction="out"/>
    </method>
    <method name="GetAll">
      <arg name="interface_name" type="s" direction="in"/>
      <arg name="properties" type="a{sv}" direction="out"/>
    </method>
    <method name="Set">
      <arg name="interface_name" type="s" direction="in"/>
      <arg name="property_name" type="s" direction="in"/>
      <arg name="value" type="v" direction="in"/>
    </method>
    <signal name="PropertiesChanged">
      <arg name="interface_name" type="s"/>
      <arg name="changed_properties" type="a{sv}"/>
      <arg name="invalidated_properties" type="as"/>
    </signal>
  </interface>`;

/** The document of a path; undefined where neither an object is nor one lies below. */
export function writeIntrospection(objects: readonly ServedObject[], path: string): string | undefined {
  const object = objects.find((served) => served.path === path);
  const children = childNodes(objects, path);
  if (!object && children.length === 0) return undefined;
  const interfaces = object ? [STANDARD_XML, ...object.interfaces.map(({ xml }) => indent(xml.trim()))] : [];
  const nodes = children.map((name) => `  <node name="${name}"/>`);
  return `${DOCTYPE}\n<node>\n${[...interfaces, ...nodes].join("\n")}\n</node>\n`;
}

/** Names of the nodes right below a path. */
function childNodes(objects: readonly ServedObject[], path: string): string[] {
  const prefix = path === "/" ? "/" : `${path}/`;
  const below = objects.filter((object) => object.path.startsWith(prefix));
  return [...new Set(below.map((object) => object.path.slice(prefix.length).split("/")[0] as string))].sort();
}

function indent(xml: string): string {
  return xml.replaceAll(/^/gm, "  ");
}
