// One connection to a D-Bus message bus, and with variant.ts all that knows dbus-next. It keeps that library's edges away from
// everyone else: a bus that dies silently, replies that never come, a message that would end the process, property writes.
// https://dbus.freedesktop.org/doc/dbus-specification.html
import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import dbus, { type Message, type MessageBus } from "dbus-next";
import { DbusError } from "./dbus-error.js";

export interface BusMessage {
  /** The unique name of who sent it, or `org.freedesktop.DBus`; set by the bus, so it can be trusted. */
  sender: string;
  path: string;
  interface: string;
  member: string;
  signature: string;
  body: unknown[];
}

/** A method call that waits for an answer. */
export interface BusCall extends BusMessage {
  /** False where the caller said that it does not listen for one. */
  wantsReply: boolean;
  reply(signature: string, body: unknown[]): void;
  replyError(errorName: string, text: string): void;
}

export interface OutgoingCall {
  destination: string;
  path: string;
  interface: string;
  member: string;
  signature?: string;
  /** In dbus-next's form: arrays, `Variant`s, bigint for 64-bit numbers. */
  body?: unknown[];
  /** Default 25 s, as libdbus has it. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

const BUS = { destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" };
const CALL_TIMEOUT_MS = 25_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** DBUS_REQUEST_NAME_FLAG_DO_NOT_QUEUE, and the reply PRIMARY_OWNER. */
const DO_NOT_QUEUE = 4;
const PRIMARY_OWNER = 1;
const { METHOD_CALL, SIGNAL, ERROR } = dbus.MessageType;
const { NO_REPLY_EXPECTED } = dbus.MessageFlag;
/** Characters of a peer's error text that are passed on. */
const MAX_SAID_CHARS = 300;
const UNREADABLE = "a message that cannot be read was left out";

/** What dbus-next 0.10 keeps to itself and is needed to notice its end. */
interface Inside {
  _connection: EventEmitter & { stream: Socket };
  _methodReturnHandlers: Record<number, (reply: Message) => void>;
}

export interface ConnectOptions {
  /** D-Bus address, such as `unix:path=/run/dbus/system_bus_socket`. */
  address: string;
  onSignal?: (message: BusMessage) => void;
  onCall?: (call: BusCall) => void;
  /** A message that could not be read, or a handler that threw. */
  onProblem?: (error: Error) => void;
  signal?: AbortSignal;
}

export class BusConnection {
  /** Resolves, never rejects, with the reason once the connection is gone, from whichever side. */
  readonly closed: Promise<DbusError>;
  readonly #bus: MessageBus;
  readonly #options: ConnectOptions;
  readonly #rejectPending = new Set<(error: DbusError) => void>();
  #end: (reason: DbusError) => void = () => undefined;
  #ended: DbusError | undefined;
  #isGathering = false;

  private constructor(bus: MessageBus, options: ConnectOptions) {
    this.#bus = bus;
    this.#options = options;
    this.closed = new Promise((resolve) => {
      this.#end = (reason) => {
        if (this.#ended) return;
        this.#ended = reason;
        for (const reject of this.#rejectPending) reject(reason);
        this.#rejectPending.clear();
        resolve(reason);
      };
    });
  }

  /** Resolves once the bus has given a unique name. @throws DbusError `bad-address`, `no-bus` */
  static async connect(options: ConnectOptions): Promise<BusConnection> {
    const { address, signal } = options;
    signal?.throwIfAborted();
    const connection = new BusConnection(openBus(address), options);
    const abort = () => connection.close();
    signal?.addEventListener("abort", abort, { once: true });
    void connection.closed.then(() => signal?.removeEventListener("abort", abort));
    const greeted = connection.#listen();
    const late = setTimeout(
      () =>
        connection.#lose(new DbusError("no-bus", `${address} took more than ${CONNECT_TIMEOUT_MS} ms to say hello`)),
      CONNECT_TIMEOUT_MS,
    );
    const lost = await Promise.race([greeted, connection.closed]);
    clearTimeout(late);
    if (!lost) return connection;
    throw new DbusError("no-bus", `the bus at ${address} cannot be reached: ${lost.message}`, {
      cause: lost,
      hint: "is dbus-daemon running there, and may this user connect?",
    });
  }

  /** Empty until the bus has said hello. */
  get uniqueName(): string {
    return (this.#bus as unknown as { name: string | null }).name ?? "";
  }

  /** The reply's body. @throws DbusError `refused-by-peer`, `no-reply`, `connection-lost`, `not-marshalled` */
  call(outgoing: OutgoingCall): Promise<unknown[]> {
    const { timeoutMs = CALL_TIMEOUT_MS, signal, ...fields } = outgoing;
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      if (signal?.aborted) return reject(signal.reason as Error);
      const what = `${fields.interface}.${fields.member} of ${fields.destination}`;
      const settle = () => {
        clearTimeout(timer);
        this.#rejectPending.delete(fail);
        signal?.removeEventListener("abort", abort);
      };
      const fail = (error: Error) => {
        settle();
        reject(error);
      };
      const abort = () => fail(signal?.reason as Error);
      const timer = setTimeout(() => {
        fail(new DbusError("no-reply", `${what} has not answered for ${timeoutMs} ms`));
      }, timeoutMs);
      this.#rejectPending.add(fail);
      signal?.addEventListener("abort", abort, { once: true });
      this.#gather();
      this.#bus.call(new dbus.Message({ ...fields, type: METHOD_CALL })).then(
        (reply) => {
          settle();
          resolve(reply?.body ?? []);
        },
        (cause: Error) => fail(callFailed(what, cause)),
      );
    });
  }

  /** Asks the bus for signals. Rules are never taken back: a connection that needs others is closed. */
  async addMatch(rule: string): Promise<void> {
    await this.call({ ...BUS, member: "AddMatch", signature: "s", body: [rule] });
  }

  /** The unique name that owns a well-known one, or undefined if none does. */
  async nameOwner(name: string): Promise<string | undefined> {
    try {
      return (await this.call({ ...BUS, member: "GetNameOwner", signature: "s", body: [name] }))[0] as string;
    } catch (error) {
      if ((error as DbusError).errorName === "org.freedesktop.DBus.Error.NameHasNoOwner") return undefined;
      throw error;
    }
  }

  /** User id of the process behind a unique name. */
  async userOf(uniqueName: string): Promise<number> {
    const body = [uniqueName];
    return (await this.call({ ...BUS, member: "GetConnectionUnixUser", signature: "s", body }))[0] as number;
  }

  /** @throws DbusError `name-taken`, or `refused-by-peer` where the bus's policy does not allow it */
  async requestName(name: string): Promise<void> {
    const [code] = await this.call({ ...BUS, member: "RequestName", signature: "su", body: [name, DO_NOT_QUEUE] });
    if (code === PRIMARY_OWNER) return;
    throw new DbusError("name-taken", `another process owns ${name} on this bus`, {
      hint: "one daemon to a bus name: stop the other, or turn this one's D-Bus face off",
    });
  }

  /** Sends a signal to everyone who listens. Does nothing once the connection is gone. */
  emit(path: string, iface: string, member: string, signature: string, body: unknown[]): void {
    if (this.#ended) return;
    const message = dbus.Message.newSignal(path, iface, member, signature, body);
    this.#send(message);
  }

  close(): void {
    this.#lose(new DbusError("connection-lost", "the connection was closed from this side"));
  }

  /** Resolves once the bus has answered Hello. */
  #listen(): Promise<undefined> {
    const bus = this.#bus;
    const { _connection: connection, _methodReturnHandlers: waiting } = bus as unknown as Inside;
    // dbus-next throws a refused Hello where nobody can catch it.
    const [serial] = Object.keys(waiting).map(Number);
    const onHello = waiting[serial as number];
    waiting[serial as number] = (reply) => {
      if (reply.type === ERROR) this.#lose(new DbusError("no-bus", `Hello was refused: ${String(reply.body[0])}`));
      else onHello?.(reply);
    };
    const gone = () => this.#lose(new DbusError("connection-lost", "the bus closed the connection"));
    connection.stream.on("close", gone);
    connection.on("end", gone);
    // A moment later, because dbus-next begins to listen right after this event.
    connection.once("connect", () =>
      queueMicrotask(() => surviveUnreadable(connection.stream, (error) => this.#problem(error))),
    );
    bus.on("error", (error: Error & { syscall?: string }) => {
      // Errors of one message come the same way as those of the socket, and are no reason to leave the bus.
      if (error instanceof Error && error.syscall === undefined && this.uniqueName) this.#problem(error);
      else this.#lose(new DbusError("connection-lost", messageOf(error), { cause: error }));
    });
    bus.on("message", (message: Message) => this.#onMessage(message));
    // All calls are taken here, so that dbus-next's own answers (and its writable properties) never come into play.
    (bus as unknown as { addMethodHandler(handler: () => boolean): void }).addMethodHandler(() => true);
    return new Promise((resolve) => bus.once("connect", () => resolve(undefined)));
  }

  #onMessage(message: Message): void {
    const { onSignal, onCall } = this.#options;
    try {
      if (message.type === SIGNAL) onSignal?.(message as unknown as BusMessage);
      else if (message.type === METHOD_CALL) {
        if (onCall) onCall(this.#answerable(message));
        else this.#answerable(message).replyError("org.freedesktop.DBus.Error.UnknownObject", "nothing is served here");
      }
    } catch (error) {
      this.#problem(error as Error);
    }
  }

  #answerable(message: Message): BusCall {
    const wantsReply = (message.flags & NO_REPLY_EXPECTED) === 0;
    const { sender, path, interface: iface = "", member, signature = "", body } = message as unknown as BusMessage;
    return {
      ...{ sender, path, interface: iface ?? "", member, signature, body, wantsReply },
      reply: (replySignature, replyBody) => {
        if (wantsReply) this.#send(dbus.Message.newMethodReturn(message, replySignature, replyBody));
      },
      replyError: (errorName, text) => {
        if (wantsReply) this.#send(newError(message, errorName, text));
      },
    };
  }

  #send(message: Message): void {
    if (this.#ended) return;
    this.#gather();
    try {
      this.#bus.send(message);
    } catch (cause) {
      this.#problem(new DbusError("not-marshalled", messageOf(cause), { cause }));
    }
  }

  /** What is sent in one turn of the loop goes out in one write: a write for each message costs more than the message. */
  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    const { stream } = (this.#bus as unknown as Inside)._connection;
    stream.cork();
    setImmediate(() => {
      this.#isGathering = false;
      stream.uncork();
    });
  }

  #lose(reason: DbusError): void {
    const { stream } = (this.#bus as unknown as Inside)._connection;
    // What was sent in this turn goes out first: the last answers before a stop.
    stream.uncork();
    stream.destroy();
    this.#end(reason);
  }

  #problem(error: Error): void {
    this.#options.onProblem?.(error);
  }
}

function openBus(address: string): MessageBus {
  if (!/^(?:unix:(?:path|socket)=|tcp:|unixexec:)/.test(address)) {
    throw new DbusError("bad-address", `${JSON.stringify(address)} is no D-Bus address that can be used`, {
      hint: "write it as unix:path=/run/dbus/system_bus_socket (abstract sockets are not served)",
    });
  }
  try {
    return dbus.sessionBus({ busAddress: address });
  } catch (cause) {
    throw new DbusError("bad-address", `the bus address ${address} cannot be used: ${messageOf(cause)}`, { cause });
  }
}

/**
 * dbus-next reads messages in a listener of the socket, where what it throws would end the process. Whoever may send to
 * us could do that with a file descriptor index that has no descriptor. The bad message has been taken off the stream by
 * then, so reading simply goes on behind it.
 */
function surviveUnreadable(stream: Socket, onProblem: (error: Error) => void): void {
  const listeners = stream.listeners("readable") as (() => void)[];
  stream.removeAllListeners("readable");
  stream.on("readable", () => {
    for (const listener of listeners) readOn(listener, onProblem);
  });
}

function readOn(listener: () => void, onProblem: (error: Error) => void): void {
  for (;;) {
    try {
      listener();
      return;
    } catch (cause) {
      onProblem(new Error(`${UNREADABLE}: ${messageOf(cause)}`, { cause }));
    }
  }
}

function callFailed(what: string, cause: Error & { type?: string; text?: string }): DbusError {
  if (cause.type === undefined)
    return new DbusError("not-marshalled", `${what} was not sent: ${cause.message}`, { cause });
  // The peer's words, of which some are whole stack traces.
  const [said = ""] = (cause.text || cause.type).split("\n", 1);
  const message = `${what} was refused: ${said.slice(0, MAX_SAID_CHARS)} (${cause.type})`;
  return new DbusError("refused-by-peer", message, { errorName: cause.type });
}

/** Its declared types are those of another version. */
const newError = dbus.Message.newError as unknown as (message: Message, errorName: string, text: string) => Message;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
