// PropertiesChanged: looks at the served properties once a second, and sooner when told to, and sends what has changed since
// it last said so. At most four signals a second and interface, however fast the values change.
import { asVariant } from "./answer-standard.js";
import type { ServedInterface, ServedObject, ServedProperty } from "./served-object.js";

export type EmitSignal = (path: string, iface: string, member: string, signature: string, body: unknown[]) => void;

const LEAST_PAUSE_MS = 250;
const LOOK_EVERY_MS = 1000;

export class PropertyWatch {
  readonly #objects: readonly ServedObject[];
  readonly #emit: EmitSignal;
  readonly #last = new Map<ServedProperty, string>();
  #every: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #lookedMs = 0;

  constructor(objects: readonly ServedObject[], emit: EmitSignal) {
    this.#objects = objects;
    this.#emit = emit;
  }

  /** From the values of now on; whoever follows a name on the bus reads them when it gets an owner. */
  begin(): void {
    this.#each((_path, served) => void this.#takeChanges(served));
    this.#every = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  end(): void {
    clearInterval(this.#every);
    clearTimeout(this.#soon);
    this.#every = undefined;
    this.#soon = undefined;
  }

  changed(): void {
    if (!this.#every || this.#soon) return;
    this.#soon = setTimeout(() => this.#look(), Math.max(0, this.#lookedMs + LEAST_PAUSE_MS - performance.now()));
  }

  #look(): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    this.#lookedMs = performance.now();
    this.#each((path, served) => {
      const changed = this.#takeChanges(served);
      if (changed.length === 0) return;
      const told = changed.filter(([, { emits }]) => emits === "true");
      const values = Object.fromEntries(told.map(([name, property]) => [name, asVariant(property)]));
      const hinted = changed.filter(([, { emits }]) => emits === "invalidates").map(([name]) => name);
      const body = [served.name, values, hinted];
      this.#emit(path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body);
    });
  }

  #each(act: (path: string, served: ServedInterface) => void): void {
    for (const { path, interfaces } of this.#objects) for (const served of interfaces) act(path, served);
  }

  #takeChanges({ properties }: ServedInterface): [string, ServedProperty][] {
    return Object.entries(properties).filter(([, property]) => {
      if (property.emits === "const") return false;
      const value = JSON.stringify(property.get(), (_key, inner) => (typeof inner === "bigint" ? `${inner}` : inner));
      const isNew = this.#last.get(property) !== value;
      this.#last.set(property, value);
      return isNew;
    });
  }
}
