import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdmitter } from "../../../primary/admit/admit-event.js";
import { IngestCalls } from "../../../primary/face/ingest-calls.js";
import { type PrimaryFaceParts, primaryObject } from "../../../primary/face/primary-face.js";
import { assertDescribed } from "../../support/read-introspection.js";
import { MemorySink, silentLog } from "../sources/memory-sink.js";

const PARTS: PrimaryFaceParts = {
  options: { enabled: true, port_agent: false },
  root: "/none",
  answerer: { socketPath: "/none/query.sock" },
  maxLineBytes: 1000,
  facts: {
    ...{ version: "1", origin: "host1", storeUuid: "uuid", publicKey: () => "vkey" },
    ledgerSize: () => 0,
    newest: () => undefined,
    replicas: () => ({}),
  },
  seal: async () => ({}),
  orders: () => {
    throw new Error("not asked for");
  },
  fills: () => {
    throw new Error("not asked for");
  },
  admit: createAdmitter(),
  sink: new MemorySink(),
  log: silentLog,
};

test("the introspection of every interface of the primary says what is served", () => {
  const { interfaces } = primaryObject(PARTS, new IngestCalls(PARTS), async () => "{}");
  assert.deepEqual(
    interfaces.map(({ name }) => name),
    ["", ".Ingest", ".Query", ".Admin"].map((part) => `dev.isochron.Primary1${part}`),
  );
  for (const served of interfaces) assertDescribed(served);
});

test("every method of the primary's Admin interface is for administrators", () => {
  const { interfaces } = primaryObject(PARTS, new IngestCalls(PARTS), async () => "{}");
  for (const { name, methods } of interfaces) {
    for (const { adminOnly = false } of Object.values(methods)) assert.equal(adminOnly, name.endsWith(".Admin"));
  }
});

test("before the first seal the primary's state is that of an empty ledger", () => {
  const [state] = primaryObject(PARTS, new IngestCalls(PARTS), async () => "{}").interfaces;
  const values = Object.entries(state?.properties ?? {}).map(([name, { get }]) => [name, get()]);
  assert.deepEqual(Object.fromEntries(values), {
    ...{ Version: "1", Origin: "host1", StoreUuid: "uuid", PublicKey: "vkey" },
    ...{ LedgerSize: 0n, SealedSize: 0n, Generation: 0n, Root: "", Replicas: {} },
  });
});
