// The interfaces of an introspection document as tables, so that a test can compare what is written there with what is
// served. Only for XML of our own: every element and attribute that is not understood is an error.
import assert from "node:assert/strict";
import type { ServedInterface } from "../../shared/dbus/served-object.js";

export interface DescribedInterface {
  name: string;
  methods: Record<string, { takes: string; gives: string }>;
  properties: Record<string, { type: string; emits: string | undefined }>;
  signals: Record<string, string>;
}

interface Node {
  tag: string;
  attributes: Record<string, string>;
  children: Node[];
}

/** Every interface in `xml`, by name. */
export function readIntrospection(xml: string): Map<string, DescribedInterface> {
  const found = all(parseXml(xml), "interface").map(describe);
  return new Map(found.map((described) => [described.name, described]));
}

/** Signatures, access and names of what is written are those of what is served; arguments are named in snake_case. */
export function assertDescribed(served: ServedInterface): void {
  const described = readIntrospection(served.xml).get(served.name);
  assert.ok(described, `${served.name} is not described`);
  const methods = Object.entries(served.methods).map(([name, { takes, gives }]) => [name, { takes, gives }]);
  const properties = Object.entries(served.properties).map(([name, { type, emits }]) => [name, { type, emits }]);
  assert.deepEqual(described.methods, Object.fromEntries(methods));
  assert.deepEqual(described.properties, Object.fromEntries(properties));
  assert.deepEqual(described.signals, served.signals);
}

function describe({ attributes, children }: Node): DescribedInterface {
  const named = (tag: string) =>
    children.filter((child) => child.tag === tag).map((child) => [nameOf(child), child] as const);
  const methods = named("method").map(([name, node]) => {
    return [name, { takes: typesOf(node, "in"), gives: typesOf(node, "out") }] as const;
  });
  const properties = named("property").map(([name, node]) => {
    assert.equal(node.attributes.access, "read", `${name} can be written`);
    return [name, { type: node.attributes.type as string, emits: emitsOf(node) }] as const;
  });
  const signals = named("signal").map(([name, node]) => [name, typesOf(node, undefined)] as const);
  return {
    name: attributes.name as string,
    methods: Object.fromEntries(methods),
    properties: Object.fromEntries(properties),
    signals: Object.fromEntries(signals),
  };
}

function typesOf({ children }: Node, direction: string | undefined): string {
  const args = children.filter(({ tag, attributes }) => tag === "arg" && attributes.direction === direction);
  for (const { attributes } of args) assert.match(attributes.name ?? "", /^[a-z][a-z0-9_]*$/);
  return args.map(({ attributes }) => attributes.type).join("");
}

function emitsOf({ children }: Node): string | undefined {
  const name = "org.freedesktop.DBus.Property.EmitsChangedSignal";
  return children.find(({ attributes }) => attributes.name === name)?.attributes.value;
}

function nameOf({ attributes }: Node): string {
  return attributes.name as string;
}

function all(node: Node, tag: string): Node[] {
  return [...(node.tag === tag ? [node] : []), ...node.children.flatMap((child) => all(child, tag))];
}

function parseXml(xml: string): Node {
  const root: Node = { tag: "", attributes: {}, children: [] };
  const open = [root];
  let rest = xml.replace(/<!DOCTYPE[^>]*>/, "").trim();
  while (rest !== "") {
    const tag = /^<(\/?)([a-z]+)((?: [a-z]+="[^"<>]*")*)(\/?)>\s*/.exec(rest);
    assert.ok(tag, `not understood: ${rest.slice(0, 80)}`);
    const [text, closing, name = "", attributes = "", alone] = tag;
    if (closing) assert.equal(open.pop()?.tag, name);
    else {
      const found = [...attributes.matchAll(/ ([a-z]+)="([^"]*)"/g)].map(([, key, value]) => [key, value] as const);
      const node: Node = { tag: name, attributes: Object.fromEntries(found), children: [] };
      open.at(-1)?.children.push(node);
      if (!alone) open.push(node);
    }
    rest = rest.slice(text.length);
  }
  assert.equal(open.length, 1, "an element is not closed");
  return root;
}
