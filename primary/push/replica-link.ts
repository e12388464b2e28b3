// One replica's worker: connects, says hello, plans, pushes, moves the base, waits, and begins again after whatever went
// wrong. It shares nothing with other links but read-only generations, so a sick replica delays no other.
import type { NoteVerifier } from "../../shared/format/signed-note.js";
import type { Logger } from "../../shared/log.js";
import { type HelloAnswer, PROTOCOL_VERSION } from "../../shared/protocol/protocol.js";
import type { TreeLayout } from "../../shared/store/layout.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import type { SealedGeneration } from "../event.js";
import { compressedDataIsSafe } from "./choose-protocol.js";
import { type LinkHint, readLinkHint, writeLinkHint } from "./link-hint.js";
import { type HeldByReplica, type LocalGeneration, type PushPlan, planPush } from "./plan-push.js";
import { PushError } from "./push-error.js";
import { checkCosigned, pushGeneration, sayHello } from "./replica-client.js";
import { SshConnection, type SshTarget } from "./ssh-connection.js";

/** What the links read of the rest of the primary. */
export interface LinkSource {
  readonly storeUuid: string;
  readonly key: NoteVerifier;
  readonly versions: { kernel: string; progs: string };
  /** Entries in the ledger, sealed or not. */
  ledgerSize(): number;
  /** The newest generation, or `undefined` before the first. */
  newest(): SealedGeneration | undefined;
  /** Whole generations here, ascending, with the UUIDs that are known by now. */
  local(): LocalGeneration[];
  /** Resolves when the UUIDs of all generations are known. */
  uuidsKnown(): Promise<void>;
  tree(generation: number): TreeLayout;
}

export interface LinkOptions {
  name: string;
  target: SshTarget;
  helloMs: number;
  stallMs: number;
  compressedData: "auto" | "never";
  zstdLevel: number | undefined;
  spares: SpareProcesses;
  /** `links/<replica-uuid>.json`, once its UUID is known. */
  hintPath: (replicaUuid: string) => string;
  /** The folder those lie in, searched at the start for this replica's name. */
  hintDir: string;
  /** Another generation is this replica's base, by an ack or by what its hello says: older ones may go. */
  onBaseMoved: () => void;
  /** The replica's operator asked for a full resync: it needs a generation that the replica does not have yet. */
  onFullWanted: () => Promise<unknown>;
  log: Logger;
}

export type LinkHealth = "connecting" | "healthy" | "unreachable" | "refused";

export interface LinkStatus {
  name: string;
  health: LinkHealth;
  /** What is being done or why it is not healthy. */
  reason: string;
  /** The refusal's code, or this side's: `unreachable`, `host-key`, `login` and so on; `undefined` while it is well. */
  code: string | undefined;
  hint: string | undefined;
  replica: string | undefined;
  generation: number | undefined;
  size: number | undefined;
  last_ack: string | null;
  last_push: { kind: "increment" | "full"; generation: number; bytes: number; ms: number } | null;
  /** Bytes on the wire since the start, failed pushes included. */
  bytes_sent: number;
  pushing: { kind: "increment" | "full"; generation: number; bytes: number; since: string } | null;
}

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;

export class ReplicaLink {
  readonly #source: LinkSource;
  readonly #options: LinkOptions;
  readonly #status: LinkStatus;
  readonly #pins = new Set<number>();
  #hint: LinkHint | undefined;
  #held: HeldByReplica | null | undefined;
  #answer: HelloAnswer | undefined;
  #fullWanted = false;
  #wake: () => void = () => undefined;
  #woken = false;
  #running: Promise<void> | undefined;

  constructor(source: LinkSource, options: LinkOptions) {
    this.#source = source;
    this.#options = options;
    this.#status = {
      name: options.name,
      health: "connecting",
      reason: "not connected yet",
      code: undefined,
      hint: undefined,
      replica: undefined,
      generation: undefined,
      size: undefined,
      last_ack: null,
      last_push: null,
      bytes_sent: 0,
      pushing: null,
    };
  }

  get name(): string {
    return this.#options.name;
  }

  /** Generations that must stay: the base this replica holds, and what is on its way to it. */
  get pins(): ReadonlySet<number> {
    return this.#pins;
  }

  status(): LinkStatus {
    return { ...this.#status };
  }

  /** Pins what the last ack left, so that nothing is deleted before the replica has said what it holds. */
  async pinLastBase(): Promise<void> {
    this.#hint = await readLinkHint(this.#options.hintDir, this.#options.name);
    if (this.#hint) this.#pins.add(this.#hint.generation);
  }

  start(signal: AbortSignal): void {
    this.#running = this.#run(signal);
  }

  async stop(): Promise<void> {
    this.wake();
    await this.#running;
  }

  /** There is a new generation, or something to look at. */
  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Pushes now; with `full`, the whole of the newest generation. */
  resync(full: boolean): void {
    this.#fullWanted ||= full;
    this.#answer = undefined;
    this.wake();
  }

  /** What would be pushed now and why, from what the replica last said. */
  plan(full: boolean): PushPlan | undefined {
    if (this.#held === undefined) return undefined;
    return planPush({
      local: this.#source.local(),
      held: this.#held,
      size: this.#source.newest()?.size ?? 0,
      full: full || this.#fullWanted,
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        const connection = await SshConnection.open(this.#options.target, signal);
        const onAbort = () => connection.destroy();
        signal.addEventListener("abort", onAbort, { once: true });
        try {
          await this.#serve(connection, signal, () => {
            failures = 0;
          });
        } finally {
          signal.removeEventListener("abort", onAbort);
          connection.destroy();
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#noteFailure(error);
        failures += 1;
        await this.#pause(backoffMs(failures), signal);
      }
    }
  }

  /** Hello, push, wait, for as long as the connection lasts. @throws PushError when it is lost or refused */
  async #serve(connection: SshConnection, signal: AbortSignal, onHealthy: () => void): Promise<void> {
    this.#answer = undefined;
    while (!signal.aborted) {
      this.#woken = false;
      const answer: HelloAnswer = this.#answer ?? (await connection.unlessLost(this.#hello(connection)));
      this.#answer = answer;
      if (answer.wants === "full" && !this.#fullWanted) {
        this.#fullWanted = true;
        await this.#options.onFullWanted();
      }
      const plan = this.plan(false) as PushPlan;
      if (plan.kind === "refuse") throw new PushError("conflict", plan.code, plan.reason, { hint: REGRESSED_HINT });
      const idle = plan.kind === "nothing" || this.#awaitsSeal(plan);
      if (idle) {
        this.#set("healthy", plan.reason);
        onHealthy();
        // A generation that is sealed while idle is pushed on what the last hello said; only quiet needs a new hello.
        if (!(await connection.unlessLost(this.#quiet(signal)))) this.#answer = undefined;
        continue;
      }
      await connection.unlessLost(this.#push(connection, plan, answer, signal));
      onHealthy();
    }
  }

  /** All of a generation goes only to a replica that does not have one of its number: whoever asks for it seals anew. */
  #awaitsSeal(plan: PushPlan): boolean {
    return plan.kind === "full" && this.#held?.generation === plan.generation;
  }

  async #hello(connection: SshConnection): Promise<HelloAnswer> {
    const { storeUuid, key } = this.#source;
    const answer = await sayHello(connection, {
      protocol: PROTOCOL_VERSION,
      store: storeUuid,
      origin: key.name,
      size: this.#source.ledgerSize(),
      generation: this.#source.newest()?.generation ?? 0,
    });
    await this.#source.uuidsKnown();
    const { holds } = answer;
    this.#held = holds && {
      generation: holds.generation,
      size: holds.size,
      timingReceivedUuid: holds.timing.received_uuid,
      vectorReceivedUuid: holds.vector.received_uuid,
    };
    this.#status.replica = answer.replica.uuid;
    this.#status.generation = holds?.generation;
    this.#status.size = holds?.size;
    this.#checkSameReplica(answer);
    this.#pinBase();
    return answer;
  }

  /** Another replica under a known name is not taken for the old one: its cosignatures are another's. */
  #checkSameReplica({ replica }: HelloAnswer): void {
    const known = this.#hint;
    if (!known || (known.replica === replica.uuid && known.vkey === replica.vkey)) return;
    this.#options.log.warn("another replica answers under this name", {
      name: this.name,
      was: known.replica,
      is: replica.uuid,
    });
    this.#hint = undefined;
  }

  #pinBase(): void {
    const held = this.#held;
    const base = held && this.#source.local().find((local) => local.timing === held.timingReceivedUuid);
    const pinned = base ? [base.generation] : [];
    const moved = this.#pins.size !== pinned.length || pinned.some((generation) => !this.#pins.has(generation));
    this.#pins.clear();
    for (const generation of pinned) this.#pins.add(generation);
    if (moved) this.#options.onBaseMoved();
  }

  async #push(
    connection: SshConnection,
    plan: Extract<PushPlan, { generation: number }>,
    answer: HelloAnswer,
    signal: AbortSignal,
  ): Promise<void> {
    const source = this.#source;
    const sealed = source.newest();
    // At once: from the next seal on, only the pin keeps it.
    if (sealed) this.#pins.add(sealed.generation);
    // A seal in between made a newer one: plan again.
    if (!sealed || sealed.generation !== plan.generation) return;
    const began = performance.now();
    const { kind } = plan;
    const progress = { kind, generation: sealed.generation, bytes: 0, since: new Date().toISOString() };
    this.#status.pushing = progress;
    try {
      const note = await pushGeneration(connection, {
        store: source.storeUuid,
        sealed,
        tree: source.tree(sealed.generation),
        base: plan.kind === "increment" ? { generation: plan.base, tree: source.tree(plan.base) } : undefined,
        ledgerSize: source.ledgerSize(),
        compressedData:
          this.#options.compressedData === "auto" && compressedDataIsSafe(source.versions, answer.versions),
        zstdLevel: this.#options.zstdLevel,
        stallMs: this.#options.stallMs,
        spares: this.#options.spares,
        signal,
        onBytes: (bytes) => {
          progress.bytes += bytes;
          this.#status.bytes_sent += bytes;
        },
      });
      checkCosigned(note, answer.replica.vkey, source.key, sealed);
      const ms = Math.round(performance.now() - began);
      await this.#acked(sealed, answer, note, {
        kind,
        generation: sealed.generation,
        bytes: progress.bytes,
        ms,
      });
    } finally {
      this.#status.pushing = null;
    }
  }

  async #acked(
    sealed: SealedGeneration,
    answer: HelloAnswer,
    note: string,
    push: NonNullable<LinkStatus["last_push"]>,
  ): Promise<void> {
    const { generation, size } = sealed;
    this.#held = { generation, size, timingReceivedUuid: null, vectorReceivedUuid: null, acked: true };
    // An increment that was on its way when all was asked for does not answer that.
    if (push.kind === "full") this.#fullWanted = false;
    if (this.#answer) this.#answer = { ...this.#answer, wants: "nothing" };
    this.#pins.clear();
    this.#pins.add(generation);
    Object.assign(this.#status, { generation, size, last_ack: new Date().toISOString(), last_push: push });
    this.#set("healthy", `acked generation ${generation}`);
    this.#options.log.debug("acked", { replica: this.name, ...push });
    const { uuid, vkey } = answer.replica;
    this.#hint = { replica: uuid, name: this.name, vkey, generation, acked: this.#status.last_ack as string, note };
    this.#options.onBaseMoved();
    await writeLinkHint(this.#options.hintPath(uuid), this.#hint);
  }

  /** Resolves true when woken, false when `helloMs` have passed in quiet. */
  #quiet(signal: AbortSignal): Promise<boolean> {
    return this.#pause(this.#options.helloMs, signal);
  }

  #pause(delayMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#woken || signal.aborted) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (woken: boolean) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        // A pause that was given up when the link broke must not undo the one that came after it.
        if (this.#wake === wake) this.#wake = () => undefined;
        resolve(woken);
      };
      const wake = () => end(true);
      const timer = setTimeout(() => end(false), delayMs);
      signal.addEventListener("abort", wake, { once: true });
      this.#wake = wake;
    });
  }

  #noteFailure(error: unknown): void {
    const failure =
      error instanceof PushError
        ? error
        : new PushError("fatal", "internal", (error as Error).message, { cause: error });
    const health = failure.kind === "retryable" ? "unreachable" : "refused";
    const changed = this.#status.reason !== failure.message;
    this.#set(health, failure.message, failure);
    if (changed)
      this.#options.log.warn("replica not reached", { replica: this.name, code: failure.code, error: failure });
  }

  #set(health: LinkHealth, reason: string, { code, hint }: Partial<Pick<PushError, "code" | "hint">> = {}): void {
    if (health === "healthy" && this.#status.health !== "healthy") {
      this.#options.log.info("replica healthy", { replica: this.name, reason });
    }
    Object.assign(this.#status, { health, reason, code, hint });
  }
}

const REGRESSED_HINT =
  "this primary lost history that the replica has: do not go on with it; make the store anew or restore it from the replica";

/** Exponential with full jitter, so that replicas that went together do not come back together. */
function backoffMs(failures: number): number {
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10));
  return BACKOFF_FIRST_MS / 2 + Math.random() * ceiling;
}
