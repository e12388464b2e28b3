// The D-Bus sources: one connection to the bus for all watched services, with a fixed set of match rules. It follows who
// owns each service's name and passes on the owner's signals only: anyone on the bus may send a signal straight to us, whatever
// the rules say. When the bus dies, every service is blind until it is back.
import type { BusConnection, BusMessage } from "../../../shared/dbus/bus-connection.js";
import { keepRunning } from "../../../shared/keep-running.js";
import type { Logger } from "../../../shared/log.js";
import type { Source, SourceParts, SourceState } from "../source.js";
import { ElementWriter } from "../watch/element-writer.js";
import type { BusService } from "./bus-service.js";
import { ServiceWatch } from "./service-watch.js";

export interface BusWatchOptions {
  address: string;
  services: readonly BusService[];
  parts: SourceParts;
  /** How long signals about one thing are gathered before it is looked at. Default 150. */
  coalesceMs?: number;
}

const BUS_NAME = "org.freedesktop.DBus";

interface Watched {
  service: BusService;
  writer: ElementWriter;
  owner: string | undefined;
  watch: ServiceWatch | undefined;
  /** Owners come and go in order, however long the end of a watch takes. */
  turn: Promise<void>;
}

export class BusWatch implements Source {
  readonly name = "dbus";
  readonly #options: Required<BusWatchOptions>;
  readonly #log: Logger;
  readonly #watched: Watched[];
  readonly #stop = new AbortController();
  #byOwner = new Map<string, Watched[]>();
  #running: Promise<void> | undefined;
  #problem: string | undefined = "not connected yet";
  /** Names whose owner this connection has been told of. */
  #told = new Set<string>();
  #forged = 0;
  #unreadable = 0;

  constructor(options: BusWatchOptions) {
    this.#options = { coalesceMs: 150, ...options };
    this.#log = options.parts.log;
    this.#watched = options.services.map((service) => ({
      service,
      writer: new ElementWriter({ ...options.parts, source: service.source }),
      owner: undefined,
      watch: undefined,
      turn: Promise.resolve(),
    }));
  }

  /** Returns at once: the bus and its services may not be there yet. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    signal.addEventListener("abort", () => this.#stop.abort(), { once: true });
    for (const { writer } of this.#watched) writer.start();
    this.#running = keepRunning((ending) => this.#connect(ending), {
      signal: this.#stop.signal,
      onEnd: (error, delayMs) => {
        this.#problem = error?.message ?? "the connection ended";
        this.#log.warn("the bus is not watched", {
          address: this.#options.address,
          delay_ms: Math.round(delayMs),
          error,
        });
      },
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all(this.#watched.map(({ writer }) => writer.stop()));
  }

  state(): SourceState {
    const services = this.#watched.map(({ service, writer, owner, watch }) => [
      service.source,
      { name: service.busName, present: owner !== undefined, ...writer.state(), problem: watch?.problem ?? null },
    ]);
    return {
      address: this.#options.address,
      connected: this.#problem === undefined,
      problem: this.#problem ?? null,
      forged: this.#forged,
      unreadable: this.#unreadable,
      services: Object.fromEntries(services) as SourceState,
    };
  }

  /** Watches until the bus dies or the signal fires. */
  async #connect(signal: AbortSignal): Promise<void> {
    this.#told = new Set();
    let greeted: BusConnection | undefined;
    // Not before: a primary without this source does not load dbus-next.
    const bus = await import("../../../shared/dbus/bus-connection.js");
    const connection = await bus.BusConnection.connect({
      address: this.#options.address,
      signal,
      // The bus's own greeting comes before there is a connection to speak of.
      onSignal: (message) => greeted && this.#take(message, greeted),
      onProblem: (error) => {
        this.#unreadable += 1;
        this.#log.debug("a bus message was left out", { error });
      },
    });
    greeted = connection;
    try {
      await this.#addMatches(connection);
      for (const watched of this.#watched) await this.#findOwner(watched, connection);
      this.#problem = undefined;
      this.#log.info("the bus is watched", { address: this.#options.address, services: this.#watched.length });
      throw await connection.closed;
    } finally {
      connection.close();
      for (const watched of this.#watched) {
        this.#setOwner(watched, undefined, connection, "the bus was gone");
        watched.writer.blind("the bus was gone");
      }
      await Promise.all(this.#watched.map(({ turn }) => turn));
    }
  }

  async #findOwner(watched: Watched, connection: BusConnection): Promise<void> {
    const name = watched.service.busName;
    const owner = await connection.nameOwner(name);
    // What the bus has told of the name is newer than its answer, if both came in one go.
    if (!this.#told.has(name)) this.#setOwner(watched, owner, connection, "not on the bus");
    if (watched.owner === undefined) noteAbsence(watched);
  }

  /** Owners last: from the moment on that a service is known to be there, none of its signals may be missed. */
  async #addMatches(connection: BusConnection): Promise<void> {
    const rules = this.#watched.flatMap(({ service }) =>
      service.rules.map((rule) => `type='signal',sender='${service.busName}',${rule}`),
    );
    for (const rule of new Set(rules)) await connection.addMatch(rule);
    for (const name of new Set(this.#watched.map(({ service }) => service.busName))) {
      await connection.addMatch(`type='signal',sender='${BUS_NAME}',member='NameOwnerChanged',arg0='${name}'`);
    }
  }

  #take(message: BusMessage, connection: BusConnection): void {
    const receivers = this.#byOwner.get(message.sender);
    if (message.sender === BUS_NAME) this.#takeFromBus(message, connection);
    else if (receivers) for (const { watch } of receivers) watch?.take(message);
    // Before all owners are known it may well be of one of them, and is in the gap.
    else if (this.#problem === undefined) this.#takeForged(message);
  }

  #takeFromBus({ member, body }: BusMessage, connection: BusConnection): void {
    if (member !== "NameOwnerChanged") return;
    const [name, , owner] = body as [string, string, string];
    this.#told.add(name);
    for (const watched of this.#watched) {
      if (watched.service.busName !== name) continue;
      this.#setOwner(watched, owner === "" ? undefined : owner, connection, `${name} was gone`);
      if (owner === "") this.#inTurn(watched, () => watched.service.absent?.(watched.writer));
    }
  }

  /** Not of an owner, so the rules did not bring it: someone sent it to us. */
  #takeForged({ sender, path, interface: iface, member }: BusMessage): void {
    this.#forged += 1;
    const claimed = this.#watched.find(({ service }) => service.rules.some((rule) => mayMatch(rule, path)));
    claimed?.writer.rejected("forged");
    this.#log.debug("signal of a stranger dropped", { sender, path, interface: iface, member });
  }

  #setOwner(watched: Watched, owner: string | undefined, connection: BusConnection, reason: string): void {
    if (watched.owner === owner) return;
    const { service, writer, watch: before } = watched;
    const unseen = watched.owner !== undefined && !isIdle(watched);
    watched.owner = owner;
    watched.watch = owner === undefined ? undefined : this.#makeWatch(watched, owner, connection);
    this.#byOwner = this.#ownersNow();
    const { watch } = watched;
    this.#log.debug("owner of a name changed", { name: service.busName, owner: owner ?? "none" });
    if (unseen) writer.blind(reason);
    this.#inTurn(watched, async () => {
      await before?.stop(reason);
      // A snapshot that was being written has ended the blindness, and it is of the old owner.
      if (unseen) writer.blind(reason);
      if (watched.watch === watch) watch?.start();
    });
  }

  #inTurn(watched: Watched, act: () => Promise<void> | void): void {
    watched.turn = watched.turn.then(act).catch((error: Error) => {
      this.#log.error("a service is not watched as it should be", { source: watched.service.source, error });
    });
  }

  #makeWatch({ service, writer }: Watched, owner: string, connection: BusConnection): ServiceWatch {
    const { coalesceMs } = this.#options;
    return new ServiceWatch({ connection, service, owner, writer, log: this.#log, coalesceMs });
  }

  /** Several services may be of one owner: a rule of the configuration on a service that is watched anyway. */
  #ownersNow(): Map<string, Watched[]> {
    const byOwner = new Map<string, Watched[]>();
    for (const watched of this.#watched) {
      if (watched.owner === undefined) continue;
      byOwner.set(watched.owner, [...(byOwner.get(watched.owner) ?? []), watched]);
    }
    return byOwner;
  }
}

/** On the bus, and the service is not. */
function noteAbsence(watched: Watched): void {
  if (isIdle(watched)) watched.writer.sighted();
  watched.service.absent?.(watched.writer);
}

/** Nothing can happen unseen while its owner is away. */
function isIdle({ service, writer }: Watched): boolean {
  return service.tellsOnly === true || (service.exitsWhenIdle === true && writer.isEmpty());
}

/** Whether a path lies where a rule looks: good enough to say whose signal was forged. */
function mayMatch(rule: string, path: string): boolean {
  const wanted = /path(?:_namespace)?='([^']*)'/.exec(rule)?.[1];
  return wanted === undefined || path.startsWith(wanted);
}
