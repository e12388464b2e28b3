// Objects of a D-Bus service that come and go by a pair of signals, such as machined's MachineNew and MachineRemoved: each
// is read once it is there, and a life too short to be read leaves its two events all the same. What is read must never be
// written after the end of what it was read of.
import type { DbusError } from "../../../shared/dbus/dbus-error.js";
import type { ElementState, JsonObject, NameChange } from "../watch/element-change.js";
import type { BusPeer } from "./bus-service.js";

export interface ObjectLivesOptions {
  elementType: string;
  /** The element of the object that signals call `name`. */
  elementId(name: string): string;
  /** The object's state. @throws DbusError also when it is gone */
  read(peer: BusPeer, path: string): Promise<JsonObject>;
  /** What is known of an object that was gone before it could be read. */
  unread(name: string): JsonObject;
  nameChange: NameChange;
  /** Whose doing a change is, by the state of the object. */
  actorOf?(state: JsonObject): string | undefined;
}

/** Objects asked at a time. */
const MAX_ASKED = 16;
/** What services say of an object that is gone. */
const GONE = new Set([
  "org.freedesktop.DBus.Error.UnknownObject",
  "org.freedesktop.DBus.Error.UnknownMethod",
  "org.freedesktop.DBus.Error.UnknownInterface",
  "org.freedesktop.machine1.NoSuchMachine",
  "org.freedesktop.login1.NoSuchSession",
]);

interface Look {
  /** The object has come, and no event says so yet. */
  isNew: boolean;
}

export class ObjectLives {
  readonly #options: ObjectLivesOptions;
  /** The newest reason to read an object, by its name, while it is not read; of one owner of the service. */
  #looks = new Map<string, Look>();
  #peer: BusPeer | undefined;

  constructor(options: ObjectLivesOptions) {
    this.#options = options;
  }

  /** All objects, `[name, path]`; those that end meanwhile are left out. */
  async readAll(peer: BusPeer, objects: readonly (readonly [name: string, path: string])[]): Promise<ElementState[]> {
    this.#follow(peer);
    const present: ElementState[] = [];
    for (let from = 0; from < objects.length; from += MAX_ASKED) {
      const asked = objects.slice(from, from + MAX_ASKED).map(([name, path]) => this.#readIfThere(peer, name, path));
      present.push(...(await Promise.all(asked)).filter((element) => element !== undefined));
    }
    return present;
  }

  came(peer: BusPeer, name: string, path: string): void {
    this.#look(peer, name, path, true);
  }

  changed(peer: BusPeer, name: string, path: string): void {
    this.#look(peer, name, path, false);
  }

  gone(peer: BusPeer, name: string): void {
    this.#follow(peer);
    const look = this.#looks.get(name);
    this.#looks.delete(name);
    if (look?.isNew && !this.#isThere(peer, name)) this.#write(peer, name, this.#options.unread(name));
    if (this.#isThere(peer, name)) this.#write(peer, name, {});
  }

  #look(peer: BusPeer, name: string, path: string, isNew: boolean): void {
    this.#follow(peer);
    const look = { isNew: isNew || this.#looks.get(name)?.isNew === true };
    this.#looks.set(name, look);
    peer.soon(path, () => this.#readNow(peer, name, path, look));
  }

  async #readNow(peer: BusPeer, name: string, path: string, look: Look): Promise<void> {
    let state: JsonObject;
    try {
      state = await this.#options.read(peer, path);
    } catch (error) {
      // Its end was told before the refusal came; the bus keeps the order.
      if (this.#looks.get(name) !== look) return;
      throw error;
    }
    // Gone, or signalled anew, while the answer was on its way.
    if (this.#looks.get(name) !== look) return;
    this.#looks.delete(name);
    if (look.isNew || this.#isThere(peer, name)) this.#write(peer, name, state);
  }

  async #readIfThere(peer: BusPeer, name: string, path: string): Promise<ElementState | undefined> {
    const { elementId, elementType, read } = this.#options;
    try {
      return { elementId: elementId(name), elementType, state: await read(peer, path) };
    } catch (error) {
      if (GONE.has((error as DbusError).errorName ?? "")) return undefined;
      throw error;
    }
  }

  #isThere(peer: BusPeer, name: string): boolean {
    const known = peer.writer.last(this.#options.elementId(name));
    return known !== undefined && Object.keys(known).length > 0;
  }

  #write(peer: BusPeer, name: string, state: JsonObject): void {
    const { elementType, nameChange, actorOf } = this.#options;
    const elementId = this.#options.elementId(name);
    const before = peer.writer.last(elementId) ?? {};
    const whole = Object.keys(state).length > 0 ? state : before;
    const action = nameChange(before, state, elementType);
    peer.writer.writeIfChanged({ elementId, elementType, state, action, actor: actorOf?.(whole) });
  }

  /** What was to be read of an owner that is gone is found by the next one's snapshot. */
  #follow(peer: BusPeer): void {
    if (this.#peer === peer) return;
    this.#peer = peer;
    this.#looks.clear();
  }
}

/** `…/machine/web_2d1` is `web-1`: bytes that may not stand in a path are escaped (sd_bus_path_encode(3)). */
export function nameInPath(path: string, folder: string): string | undefined {
  if (!path.startsWith(folder)) return undefined;
  return path
    .slice(folder.length)
    .replace(/_([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}
