import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { monitorRequests, readSchema } from "../../../../primary/sources/ovsdb/read-schema.js";
import { WATCHED_COLUMNS } from "../../../../primary/sources/ovsdb/watched-tables.js";
import { requirePart } from "../../../support/require-part.js";
import { OVSDB_SERVER, SCHEMA } from "./open-vswitch.js";

interface Schema {
  tables: Record<string, { columns: Record<string, unknown> }>;
}

test("every column that is watched is in the schema of a real Open vSwitch, and is of the kind that it says", async (t) => {
  if (!(await requirePart(t, OVSDB_SERVER))) return;
  const tables = readSchema(JSON.parse(await readFile(SCHEMA, "utf8")));
  for (const [table, names] of Object.entries(WATCHED_COLUMNS)) {
    assert.deepEqual(
      tables.get(table)?.map(({ name }) => name),
      names,
      table,
    );
  }
  const column = (table: string, name: string) => tables.get(table)?.find((candidate) => candidate.name === name);
  assert.deepEqual(column("Port", "tag"), { name: "tag", kind: "one", isEphemeral: false });
  assert.deepEqual(column("Port", "trunks"), { name: "trunks", kind: "set", isEphemeral: false });
  assert.deepEqual(column("Interface", "options"), { name: "options", kind: "map", isEphemeral: false });
  assert.deepEqual(column("Interface", "link_state"), { name: "link_state", kind: "one", isEphemeral: true });
});

test("columns and tables that an older server has not are not asked for", async (t) => {
  if (!(await requirePart(t, OVSDB_SERVER))) return;
  const schema = JSON.parse(await readFile(SCHEMA, "utf8")) as Schema;
  delete schema.tables.Interface?.columns.ingress_policing_kpkts_rate;
  delete schema.tables.IPFIX;
  const requests = monitorRequests(readSchema(schema));
  assert.equal(JSON.stringify(requests.Interface).includes("ingress_policing_kpkts_rate"), false);
  assert.equal(JSON.stringify(requests.Interface).includes("ingress_policing_kpkts_burst"), true);
  assert.equal("IPFIX" in requests, false);
});

test("a schema of another database is refused", async (t) => {
  for (const bad of [null, {}, { tables: [] }, { tables: { Bridge: { columns: { name: { type: "string" } } } } }]) {
    assert.throws(() => readSchema(bad), { code: "bad-schema" });
  }
  if (!(await requirePart(t, OVSDB_SERVER))) return;
  const schema = JSON.parse(await readFile(SCHEMA, "utf8")) as Schema;
  delete schema.tables.Port?.columns.name;
  assert.throws(() => readSchema(schema), /no usable table Port/);
});
