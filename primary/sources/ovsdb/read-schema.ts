// The server's schema (RFC 7047, section 3.2) to what we need of it: which of the watched columns it has, and of what kind
// they are. Versions of Open vSwitch differ in their columns, and to ask for an unknown one is an error.
import { OvsdbError } from "./ovsdb-error.js";
import { isWireObject, type WireObject } from "./parse-message.js";
import { ELEMENT_TABLES, WATCHED_COLUMNS } from "./watched-tables.js";

export interface Column {
  name: string;
  kind: "one" | "set" | "map";
  /** The server forgets it when it ends; ovs-vswitchd tells it again. */
  isEphemeral: boolean;
}

/** Watched columns by table. */
export type WatchedTables = ReadonlyMap<string, readonly Column[]>;

/** @throws OvsdbError `bad-schema` */
export function readSchema(schema: unknown): WatchedTables {
  const tables = isWireObject(schema) ? schema.tables : undefined;
  if (!isWireObject(tables)) throw new OvsdbError("bad-schema", "the server's schema has no tables");
  const watched = new Map<string, Column[]>();
  for (const [table, names] of Object.entries(WATCHED_COLUMNS)) {
    const columns = columnsOf(tables[table], names);
    if (columns.length > 0) watched.set(table, columns);
  }
  for (const table of ELEMENT_TABLES.keys()) if (!isUsable(table, watched)) throw notOpenVswitch(table);
  return watched;
}

/** The `<monitor-requests>` of RFC 7047, section 4.1.5. */
export function monitorRequests(tables: WatchedTables): WireObject {
  return Object.fromEntries(
    [...tables].map(([table, columns]) => [table, [{ columns: columns.map(({ name }) => name) }]]),
  );
}

function columnsOf(table: unknown, names: readonly string[]): Column[] {
  const schemas = isWireObject(table) && isWireObject(table.columns) ? table.columns : {};
  return names.flatMap((name) => {
    const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined;
    return isWireObject(schema) ? [columnOf(name, schema)] : [];
  });
}

function columnOf(name: string, { type, ephemeral }: WireObject): Column {
  return { name, kind: kindOf(type), isEphemeral: ephemeral === true };
}

function kindOf(type: unknown): Column["kind"] {
  if (!isWireObject(type)) return "one";
  if (type.value !== undefined) return "map";
  return type.max === undefined || type.max === 1 ? "one" : "set";
}

function isUsable(table: string, watched: WatchedTables): boolean {
  const columns = watched.get(table) ?? [];
  return columns.length > 0 && (table === "Open_vSwitch" || columns.some(({ name }) => name === "name"));
}

function notOpenVswitch(table: string): OvsdbError {
  return new OvsdbError("bad-schema", `the server's schema has no usable table ${table}`, {
    hint: "is it ovsdb-server with the vswitch schema (vswitch.ovsschema) that listens there?",
  });
}
