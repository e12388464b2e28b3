import assert from "node:assert/strict";
import { test } from "node:test";
import { type ReplicaFaceParts, replicaObject } from "../../../replica/face/replica-face.js";
import type { Caller } from "../../../shared/dbus/served-object.js";
import { assertDescribed } from "../../support/read-introspection.js";

const CALLER: Caller = { sender: ":1.1", uid: () => 0, signal: new AbortController().signal };

function servedWith(want: ReplicaFaceParts["want"]) {
  const parts: ReplicaFaceParts = {
    options: { enabled: true, port_agent: true },
    root: "/none",
    answerer: { socketPath: "/none/query.sock" },
    trust: [],
    facts: {
      ...{ version: "1", name: "replica-1", uuid: "uuid", publicKey: () => "vkey" },
      stores: () => [{ store: "a", origin: "host-a", generation: 3, size: 20 }],
    },
    want,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  };
  return replicaObject(parts, async () => "{}").interfaces;
}

test("the introspection of every interface of the replica says what is served", () => {
  const interfaces = servedWith(() => []);
  assert.deepEqual(
    interfaces.map(({ name }) => name),
    ["", ".Query", ".Admin"].map((part) => `dev.isochron.Replica1${part}`),
  );
  for (const served of interfaces) assertDescribed(served);
});

test("every method of the replica's Admin interface is for administrators, and no other writes", () => {
  for (const { name, methods } of servedWith(() => [])) {
    for (const { adminOnly = false } of Object.values(methods)) assert.equal(adminOnly, name.endsWith(".Admin"));
  }
});

test("a resync over the bus asks for the store that is named, or for all where none is", async () => {
  const wanted: unknown[] = [];
  const [, , admin] = servedWith((store, what) => {
    wanted.push([store, what]);
    return ["a"];
  });
  const resync = (store: string, full: boolean) => admin?.methods.Resync?.answer([store, full], CALLER);
  assert.deepEqual(await resync("a", true), ['{"asked":["a"]}']);
  await resync("", false);
  assert.deepEqual(wanted, [
    ["a", "full"],
    [undefined, "push"],
  ]);
});

test("the stores are told with their generation, size and origin", () => {
  const [state] = servedWith(() => []);
  assert.deepEqual(state?.properties.Stores?.get(), { a: [3n, 20n, "host-a"] });
});
