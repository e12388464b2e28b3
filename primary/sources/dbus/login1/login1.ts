// systemd-logind as a watched service: who is logged in, and the host's going down, to sleep and up again. That the host
// goes down must be in the ledger, and with the replicas, before it is down: see delay-lock.ts.
// https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.login1.html
import { readFileSync } from "node:fs";
import type { BusMessage } from "../../../../shared/dbus/bus-connection.js";
import { plainObject } from "../../../../shared/dbus/plain-value.js";
import type { ElementState, JsonObject } from "../../watch/element-change.js";
import type { BusPeer, BusService } from "../bus-service.js";
import { nameInPath, ObjectLives } from "../object-lives.js";
import { DelayLock, type DelayLockOptions } from "./delay-lock.js";
import { HOST_ELEMENT, HOST_TYPE, hostState, nameHostChange, type Power, powerOf } from "./host.js";
import { isIdleOnly, nameSessionChange, sessionState } from "./session.js";

export interface Login1Options {
  /** Holds up shutdowns and sleep until their event is safe. Without it nothing is held up. */
  delay?: DelayLockOptions;
  /** Names this boot: session ids begin anew with each. Default: the kernel's. */
  bootId?: string;
}

const NAME = "org.freedesktop.login1";
const ROOT = "/org/freedesktop/login1";
const MANAGER = `${NAME}.Manager`;
const SESSION = `${NAME}.Session`;
const PROPERTIES_CHANGED = "org.freedesktop.DBus.Properties.PropertiesChanged";

export function createLogin1({ delay, bootId = readBootId() }: Login1Options = {}): BusService {
  return new Login1(bootId, delay === undefined ? undefined : new DelayLock(delay));
}

class Login1 implements BusService {
  readonly source = "dbus:login1";
  readonly busName = NAME;
  readonly rules = [`path='${ROOT}'`, `path_namespace='${ROOT}/session'`];
  readonly #bootId: string;
  readonly #lock: DelayLock | undefined;
  readonly #sessions: ObjectLives;

  constructor(bootId: string, lock: DelayLock | undefined) {
    this.#bootId = bootId;
    this.#lock = lock;
    this.#sessions = new ObjectLives({
      elementType: "Session",
      elementId: (id) => `session:${id}@${bootId.slice(0, 8)}`,
      read: async (peer, path) => sessionState(await peer.properties(path, SESSION), bootId),
      unread: (id) => ({ id, boot_id: bootId }),
      nameChange: nameSessionChange,
      actorOf: ({ user }) => (typeof user === "string" ? user : undefined),
    });
  }

  nameChange(before: JsonObject, after: JsonObject, elementType: string): string {
    return elementType === HOST_TYPE ? nameHostChange(before, after) : nameSessionChange(before, after);
  }

  async snapshot(peer: BusPeer): Promise<ElementState[]> {
    const power = powerOf(await peer.properties(ROOT, MANAGER));
    this.#lock?.follow(peer, power === "up");
    const [listed] = await peer.call({ path: ROOT, interface: MANAGER, member: "ListSessions" });
    const sessions = listed as [id: string, uid: number, user: string, seat: string, path: string][];
    const host = { elementId: HOST_ELEMENT, elementType: HOST_TYPE, state: hostState(power, this.#bootId) };
    const pairs = sessions.map(([id, , , , path]) => [id, path] as const);
    return [host, ...(await this.#sessions.readAll(peer, pairs))];
  }

  signal({ interface: iface, member, body, path }: BusMessage, peer: BusPeer): void {
    const [first, second] = body as [unknown, Record<string, unknown>];
    switch (`${iface}.${member}`) {
      case `${MANAGER}.SessionNew`:
        this.#sessions.came(peer, String(first), String(second));
        break;
      case `${MANAGER}.SessionRemoved`:
        this.#sessions.gone(peer, String(first));
        break;
      case `${MANAGER}.PrepareForShutdownWithMetadata`:
        this.#prepare(peer, first === true ? "shutting_down" : "up", second);
        break;
      case `${MANAGER}.PrepareForShutdown`:
        this.#prepare(peer, first === true ? "shutting_down" : "up");
        break;
      case `${MANAGER}.PrepareForSleep`:
        this.#prepare(peer, first === true ? "asleep" : "up");
        break;
      case PROPERTIES_CHANGED:
        this.#changed(peer, path, second);
    }
  }

  /** logind sends the signal with metadata, where it knows it (since 255), before the one without. */
  #prepare(peer: BusPeer, power: Power, metadata: Record<string, unknown> = {}): void {
    const { type } = plainObject(metadata);
    const state = hostState(power, this.#bootId);
    const action = nameHostChange(peer.writer.last(HOST_ELEMENT) ?? {}, state);
    const change = type === undefined ? undefined : { kind: type };
    peer.writer.writeIfChanged({ elementId: HOST_ELEMENT, elementType: HOST_TYPE, state, action, change });
    this.#lock?.follow(peer, power === "up");
  }

  #changed(peer: BusPeer, path: string, properties: Record<string, unknown>): void {
    const id = nameInPath(path, `${ROOT}/session/`);
    if (id !== undefined && !isIdleOnly(properties)) this.#sessions.changed(peer, id, path);
  }
}

/** As `journalctl --boot` writes it. */
function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().replaceAll("-", "");
}
