// The primary on the bus: dev.isochron.Primary1 with its state, events in, queries and an operator's commands, and
// dev.ovs.PortAgent1 where the configuration says so. Beside the flow, not in it: without a bus the primary does its work.
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
import type { Admitter } from "../admit/admit-event.js";
import type { EventSink } from "../event.js";
import { type AdminCallsParts, adminInterface } from "./admin-calls.js";
import { IngestCalls, type IngestCounts } from "./ingest-calls.js";

export const PRIMARY_NAME = "dev.isochron.Primary1";
export const PRIMARY_PATH = "/dev/isochron/Primary1";

/** What the properties say of the primary, read whenever one is asked for. */
export interface PrimaryFacts {
  version: string;
  origin: string;
  storeUuid: string;
  /** Of the key in force. */
  publicKey(): string;
  ledgerSize(): number;
  /** The newest generation; undefined before the first. */
  newest(): { generation: number; size: number; root: Buffer } | undefined;
  /** Health of each replica by name. */
  replicas(): Record<string, string>;
}

export interface PrimaryFaceParts extends Omit<AdminCallsParts, "verify"> {
  options: DbusOptions;
  root: string;
  facts: PrimaryFacts;
  answerer: Answerer;
  admit: Admitter;
  sink: EventSink;
  maxLineBytes: number;
  log: Logger;
}

/** What `status` says of it; null where it is turned off. */
export type PrimaryFaceState = (FaceState & { events: IngestCounts }) | null;

export class PrimaryFace {
  readonly #face: BusFace | undefined;
  readonly #ingest: IngestCalls;
  readonly #applied: AppliedSignal;

  constructor(parts: PrimaryFaceParts) {
    this.#ingest = new IngestCalls(parts);
    this.#face = parts.options.enabled ? makeFace(parts, this.#ingest) : undefined;
    this.#applied = new AppliedSignal((seq) => {
      this.#face?.emit(PRIMARY_PATH, PRIMARY_NAME, "Applied", [BigInt(seq)]);
    });
  }

  async start(): Promise<void> {
    await this.#face?.start();
  }

  async stop(): Promise<void> {
    await this.#face?.stop();
    this.#applied.stop();
  }

  /** Everything up to event `seq` is durable. */
  appended(seq: number): void {
    this.#applied.note(seq);
    this.#face?.changed();
  }

  sealed(): void {
    this.#face?.changed();
  }

  state(): PrimaryFaceState {
    return this.#face ? { ...this.#face.state(), events: { ...this.#ingest.counts } } : null;
  }
}

function makeFace(parts: PrimaryFaceParts, ingest: IngestCalls): BusFace {
  const { options, answerer, log } = parts;
  const ask = createAskQuery(answerer);
  const objects = [primaryObject(parts, ingest, ask)];
  const names = [PRIMARY_NAME];
  if (options.port_agent) {
    objects.push(portAgent(ask));
    names.push(PORT_AGENT_NAME);
  }
  return new BusFace({ address: options.address ?? systemBusAddress(), names, objects, log });
}

export function primaryObject(parts: PrimaryFaceParts, ingest: IngestCalls, ask: AskQuery): ServedObject {
  const { facts, root, seal, orders, fills } = parts;
  const verify = new VerifyRunner({
    bin: fileURLToPath(new URL("../main.js", import.meta.url)),
    root,
    keys: [],
    generation: () => facts.newest()?.generation ?? 0,
  });
  const interfaces = [
    stateInterface(facts),
    ingest.served(),
    queryInterface(`${PRIMARY_NAME}.Query`, ask),
    adminInterface({ seal, orders, fills, verify }),
  ];
  return { path: PRIMARY_PATH, interfaces };
}

function stateInterface(facts: PrimaryFacts): ServedInterface {
  const { version, origin, storeUuid } = facts;
  const newest = () => facts.newest();
  return {
    name: PRIMARY_NAME,
    xml: STATE_XML,
    methods: {},
    properties: {
      Version: { type: "s", emits: "const", get: () => version },
      Origin: { type: "s", emits: "const", get: () => origin },
      StoreUuid: { type: "s", emits: "const", get: () => storeUuid },
      PublicKey: { type: "s", emits: "true", get: () => facts.publicKey() },
      LedgerSize: { type: "t", emits: "true", get: () => BigInt(facts.ledgerSize()) },
      SealedSize: { type: "t", emits: "true", get: () => BigInt(newest()?.size ?? 0) },
      Generation: { type: "t", emits: "true", get: () => BigInt(newest()?.generation ?? 0) },
      Root: { type: "s", emits: "true", get: () => newest()?.root.toString("base64") ?? "" },
      Replicas: { type: "a{ss}", emits: "invalidates", get: () => facts.replicas() },
    },
    signals: { Applied: "t" },
  };
}

const DOC = "org.gtk.GDBus.DocString";
const EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal";

const STATE_XML = `
<interface name="${PRIMARY_NAME}">
  <annotation name="${DOC}" value="A primary: records what changes on this host in a signed ledger, and pushes it to replicas."/>
  <property name="Version" type="s" access="read">
    <annotation name="${EMITS}" value="const"/>
  </property>
  <property name="Origin" type="s" access="read">
    <annotation name="${DOC}" value="Name of the ledger, in every checkpoint."/>
    <annotation name="${EMITS}" value="const"/>
  </property>
  <property name="StoreUuid" type="s" access="read">
    <annotation name="${EMITS}" value="const"/>
  </property>
  <property name="PublicKey" type="s" access="read">
    <annotation name="${DOC}" value="The vkey that checkpoints are verified with. Another one after a key rotation."/>
    <annotation name="${EMITS}" value="true"/>
  </property>
  <property name="LedgerSize" type="t" access="read">
    <annotation name="${DOC}" value="Events in the ledger, sealed or not."/>
    <annotation name="${EMITS}" value="true"/>
  </property>
  <property name="SealedSize" type="t" access="read">
    <annotation name="${DOC}" value="Events in the newest generation."/>
    <annotation name="${EMITS}" value="true"/>
  </property>
  <property name="Generation" type="t" access="read">
    <annotation name="${EMITS}" value="true"/>
  </property>
  <property name="Root" type="s" access="read">
    <annotation name="${DOC}" value="Root of the newest generation's tree, base64; empty before the first seal."/>
    <annotation name="${EMITS}" value="true"/>
  </property>
  <property name="Replicas" type="a{ss}" access="read">
    <annotation name="${DOC}" value="Each replica's health: connecting, healthy, lagging, unreachable, full, diverged, needs-full, foreign, version-mismatch or paused."/>
    <annotation name="${EMITS}" value="invalidates"/>
  </property>
  <signal name="Applied">
    <annotation name="${DOC}" value="Every event up to this one is durable."/>
    <arg name="seq" type="t"/>
  </signal>
</interface>`;
