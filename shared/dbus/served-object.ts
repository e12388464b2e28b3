// What is served on the bus, as tables: objects, their interfaces, and for each method its signatures and its handler. The
// introspection XML stands beside each table, written by hand; a test compares the two.

export interface ServedObject {
  path: string;
  interfaces: readonly ServedInterface[];
}

export interface ServedInterface {
  name: string;
  /** Its `<interface>` element, with the names of arguments and the annotations. */
  xml: string;
  methods: Readonly<Record<string, ServedMethod>>;
  properties: Readonly<Record<string, ServedProperty>>;
  /** Signature of each signal's arguments. */
  signals: Readonly<Record<string, string>>;
}

export interface ServedMethod {
  takes: string;
  gives: string;
  /** Further signatures that are understood: those of clients that do not read the introspection. */
  alsoTakes?: readonly string[];
  /** Only for root and the daemon's own user, whatever the bus's policy allows. */
  adminOnly?: boolean;
  /** May throw: an error with a `code` in kebab-case becomes `dev.isochron.Error.<Code>`, with its message and hint. */
  answer(args: unknown[], caller: Caller): unknown[] | Promise<unknown[]>;
}

export interface ServedProperty {
  type: string;
  get(): unknown;
  /**
   * What PropertiesChanged says when it changes: its value, or its name only. A signal goes to every user of the host, so
   * that values which name other hosts are not in it. `const` never changes.
   */
  emits: "true" | "invalidates" | "const";
}

export interface Caller {
  /** Unique name on the bus. */
  sender: string;
  /** User id; asked of the bus once for each caller. */
  uid(): number | Promise<number>;
  /** Fires when the face stops. */
  signal: AbortSignal;
}
