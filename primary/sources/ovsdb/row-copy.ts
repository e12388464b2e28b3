// Our copy of the watched rows, kept in step by the server's updates (RFC 7047, section 4.1.6), and what they say about each
// element. It must take in every update: after a loss it is the truth that the ledger is compared with.
import type { JsonValue } from "../../../shared/format/canonical-json.js";
import type { ElementState, JsonObject } from "../watch/element-change.js";
import { OvsdbError } from "./ovsdb-error.js";
import { isWireObject, type WireObject } from "./parse-message.js";
import { type PlainRules, plainValue } from "./plain-value.js";
import type { Column, WatchedTables } from "./read-schema.js";
import { ELEMENT_TABLES, SWITCH_NAME } from "./watched-tables.js";

export interface RowCopyOptions {
  tables: WatchedTables;
  ignoredKeys: ReadonlySet<string>;
  /** The element's state as last written. */
  last(elementId: string): JsonObject | undefined;
  /** Default 250,000. */
  maxRows?: number;
}

/** A port has its QoS inside, and that its queues. */
const MAX_INLINED = 2;
/** A state of more could not be admitted anyway. */
const MAX_VALUES = 200_000;

interface Row {
  table: string;
  elementId: string | undefined;
  wire: WireObject;
  /** It was there when we came, and ovs-vswitchd has not told any ephemeral column of it since the server started. */
  isUntold: boolean;
}

export class RowCopy {
  readonly #options: Required<RowCopyOptions>;
  readonly #rows = new Map<string, Row>();
  /** UUID of the row that an element is, now. */
  readonly #byElement = new Map<string, string>();

  constructor(options: RowCopyOptions) {
    this.#options = { maxRows: 250_000, ...options };
  }

  /** Takes in the reply to `monitor`. @throws OvsdbError `bad-message` */
  load(reply: unknown): void {
    for (const { table, uuid, now } of rowUpdates(reply)) if (now) this.#put(table, uuid, now, "there-before");
  }

  /**
   * Takes in one update, which is one transaction, and gives what it left of each element that it touched: `{}` of one
   * that is gone. @throws OvsdbError `bad-message`
   */
  apply(update: unknown): ElementState[] {
    const touched = new Set<string>();
    let inlinedChanged = false;
    for (const { table, uuid, now } of rowUpdates(update)) {
      const before = this.#rows.get(uuid);
      if (now) this.#put(table, uuid, now, before ? "changed" : "inserted");
      else this.#delete(uuid);
      const elementId = before?.elementId ?? this.#rows.get(uuid)?.elementId;
      if (elementId !== undefined) this.#touch(elementId, touched);
      else if (!ELEMENT_TABLES.has(table)) inlinedChanged = true;
    }
    // Controllers, mirrors, queues: they change so seldom that it is not worth while to know who refers to them.
    if (inlinedChanged) for (const row of this.#elementRows()) if (!isInterface(row)) touched.add(row.elementId);
    return this.#inOrder(touched).map((elementId) => this.#element(elementId));
  }

  /** All elements as they are. */
  elements(): ElementState[] {
    return this.#inOrder([...this.#byElement.keys()]).map((elementId) => this.#element(elementId));
  }

  /** Rows by table, for `status`. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { table } of this.#rows.values()) counts[table] = (counts[table] ?? 0) + 1;
    return counts;
  }

  #put(table: string, uuid: string, wire: WireObject, how: "there-before" | "changed" | "inserted"): void {
    const columns = this.#options.tables.get(table);
    if (!columns) return;
    const elementId = elementIdOf(table, wire);
    const ephemeral = columns.filter(({ isEphemeral }) => isEphemeral);
    const saysNothing =
      ephemeral.length > 0 && ephemeral.every(({ name }) => isEmptySet(wire[name])) && !hasError(wire);
    const isUntold = saysNothing && (how === "there-before" || this.#rows.get(uuid)?.isUntold === true);
    this.#rows.set(uuid, { table, elementId, wire, isUntold });
    if (elementId !== undefined) this.#byElement.set(elementId, uuid);
    if (this.#rows.size > this.#options.maxRows) {
      throw new OvsdbError("bad-message", `the server has more than ${this.#options.maxRows} rows`);
    }
  }

  #delete(uuid: string): void {
    const row = this.#rows.get(uuid);
    this.#rows.delete(uuid);
    // A row that took its place in the same transaction may have come first: the element is then that one.
    const elementId = row?.elementId;
    if (elementId !== undefined && this.#byElement.get(elementId) === uuid) this.#byElement.delete(elementId);
  }

  #touch(elementId: string, touched: Set<string>): void {
    touched.add(elementId);
    const bridge = bridgeOfInterface(elementId);
    if (bridge !== undefined && this.#byElement.has(bridge)) touched.add(bridge);
  }

  *#elementRows(): Generator<Row & { elementId: string }> {
    for (const [elementId, uuid] of this.#byElement) yield { ...(this.#rows.get(uuid) as Row), elementId };
  }

  /** By table and name, so that the same transaction always gives the same events. */
  #inOrder(elementIds: Iterable<string>): string[] {
    return [...elementIds].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0));
  }

  #element(elementId: string): ElementState {
    const { elementType } = tableOf(elementId);
    const row = this.#rowOf(elementId);
    return { elementId, elementType, state: row ? this.#state(elementId, row) : {} };
  }

  #rowOf(elementId: string): Row | undefined {
    const uuid = this.#byElement.get(elementId);
    return uuid === undefined ? undefined : this.#rows.get(uuid);
  }

  #state(elementId: string, row: Row): JsonObject {
    const columns = this.#columnsOf(row);
    const state = this.#plain(row, columns);
    if (row.isUntold) Object.assign(state, this.#toldBefore(elementId, columns));
    if (row.table === "Bridge") this.#addLinkState(state);
    return state;
  }

  #columnsOf({ table }: Row): readonly Column[] {
    return this.#options.tables.get(table) ?? [];
  }

  #plain(row: Row, columns: readonly Column[], rules = this.#rules()): JsonObject {
    const state: JsonObject = {};
    for (const column of columns) {
      const value = plainValue(row.wire[column.name], column, rules);
      if (value !== undefined) state[column.name] = value;
    }
    return state;
  }

  #rules(depth = 0, valuesLeft = MAX_VALUES): PlainRules {
    const rules: PlainRules = {
      ignoredKeys: this.#options.ignoredKeys,
      valuesLeft,
      refer: (uuid) => this.#refer(uuid, depth, rules),
    };
    return rules;
  }

  /**
   * ovsdb-server forgets ephemeral columns when it restarts, and ovs-vswitchd tells them again a moment later. Until then
   * what it said last still holds: links have not gone down.
   */
  #toldBefore(elementId: string, columns: readonly Column[]): JsonObject {
    const last = this.#options.last(elementId) ?? {};
    const told = columns.flatMap(({ name, isEphemeral }) => {
      const value = last[name];
      return isEphemeral && value !== undefined ? [[name, value] as const] : [];
    });
    return Object.fromEntries(told);
  }

  /** A bridge's own link is that of the interface that has its name: the host's way into it. */
  #addLinkState(state: JsonObject): void {
    const elementId = interfaceOfBridge(String(state.name));
    const row = this.#rowOf(elementId);
    const link = row && this.#state(elementId, row).link_state;
    if (link !== undefined) state.link_state = link;
  }

  /** The name of a row that is an element, else what the row says; its UUID where its table is not watched. */
  #refer(uuid: string, depth: number, outer: PlainRules): JsonValue {
    const row = this.#rows.get(uuid);
    if (!row || depth >= MAX_INLINED) return uuid;
    if (row.elementId !== undefined) return nameOf(row.elementId);
    const rules = this.#rules(depth + 1, outer.valuesLeft);
    const plain = this.#plain(row, this.#columnsOf(row), rules);
    outer.valuesLeft = rules.valuesLeft;
    return plain;
  }
}

interface RowUpdate {
  table: string;
  uuid: string;
  /** The row as it is, with all watched columns; undefined when it was deleted. */
  now: WireObject | undefined;
}

/** `<table-updates>` as a list. @throws OvsdbError `bad-message` */
function* rowUpdates(tableUpdates: unknown): Generator<RowUpdate> {
  if (!isWireObject(tableUpdates)) throw new OvsdbError("bad-message", "an update is no object of tables");
  for (const [table, rows] of Object.entries(tableUpdates)) {
    if (!isWireObject(rows)) throw new OvsdbError("bad-message", `the update of ${table} is no object of rows`);
    for (const [uuid, row] of Object.entries(rows)) {
      if (!isWireObject(row)) throw new OvsdbError("bad-message", `the update of a row of ${table} is no object`);
      yield { table, uuid, now: isWireObject(row.new) ? row.new : undefined };
    }
  }
}

function elementIdOf(table: string, wire: WireObject): string | undefined {
  const element = ELEMENT_TABLES.get(table);
  if (!element) return undefined;
  if (table === "Open_vSwitch") return element.prefix + SWITCH_NAME;
  if (typeof wire.name !== "string") throw new OvsdbError("bad-message", `a row of ${table} has no name`);
  return element.prefix + wire.name;
}

const TABLES_IN_ORDER = [...ELEMENT_TABLES.values()];

function rank(elementId: string): number {
  return TABLES_IN_ORDER.findIndex(({ prefix }) => elementId.startsWith(prefix));
}

function nameOf(elementId: string): string {
  return elementId.slice(tableOf(elementId).prefix.length);
}

function tableOf(elementId: string): (typeof TABLES_IN_ORDER)[number] {
  return TABLES_IN_ORDER[rank(elementId)] as (typeof TABLES_IN_ORDER)[number];
}

const BRIDGE_PREFIX = "ovs-bridge:";
const INTERFACE_PREFIX = "ovs-interface:";

function bridgeOfInterface(elementId: string): string | undefined {
  if (!elementId.startsWith(INTERFACE_PREFIX)) return undefined;
  return BRIDGE_PREFIX + elementId.slice(INTERFACE_PREFIX.length);
}

function interfaceOfBridge(name: string): string {
  return INTERFACE_PREFIX + name;
}

function isInterface({ table }: Row): boolean {
  return table === "Interface";
}

function isEmptySet(wire: unknown): boolean {
  return Array.isArray(wire) && wire[0] === "set" && Array.isArray(wire[1]) && wire[1].length === 0;
}

/** ovs-vswitchd empties the ephemeral columns of an interface that it cannot open, and says why. */
function hasError({ error }: WireObject): boolean {
  return error !== undefined && !isEmptySet(error);
}
