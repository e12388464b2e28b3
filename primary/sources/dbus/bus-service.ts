// What a watched D-Bus service is to the bus watcher: which signals it wants, how its present state is read, and what a
// signal means. One file beside this one for each service.
import type { BusMessage } from "../../../shared/dbus/bus-connection.js";
import type { ElementState, JsonObject, NameChange } from "../watch/element-change.js";
import type { ElementWriter } from "../watch/element-writer.js";

export interface BusService {
  /** The `source` of its entries, such as `dbus:systemd1`. */
  readonly source: string;
  /** Well-known name of who may send its signals, such as `org.freedesktop.systemd1`. */
  readonly busName: string;
  /** Match rules without type and sender, such as `path_namespace='/org/freedesktop/systemd1'`. At most a few. */
  readonly rules: readonly string[];
  /**
   * It leaves the bus when it has nothing to watch over, as machined does: while none of its elements is there, its absence
   * is no gap, because nothing can happen to them without it. Default false.
   */
  readonly exitsWhenIdle?: boolean;
  /**
   * It is its signals, and has no state to read: each signal counts, and while its owner is away there is nothing to miss.
   * Default false.
   */
  readonly tellsOnly?: boolean;
  /** The name has no owner, on a bus that is there: when it is connected to, and whenever the owner leaves. */
  absent?(writer: ElementWriter): void;
  /**
   * Asks for what it takes to get signals and reads the state of all elements. Called when the owner of the name appears,
   * and again after `resnapshot`; signals that arrive meanwhile are given to `signal` afterwards, in order. Undefined: the
   * service has no state to compare.
   */
  snapshot(peer: BusPeer): Promise<ElementState[] | undefined>;
  /** What one signal of the owner means. Must not wait; what takes calls goes through `peer.soon`. */
  signal(message: BusMessage, peer: BusPeer): void;
  readonly nameChange: NameChange;
}

/** The service on the bus, as long as one owner has the name. */
export interface BusPeer {
  readonly writer: ElementWriter;
  readonly signal: AbortSignal;
  /** The reply's body. @throws DbusError */
  call(call: {
    path: string;
    interface: string;
    member: string;
    signature?: string;
    body?: unknown[];
  }): Promise<unknown[]>;
  /** All properties of an interface as JSON. @throws DbusError */
  properties(path: string, iface: string): Promise<JsonObject>;
  /**
   * Runs `act` a little later; calls with the same key until then are one (counted as coalesced). Too many keys at a time
   * lead to a new snapshot instead.
   */
  soon(key: string, act: () => Promise<void> | void): void;
  /** During a snapshot: what was signalled so far is in what will be read from now on, and is not given to `signal`. */
  forgetHeld(): void;
  /** Reads the present state anew, soon: signals are not trusted to have told all. */
  resnapshot(reason: string): void;
}
