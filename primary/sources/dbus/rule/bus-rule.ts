// A rule of the configuration as a watched service: each signal that fits it is an event, or with `coalesce_ms` the last
// one of each element. It has no state to compare, so what it cannot write is lost, and counted as such.
import type { BusMessage } from "../../../../shared/dbus/bus-connection.js";
import { type JsonObject, plainObject, plainValue } from "../../../../shared/dbus/plain-value.js";
import type { ElementChange } from "../../watch/element-change.js";
import type { BusPeer, BusService } from "../bus-service.js";
import type { BusRuleOptions } from "./options.js";
import { parseTemplate, type Template } from "./template.js";
import { WaitingEvents } from "./waiting-events.js";

const PROPERTIES = "org.freedesktop.DBus.Properties";

export function createBusRule(options: BusRuleOptions): BusService {
  return new BusRule(options);
}

class BusRule implements BusService {
  readonly source: string;
  readonly busName: string;
  readonly rules: readonly string[];
  readonly tellsOnly = true;
  readonly #options: BusRuleOptions;
  readonly #element: Template;
  readonly #action: Template;
  /** Of the present owner of the sender's name. */
  #waiting: { peer: BusPeer; events: WaitingEvents } | undefined;

  constructor(options: BusRuleOptions) {
    this.#options = options;
    this.source = `dbus:${options.name}`;
    this.busName = options.sender;
    this.rules = [matchRule(options)];
    this.#element = parseTemplate(options.element);
    this.#action = parseTemplate(options.action);
  }

  readonly nameChange = () => "modified";

  /** There is none: what happened unseen is a gap. */
  async snapshot(): Promise<undefined> {
    return undefined;
  }

  signal(message: BusMessage, peer: BusPeer): void {
    // All signals of the sender come here, for it may be watched for more than this rule.
    if (!this.#fits(message)) return;
    const elementId = this.#element(message);
    const action = this.#action(message);
    if (elementId === undefined || action === undefined) {
      peer.writer.rejected("without_the_value_of_a_placeholder");
      return;
    }
    const { element_type: elementType, actor, priority, coalesce_ms } = this.#options;
    const change: ElementChange = { elementId, elementType, action, actor, priority, state: stateOf(message) };
    if (coalesce_ms === undefined) peer.writer.write(change);
    else this.#waitingFor(peer, coalesce_ms).add(change);
  }

  #fits({ path, interface: iface, member }: BusMessage): boolean {
    const { path: onlyPath, path_namespace: root, interface: onlyIface, member: onlyMember } = this.#options;
    if (onlyPath !== undefined && path !== onlyPath) return false;
    if (root !== undefined && root !== "/" && path !== root && !path.startsWith(`${root}/`)) return false;
    return (onlyIface ?? iface) === iface && (onlyMember ?? member) === member;
  }

  #waitingFor(peer: BusPeer, waitMs: number): WaitingEvents {
    if (this.#waiting?.peer === peer) return this.#waiting.events;
    const events = new WaitingEvents(peer.writer, waitMs);
    this.#waiting = { peer, events };
    // What has been told was told, whether its sender is there or not.
    peer.signal.addEventListener("abort", () => events.writeAll(), { once: true });
    return events;
  }
}

/** Everything under the root, where the rule names no place. */
function matchRule({ path, path_namespace, interface: iface, member }: BusRuleOptions): string {
  const where = path === undefined ? `path_namespace='${path_namespace ?? "/"}'` : `path='${path}'`;
  return [where, iface && `interface='${iface}'`, member && `member='${member}'`].filter(Boolean).join(",");
}

function stateOf({ path, interface: iface, member, body }: BusMessage): JsonObject {
  const [changedIface, changed, invalidated] = body;
  if (iface !== PROPERTIES || member !== "PropertiesChanged" || typeof changed !== "object" || changed === null) {
    return { path, interface: iface, member, args: body.map(plainValue) };
  }
  return {
    ...{ path, interface: plainValue(changedIface), member },
    changed: plainObject(changed as Record<string, unknown>),
    invalidated: plainValue(invalidated),
  };
}
