// The replica on the bus: dev.isochron.Replica1 with what it holds, queries and an operator's commands, and dev.ovs.PortAgent1
// where the configuration says so. Nothing here can write an event.
import { fileURLToPath } from "node:url";
import { AppliedSignal } from "../../shared/dbus/applied-signal.js";
import { type AskQuery, createAskQuery } from "../../shared/dbus/ask-queries.js";
import { type DbusOptions, systemBusAddress } from "../../shared/dbus/face-options.js";
import { BusFace, type FaceState } from "../../shared/dbus/keep-face.js";
import { PORT_AGENT_NAME, portAgent } from "../../shared/dbus/port-agent.js";
import { VerifyRunner } from "../../shared/dbus/run-verify.js";
import { queryInterface } from "../../shared/dbus/serve-queries.js";
import type { ServedInterface, ServedObject } from "../../shared/dbus/served-object.js";
import type { Logger } from "../../shared/log.js";
import type { Answerer } from "../../shared/query/name-answerer.js";
import { adminInterface } from "./admin-calls.js";

export const REPLICA_NAME = "dev.isochron.Replica1";
export const REPLICA_PATH = "/dev/isochron/Replica1";

export interface ReplicaFaceParts {
  options: DbusOptions;
  root: string;
  facts: ReplicaFacts;
  answerer: Answerer;
  /** vkeys of the configuration, trusted besides those of the root. */
  trust: readonly string[];
  /** Asks for a push, or for all of it, at the next hello; of one store, or of all. @throws ReceiveError `foreign-store` */
  want(store: string | undefined, what: "push" | "full"): string[];
  log: Logger;
}

/** What the properties say of the replica, read whenever one is asked for. */
export interface ReplicaFacts {
  version: string;
  name: string;
  uuid: string;
  /** Of the key that it cosigns with. */
  publicKey(): string;
  stores(): readonly { store: string; origin: string; generation: number; size: number }[];
}

export class ReplicaFace {
  readonly #face: BusFace | undefined;
  readonly #applied = new Map<string, AppliedSignal>();

  constructor(parts: ReplicaFaceParts) {
    this.#face = parts.options.enabled ? makeFace(parts) : undefined;
  }

  async start(): Promise<void> {
    await this.#face?.start();
  }

  async stop(): Promise<void> {
    await this.#face?.stop();
    for (const signal of this.#applied.values()) signal.stop();
  }

  /** A generation was promoted; queries may not be answered from it yet. */
  promoted(): void {
    this.#face?.changed();
  }

  /** Queries are answered from everything up to event `seq` of the store. */
  answered(store: string, seq: number): void {
    const signal = this.#applied.get(store) ?? new AppliedSignal((highest) => this.#tell(store, highest));
    this.#applied.set(store, signal);
    signal.note(seq);
  }

  /** What `status` says of it; null where it is turned off. */
  state(): FaceState | null {
    return this.#face?.state() ?? null;
  }

  #tell(store: string, seq: number): void {
    this.#face?.emit(REPLICA_PATH, REPLICA_NAME, "Applied", [BigInt(seq)]);
    this.#face?.emit(REPLICA_PATH, REPLICA_NAME, "StoreApplied", [store, BigInt(seq)]);
  }
}

function makeFace(parts: ReplicaFaceParts): BusFace {
  const { options, answerer, log } = parts;
  const ask = createAskQuery(answerer);
  const objects = [replicaObject(parts, ask)];
  const names = [REPLICA_NAME];
  if (options.port_agent) {
    objects.push(portAgent(ask));
    names.push(PORT_AGENT_NAME);
  }
  return new BusFace({ address: options.address ?? systemBusAddress(), names, objects, log });
}

export function replicaObject({ facts, root, trust, want }: ReplicaFaceParts, ask: AskQuery): ServedObject {
  const verify = new VerifyRunner({
    bin: fileURLToPath(new URL("../main.js", import.meta.url)),
    root,
    keys: trust,
    generation: (store) => {
      const held = facts.stores().filter((one) => store === undefined || one.store === store);
      return held[0]?.generation ?? 0;
    },
  });
  const query = queryInterface(`${REPLICA_NAME}.Query`, ask);
  return { path: REPLICA_PATH, interfaces: [stateInterface(facts), query, adminInterface({ want, verify })] };
}

function stateInterface(facts: ReplicaFacts): ServedInterface {
  const { version, name, uuid } = facts;
  return {
    name: REPLICA_NAME,
    xml: STATE_XML,
    methods: {},
    properties: {
      Version: { type: "s", emits: "const", get: () => version },
      Name: { type: "s", emits: "const", get: () => name },
      Uuid: { type: "s", emits: "const", get: () => uuid },
      PublicKey: { type: "s", emits: "true", get: () => facts.publicKey() },
      Stores: { type: "a{s(tts)}", emits: "invalidates", get: () => storesOf(facts) },
    },
    signals: { Applied: "t", StoreApplied: "st" },
  };
}

function storesOf(facts: ReplicaFacts): Record<string, [bigint, bigint, string]> {
  const stores = facts.stores().map(({ store, generation, size, origin }) => {
    return [store, [BigInt(generation), BigInt(size), origin]] as const;
  });
  return Object.fromEntries(stores) as Record<string, [bigint, bigint, string]>;
}

const DOC = "org.gtk.GDBus.DocString";
const EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal";

const STATE_XML = `
<interface name="${REPLICA_NAME}">
  <annotation name="${DOC}" value="A replica: holds verified copies of primaries' ledgers, and answers questions about them."/>
  <property name="Version" type="s" access="read">
    <annotation name="${EMITS}" value="const"/>
  </property>
  <property name="Name" type="s" access="read">
    <annotation name="${EMITS}" value="const"/>
  </property>
  <property name="Uuid" type="s" access="read">
    <annotation name="${EMITS}" value="const"/>
  </property>
  <property name="PublicKey" type="s" access="read">
    <annotation name="${DOC}" value="The vkey of this replica's cosignatures."/>
    <annotation name="${EMITS}" value="true"/>
  </property>
  <property name="Stores" type="a{s(tts)}" access="read">
    <annotation name="${DOC}" value="By store UUID: generation, events in it, origin."/>
    <annotation name="${EMITS}" value="invalidates"/>
  </property>
  <signal name="Applied">
    <annotation name="${DOC}" value="Queries are answered from every event up to this one. With several stores, see StoreApplied."/>
    <arg name="seq" type="t"/>
  </signal>
  <signal name="StoreApplied">
    <annotation name="${DOC}" value="The same, and of which store."/>
    <arg name="store" type="s"/>
    <arg name="seq" type="t"/>
  </signal>
</interface>`;
