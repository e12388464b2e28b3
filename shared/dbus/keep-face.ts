// Keeps a daemon's face on the bus: connects, takes calls, owns the names, tells of changed properties. When the bus dies it
// comes back with a new connection, names and all. The daemon never depends on it: what is wrong is logged once and shown
// in `status`, and tried again.
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { keepRunning } from "../keep-running.js";
import type { Logger } from "../log.js";
import type { BusConnection, BusMessage } from "./bus-connection.js";
import { CallerUsers } from "./caller-users.js";
import { DbusError } from "./dbus-error.js";
import { CallLimits } from "./limit-calls.js";
import { type CallCounts, ObjectServer } from "./serve-objects.js";
import type { ServedObject } from "./served-object.js";
import { PropertyWatch } from "./watch-properties.js";

export interface FaceOptions {
  address: string;
  /** Well-known names. One that cannot be owned does not keep the others from being served. */
  names: readonly string[];
  objects: readonly ServedObject[];
  log: Logger;
  limits?: CallLimits;
}

/** What `status` says of the face. */
export interface FaceState {
  address: string;
  /** Names that are owned now. */
  names: string[];
  problem: string | null;
  calls: CallCounts & { outstanding: number };
  /** Messages that could not be read, and answers that could not be sent. */
  unreadable: number;
}

/** A caller that has left the bus has no new owner; this rule brings no other change of names. */
const CALLERS_THAT_LEAVE =
  "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''";
const FIRST_ATTEMPT_MS = 2000;
const LEAST_NAME_DELAY_MS = 500;
const MOST_NAME_DELAY_MS = 30_000;
/** Calls that are being answered when the daemon stops have so long. */
const STOP_MS = 5000;

export class BusFace {
  readonly #options: FaceOptions;
  readonly #limits: CallLimits;
  readonly #properties: PropertyWatch;
  readonly #counts: CallCounts = { answered: 0, refused: 0, failed: 0 };
  readonly #owned = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #closing = new AbortController();
  #connection: BusConnection | undefined;
  #running: Promise<void> | undefined;
  #problem: string | undefined = "not connected yet";
  #unreadable = 0;
  #tried: () => void = () => undefined;

  constructor(options: FaceOptions) {
    this.#options = options;
    this.#limits = options.limits ?? new CallLimits();
    this.#properties = new PropertyWatch(options.objects, (...signal) => this.#connection?.emit(...signal));
  }

  /** Resolves after the first attempt, whatever came of it, and soon in any case. */
  async start(): Promise<void> {
    // Every call that waits may listen to it; the limits bound those, and a warning would not.
    setMaxListeners(0, this.#stopping.signal);
    const tried = new Promise<void>((resolve) => {
      this.#tried = resolve;
    });
    this.#running = keepRunning((signal) => this.#serve(signal), {
      signal: this.#closing.signal,
      onEnd: (error) => this.#setProblem(error ?? new Error("the connection ended")),
    });
    const late = new AbortController();
    await Promise.race([tried, sleep(FIRST_ATTEMPT_MS, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
  }

  /** Refuses new calls, waits for the answers outstanding, then leaves the bus. */
  async stop(): Promise<void> {
    this.#stopping.abort(Object.assign(new Error("the daemon is stopping"), { code: "stopping" }));
    const late = new AbortController();
    const graceOver = sleep(STOP_MS, undefined, { signal: late.signal }).catch(() => undefined);
    await Promise.race([this.#limits.idle(), graceOver]);
    late.abort();
    this.#closing.abort();
    await this.#running;
  }

  /** Properties may have changed: looked at soon, several times a second at most. */
  changed(): void {
    this.#properties.changed();
  }

  /** Sends one of the signals of the tables. Without a connection it goes nowhere: signals are hints, properties the truth. */
  emit(path: string, iface: string, member: string, body: unknown[]): void {
    const served = this.#options.objects.find((object) => object.path === path);
    const signature = served?.interfaces.find(({ name }) => name === iface)?.signals[member];
    if (signature !== undefined) this.#connection?.emit(path, iface, member, signature, body);
  }

  state(): FaceState {
    return {
      address: this.#options.address,
      names: [...this.#owned],
      problem: this.#problem ?? null,
      calls: { ...this.#counts, outstanding: this.#limits.outstanding },
      unreadable: this.#unreadable,
    };
  }

  /** Serves until the connection is gone; then throws. */
  async #serve(signal: AbortSignal): Promise<void> {
    const { objects, log, address } = this.#options;
    const users = new CallerUsers((sender) => connection.userOf(sender));
    const common = { objects, users, limits: this.#limits, counts: this.#counts, log };
    const server = new ObjectServer({ ...common, signal: this.#stopping.signal });
    // Where there is no bus to be on, dbus-next is not loaded.
    const bus = await import("./bus-connection.js");
    const connection = await bus.BusConnection.connect({
      address,
      signal,
      onCall: (call) => server.take(call),
      onSignal: (message) => forgetWhoLeft(users, message),
      onProblem: (error) => {
        this.#unreadable += 1;
        log.debug("a bus message was left out", { error });
      },
    });
    try {
      await connection.addMatch(CALLERS_THAT_LEAVE);
      this.#connection = connection;
      this.#properties.begin();
      await this.#ownNames(connection, signal);
      throw await connection.closed;
    } finally {
      this.#properties.end();
      this.#connection = undefined;
      this.#owned.clear();
      connection.close();
    }
  }

  /** Asks for the names until all are owned or the connection is gone: another process may let go of one, a policy change. */
  async #ownNames(connection: BusConnection, signal: AbortSignal): Promise<void> {
    for (let delayMs = LEAST_NAME_DELAY_MS; ; delayMs = Math.min(MOST_NAME_DELAY_MS, delayMs * 2)) {
      const failure = await this.#requestNames(connection);
      this.#setProblem(failure);
      if (!failure) return;
      const lost = await Promise.race([connection.closed, sleep(delayMs, undefined, { signal })]);
      if (lost) throw lost;
    }
  }

  async #requestNames(connection: BusConnection): Promise<DbusError | undefined> {
    let failure: DbusError | undefined;
    for (const name of this.#options.names.filter((wanted) => !this.#owned.has(wanted))) {
      try {
        await connection.requestName(name);
        this.#owned.add(name);
        this.#options.log.info("bus name owned", { name, address: this.#options.address });
      } catch (error) {
        failure ??= withHint(name, error as DbusError);
      }
    }
    return failure;
  }

  /** Logged when it is another than before: a bus that is not there is not there for long. */
  #setProblem(error: (Error & { hint?: string | undefined }) | undefined): void {
    const problem = error && (error.hint ? `${error.message} (hint: ${error.hint})` : error.message);
    if (problem !== undefined && problem !== this.#problem) {
      this.#options.log.warn("not served on the bus as configured", { address: this.#options.address, problem });
    }
    this.#problem = problem;
    this.#tried();
  }
}

/** What the bus's own policy refused, its administrator can allow. */
function withHint(name: string, error: DbusError): DbusError {
  if (error.code !== "refused-by-peer") return error;
  const hint = `is the policy file for ${name} in /usr/share/dbus-1/system.d, and the bus reloaded since?`;
  return new DbusError("refused-by-peer", error.message, { cause: error, hint });
}

function forgetWhoLeft(users: CallerUsers, { sender, member, body }: BusMessage): void {
  if (sender !== "org.freedesktop.DBus" || member !== "NameOwnerChanged") return;
  users.forget(String(body[0]));
}
