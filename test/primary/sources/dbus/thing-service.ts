// A service of things on a private bus, which tests can hold up, replace and make lie; and the watched service that
// belongs to it.
import { once } from "node:events";
import dbus, { type Message, type MessageBus } from "dbus-next";
import type { BusPeer, BusService } from "../../../../primary/sources/dbus/bus-service.js";
import type { BusMessage } from "../../../../shared/dbus/bus-connection.js";

export const SOURCE = "dbus:things";
export const NAME = "org.example.Things";
const PATH = "/org/example/Things";

const { SIGNAL, METHOD_CALL } = dbus.MessageType;
const BUS = "org.freedesktop.DBus";
const ALLOW_REPLACEMENT = 1;
const REPLACE_EXISTING = 2;

/** One process that owns, or wants to own, the name. */
export class ThingService {
  /** What there is. */
  things: string[] = [];
  /** Unique names of those who asked for the list, in order. */
  readonly askedBy: string[] = [];
  readonly #bus: MessageBus;
  #held: Message[] | undefined;

  private constructor(bus: MessageBus) {
    this.#bus = bus;
    const answer = (message: Message) => {
      if (message.type !== METHOD_CALL) return false;
      this.#onList(message);
      return true;
    };
    (bus as unknown as { addMethodHandler(handler: typeof answer): void }).addMethodHandler(answer);
    bus.on("error", () => undefined);
  }

  /** Takes the name, from another owner too. */
  static async own(address: string, things: string[], { held = false } = {}): Promise<ThingService> {
    const bus = dbus.sessionBus({ busAddress: address });
    await once(bus, "connect");
    const service = new ThingService(bus);
    service.things = things;
    if (held) service.hold();
    const call = { destination: BUS, path: "/org/freedesktop/DBus", interface: BUS, member: "RequestName" };
    const flags = ALLOW_REPLACEMENT | REPLACE_EXISTING;
    await bus.call(new dbus.Message({ ...call, signature: "su", body: [NAME, flags] }));
    return service;
  }

  /** Answers nothing until `release`. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.#reply(message);
  }

  /** A signal to everyone, or to one connection, past its match rules. */
  emit(member: string, thing: string, destination?: string): void {
    const to = destination === undefined ? {} : { destination };
    const message = { type: SIGNAL, path: PATH, interface: NAME, member, signature: "s", body: [thing], ...to };
    this.#bus.send(new dbus.Message(message));
  }

  close(): void {
    this.#bus.disconnect();
  }

  #onList(message: Message): void {
    this.askedBy.push(message.sender);
    if (this.#held) this.#held.push(message);
    else this.#reply(message);
  }

  #reply(message: Message): void {
    this.#bus.send(dbus.Message.newMethodReturn(message, "as", [this.things]));
  }
}

/** Signals: `Happened` is an event, `Later` one after a while, `Dropped` is lost after a while, `Broken` is not understood. */
export function watchedThings(): BusService {
  return {
    source: SOURCE,
    busName: NAME,
    rules: [`path='${PATH}'`],
    nameChange: (_, after) => (Object.keys(after).length === 0 ? "gone" : "there"),
    async snapshot(peer: BusPeer) {
      const [things] = await peer.call({ path: PATH, interface: NAME, member: "List" });
      return (things as string[]).map((thing) => ({ ...element(thing), state: { there: true } }));
    },
    signal({ member, body }: BusMessage, peer: BusPeer) {
      const thing = body[0] as string;
      const happened = () => void peer.writer.write({ ...element(thing), action: "happened", state: { there: true } });
      if (member === "Broken") throw new Error(`what is ${thing}?`);
      if (member === "Later") peer.soon(thing, happened);
      else if (member === "Dropped") peer.soon(thing, () => peer.writer.lost("dropped_by_the_test"));
      else happened();
    },
  };
}

function element(thing: string): { elementId: string; elementType: string } {
  return { elementId: `thing:${thing}`, elementType: "Thing" };
}
