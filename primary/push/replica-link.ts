// One replica's worker: connects, says hello, plans, pushes, moves the base, waits, and begins again after whatever went
// wrong. It shares nothing with other links but read-only generations and the turns of pushes, so a sick replica delays
// no other.
import type { NoteVerifier } from "../../shared/format/signed-note.js";
import { type HelloAnswer, PROTOCOL_VERSION } from "../../shared/protocol/protocol.js";
import type { TreeLayout } from "../../shared/store/layout.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import type { SealedGeneration } from "../event.js";
import { LinkBase, type LinkBaseOptions } from "./base/link-base.js";
import type { LinkPins } from "./base/link-pins.js";
import { needsFull } from "./base/needs-full.js";
import type { Assessment } from "./health/assess-health.js";
import { lacksAsBefore, lacksRoom, type Offered } from "./health/lacks-room.js";
import { LinkCondition } from "./health/link-condition.js";
import { type LinkStatus, ProgressMeter, type PushOutcome, type PushRecord } from "./link-status.js";
import { LinkWaits } from "./link-waits.js";
import type { SendSizes } from "./pace/estimate-size.js";
import type { LinkPace } from "./pace/pace-link.js";
import {
  type HeldByReplica,
  type LocalGeneration,
  type PartialPush,
  type PushPlan,
  planPush,
  type SendPlan,
} from "./plan-push.js";
import { pushAtPace } from "./push-at-pace.js";
import { PushError } from "./push-error.js";
import type { PushTurns } from "./push-turns.js";
import { openSend } from "./wire/open-send.js";
import { checkCosigned, sayHello } from "./wire/replica-client.js";
import type { SharedSends } from "./wire/shared-sends.js";
import { SshConnection, type SshTarget } from "./wire/ssh-connection.js";

/** What the links read of the rest of the primary. */
export interface LinkSource {
  readonly storeUuid: string;
  readonly origin: string;
  /** All that ever signed checkpoints of this origin. */
  keys(): readonly NoteVerifier[];
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
  /** Size and root of a generation here. */
  sealed(generation: number): Promise<SealedGeneration>;
}

/** `beganMs`: of that hello, by `performance.now()`. `trusts`: vkeys of this origin; an older agent does not say. */
export interface ToldTrust {
  beganMs: number;
  trusts: readonly string[] | undefined;
}

export interface LinkOptions extends LinkBaseOptions {
  target: SshTarget;
  helloMs: number;
  stallMs: number;
  /** Behind for longer than this is lagging. */
  lagMs: number;
  /** A replica with a higher one-minute load per core is pushed to less often. */
  mostLoad: number;
  /** Whether all of the store is sent by itself to a replica that has lost its base. */
  full: "auto" | "ask";
  /** This link's own. */
  pace: LinkPace;
  sizes: SendSizes;
  spares: SpareProcesses;
  turns: PushTurns;
  sends: SharedSends;
  /** Why an operator holds it since before the start. */
  paused: string | undefined;
  /** The replica's operator asked for a full resync: it needs a generation that the replica does not have yet. */
  onFullWanted: () => Promise<unknown>;
  /** How each push ended. It must not throw. */
  onPushEnded: (outcome: PushOutcome) => void;
}

/** A replica that has no more room than when it refused a push is offered it again after so long. */
const NO_ROOM_PAUSE_MS = 3_600_000;
/** A push of less is sooner made anew than gone on with: its generation need not outlive a restart. */
const NOTED_FROM_BYTES = 256 * 1024;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
/** An overloaded replica is relieved at this share of the load that made it so. */
const RELIEVED = 0.75;
/** An overloaded replica is pushed to this often. */
const OVERLOAD_PAUSE_MS = 30_000;

export class ReplicaLink {
  readonly #source: LinkSource;
  readonly #options: LinkOptions;
  readonly #base: LinkBase;
  readonly #condition: LinkCondition;
  readonly #counts = { bytesSent: 0, acked: 0, failed: 0 };
  /** Why all is to be sent though nobody asked for it. */
  #fullPlanned: string | undefined;
  #lastContactMs: number | undefined;
  #lastPush: PushRecord | null = null;
  #lastPushBeganMs = 0;
  #progress: ProgressMeter | undefined;
  /** Ends the push under way, and with it the connection. */
  #ending: AbortController | undefined;
  #held: HeldByReplica | null | undefined;
  /** What the replica said that it keeps of a push that was cut. */
  #partial: PartialPush | undefined;
  #answer: HelloAnswer | undefined;
  #told: ToldTrust | undefined;
  /** All is wanted of this generation or a later one. */
  #fullFrom: number | undefined;
  #lastFull: PushRecord | undefined;
  /** Of the plan that was looked at last. */
  #offered: Offered = { rawBytes: 0, freeBytes: 0 };
  /** What was refused for want of room, and by `performance.now()` when. */
  #noRoomFor: (Offered & { sinceMs: number }) | undefined;
  readonly #waits = new LinkWaits();
  #running: Promise<void> | undefined;

  constructor(source: LinkSource, options: LinkOptions) {
    this.#source = source;
    this.#options = options;
    this.#base = new LinkBase(options);
    this.#condition = new LinkCondition(options.name, options);
  }

  get name(): string {
    return this.#options.name;
  }

  /** Generations that must stay: the base this replica holds, and what is on its way to it. */
  get pins(): LinkPins {
    return this.#base.pins;
  }

  status(): LinkStatus {
    const { bytesSent, acked, failed } = this.#counts;
    const held = this.#held ?? undefined;
    return {
      name: this.name,
      ...this.#condition.now(),
      replica: this.#answer?.replica.uuid ?? this.#base.replica,
      generation: held?.generation,
      size: held?.size,
      last_ack: this.#base.lastAck,
      pins: this.pins.list.map(({ generation, supersededMs }) => ({
        generation,
        superseded: isoOrNull(supersededMs),
      })),
      last_contact: isoOrNull(this.#lastContactMs),
      behind_since: isoOrNull(this.#condition.behindSinceMs),
      last_push: this.#lastPush,
      pushes: { acked, failed },
      failures: this.#condition.failures,
      bytes_sent: bytesSent,
      pushing: this.#progress?.at(Date.now()) ?? null,
      ...this.#options.pace.status(),
    };
  }

  /** Told of each change of health or of its code, until the function that it returns is called. */
  onHealth(listener: (assessment: Assessment) => void): () => void {
    return this.#condition.onChange(listener);
  }

  /** Pins what the last ack left, so that nothing is deleted before the replica has said what it holds. */
  async pinLastBase(): Promise<void> {
    await this.#base.pinLast(this.#source.newest()?.generation);
    this.#noteNeedsFull();
  }

  start(signal: AbortSignal): void {
    this.#running = this.#run(signal);
  }

  async stop(): Promise<void> {
    this.wake();
    await this.#running;
    this.#condition.stop();
  }

  /** There is a new generation. */
  wake(): void {
    this.#noteBehind();
    this.#waits.wake();
  }

  /** Pushes now; with `full`, the whole of the next generation that is sealed. */
  resync(full: boolean): void {
    if (full) this.#wantFull(1);
    this.#noRoomFor = undefined;
    this.askAnew();
  }

  /** What was pushed in full last, since the start. */
  get lastFull(): PushRecord | undefined {
    return this.#lastFull;
  }

  /** Of the newest generation, or so many later. */
  #wantFull(later: number): void {
    this.#fullFrom = Math.max(this.#fullFrom ?? 0, (this.#source.newest()?.generation ?? 0) + later);
  }

  /** Which keys the replica trusts, by its last hello; undefined before the first. */
  get told(): ToldTrust | undefined {
    return this.#told;
  }

  /** Says hello again as soon as nothing else is under way. */
  askAnew(): void {
    this.#answer = undefined;
    this.#order();
  }

  /** Somebody waits for what this link does next. */
  #order(): void {
    this.#noteBehind();
    this.#waits.order();
  }

  /** Takes a full resync back. What of it is under way is ended; the replica sweeps what has arrived. */
  withdraw(): void {
    this.#fullFrom = undefined;
    if (this.#progress?.at(Date.now()).kind === "full") this.#end("the full resync was withdrawn");
  }

  /** Pushes nothing until `resume`; a push under way is ended. */
  pause(reason: string): void {
    this.#condition.pause(reason);
    this.#end(reason);
    this.#order();
  }

  resume(): void {
    this.#condition.pause(undefined);
    this.#order();
  }

  /** What would be pushed now and why, from what the replica last said. */
  plan(full: boolean): PushPlan | undefined {
    if (this.#held === undefined) return undefined;
    const { generation = 0 } = this.#partial ?? {};
    return planPush({
      local: this.#source.local(),
      held: this.#held,
      size: this.#source.newest()?.size ?? 0,
      full: full || this.#fullFrom !== undefined,
      // What is left of an earlier one is not what was asked for.
      partial: generation < (this.#fullFrom ?? 0) ? undefined : this.#partial,
      workingOn: this.#answer?.working_on,
    });
  }

  /** Its base costs too much: if it comes back, all of the store is sent to it. */
  letBaseGo(reason: string): void {
    if (!this.#base.letGo(reason)) return;
    this.#noteNeedsFull();
    this.#condition.assess();
  }

  /** Notes durably since when its base is out of date, once that lasts. */
  notePins(): Promise<void> {
    return this.#base.notePins();
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      if (this.#condition.paused !== undefined) {
        this.#waits.looked();
        await this.#waits.pause(this.#options.helloMs, signal);
        continue;
      }
      const ending = new AbortController();
      const onStop = () => ending.abort(signal.reason);
      signal.addEventListener("abort", onStop, { once: true });
      this.#ending = ending;
      // What woke it is why it tries now: a replica that cannot be reached is not tried again for that without a pause.
      this.#waits.looked();
      try {
        await this.#connect(ending.signal, () => {
          failures = 0;
        });
      } catch (error) {
        // An operator ended it, or the primary stops: nothing failed.
        if (ending.signal.aborted) continue;
        this.#condition.failed(error);
        failures += 1;
        await this.#waits.pause(backoffMs(failures), signal, { onlyOrders: true });
      } finally {
        signal.removeEventListener("abort", onStop);
      }
    }
  }

  #end(reason: string): void {
    this.#ending?.abort(new Error(reason));
  }

  async #connect(signal: AbortSignal, onHealthy: () => void): Promise<void> {
    const connection = await SshConnection.open(this.#options.target, { signal });
    const onAbort = () => connection.destroy();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await this.#serve(connection, signal, onHealthy);
    } finally {
      signal.removeEventListener("abort", onAbort);
      connection.destroy();
    }
  }

  /** Hello, push, wait, for as long as the connection lasts. @throws PushError when it is lost or refused */
  async #serve(connection: SshConnection, signal: AbortSignal, onHealthy: () => void): Promise<void> {
    this.#answer = undefined;
    while (!signal.aborted) {
      this.#waits.looked();
      const answer: HelloAnswer = this.#answer ?? (await connection.unlessLost(this.#hello(connection)));
      this.#answer = answer;
      if (answer.wants === "full" && this.#fullFrom === undefined) {
        await this.#options.onFullWanted();
        // Not before: without the seal there is nothing to send, and nobody would ask for it again.
        this.#wantFull(0);
      }
      const plan = this.plan(false) as PushPlan;
      this.#fullPlanned = plan.kind === "full" && this.#held && this.#fullFrom === undefined ? plan.reason : undefined;
      this.#noteNeedsFull();
      if (plan.kind === "refuse") throw new PushError("conflict", plan.code, plan.reason, { hint: REGRESSED_HINT });
      this.#offered = { rawBytes: await this.#rawBytes(plan), freeBytes: answer.free_bytes };
      const noRoom = lacksRoom(answer.room, this.#offered.rawBytes) ?? this.#lacksAsBefore();
      this.#condition.note({ lacksRoom: noRoom });
      this.#condition.assess();
      const waits = this.#awaitsSeal(plan) || this.#awaitsLeave() || this.#isSpared() || noRoom !== undefined;
      if (plan.kind === "nothing" || waits) {
        if (plan.kind === "nothing") this.#condition.well(plan.reason);
        onHealthy();
        // A generation that is sealed while idle is pushed on what the last hello said; only quiet needs a new hello.
        const woken = await connection.unlessLost(this.#quiet(signal));
        if (!woken || noRoom !== undefined || answer.working_on !== undefined) this.#answer = undefined;
        continue;
      }
      const push = () => connection.unlessLost(this.#push(connection, plan, answer, signal));
      await this.#options.turns.run(push, connection.lost);
      onHealthy();
    }
  }

  /** All of a generation goes only to a replica that does not have one of its number: whoever asks for it seals anew. */
  #awaitsSeal(plan: PushPlan): boolean {
    if (plan.kind !== "full") return false;
    return this.#held?.generation === plan.generation || plan.generation < (this.#fullFrom ?? 0);
  }

  /** What a replica had no room for is not sent to it again and again: it has to have more, or some time has to pass. */
  #lacksAsBefore(): string | undefined {
    const refused = this.#noRoomFor;
    const { rawBytes, freeBytes } = this.#offered;
    if (!refused || performance.now() - refused.sinceMs > NO_ROOM_PAUSE_MS) return undefined;
    return lacksAsBefore({ rawBytes, freeBytes }, refused);
  }

  /** About how much would be sent. A generation that goes while it is looked at is found out by the push. */
  async #rawBytes(plan: PushPlan): Promise<number> {
    if (plan.kind !== "increment" && plan.kind !== "full") return 0;
    const base = plan.kind === "increment" ? this.#source.tree(plan.base) : undefined;
    return this.#options.sizes.estimate(this.#source.tree(plan.generation), base).catch(() => 0);
  }

  /** With `push.full: ask`, all of the store goes only to a replica that has nothing yet, or when an operator says so. */
  #awaitsLeave(): boolean {
    return this.#options.full === "ask" && this.#fullPlanned !== undefined;
  }

  /** An overloaded replica gets its generations together, some time apart. */
  #isSpared(): boolean {
    return this.#condition.noted.overload !== undefined && Date.now() - this.#lastPushBeganMs < OVERLOAD_PAUSE_MS;
  }

  async #hello(connection: SshConnection): Promise<HelloAnswer> {
    const { storeUuid, origin } = this.#source;
    const beganMs = performance.now();
    const hello = {
      protocol: PROTOCOL_VERSION,
      store: storeUuid,
      origin,
      size: this.#source.ledgerSize(),
      generation: this.#source.newest()?.generation ?? 0,
    };
    const answer = await sayHello(connection, hello, (ms) => this.#options.pace.noteRoundTrip(ms));
    await this.#source.uuidsKnown();
    const { holds, trusts } = answer;
    this.#told = { beganMs, trusts };
    this.#held = holds && {
      generation: holds.generation,
      size: holds.size,
      timingReceivedUuid: holds.timing.received_uuid,
      vectorReceivedUuid: holds.vector.received_uuid,
    };
    this.#partial = answer.partial;
    this.#lastContactMs = Date.now();
    const load = answer.load / (answer.cpus ?? 1);
    // It stays spared until the load is well below: it would flip with every look.
    const most = this.#options.mostLoad * (this.#condition.noted.overload === undefined ? 1 : RELIEVED);
    this.#condition.note({ overload: load > most ? load : undefined });
    this.#condition.heard();
    this.#base.said(answer.replica, this.#basesHeld(answer.working_on));
    this.#noteBehind();
    return answer;
  }

  /** Generations here that the replica holds, keeps a part of, or is about to hold. */
  #basesHeld(workingOn: number | undefined): number[] {
    const held = this.#held;
    return this.#source
      .local()
      .filter(({ timing, generation }) => {
        const isHeld = held && timing === held.timingReceivedUuid;
        return isHeld || generation === this.#partial?.generation || generation === workingOn;
      })
      .map(({ generation }) => generation);
  }

  async #push(connection: SshConnection, plan: SendPlan, answer: HelloAnswer, signal: AbortSignal): Promise<void> {
    const source = this.#source;
    const newest = source.newest();
    // A seal in between made a newer one: plan again.
    if (!newest || (newest.generation !== plan.generation && !plan.resume)) return;
    // Asked for, or taken back, while this waited for its turn.
    if (this.plan(false)?.kind !== plan.kind) return;
    // One that was cut is pinned since the hello.
    const sealed = plan.resume ? await source.sealed(plan.generation) : newest;
    // At once: from the next seal on, only the pin keeps it.
    const pushEnds = this.pins.pushBegins(plan.generation);
    const { kind } = plan;
    const progress = new ProgressMeter(kind, sealed.generation, Date.now());
    this.#progress = progress;
    this.#lastPushBeganMs = Date.now();
    const began = performance.now();
    this.#condition.does(`sends generation ${sealed.generation}`);
    try {
      const base = plan.kind === "increment" ? plan.base : undefined;
      const trees = { tree: source.tree(sealed.generation), base: base === undefined ? undefined : source.tree(base) };
      const newEntries = sealed.size - (base === undefined ? 0 : (this.#held?.size ?? 0));
      const { spares, sends, log } = this.#options;
      const send = { replica: this.name, plan, trees, newEntries, spares, sends, signal, lost: connection.lost, log };
      const { note, codec, ...how } = await pushAtPace(connection, {
        ...{ store: source.storeUuid, sealed, base, answer, signal },
        trees,
        from: plan.resume,
        open: async (compressedData) => {
          const opened = await openSend({ ...send, compressedData });
          progress.resumedBytes = opened.resume?.bytes ?? 0;
          return opened;
        },
        ledgerSize: source.ledgerSize(),
        versions: source.versions,
        pace: this.#options.pace,
        sizes: this.#options.sizes,
        stallMs: this.#options.stallMs,
        onChosen: (estimatedBytes) => {
          // What a probe sent before is no part of the push.
          Object.assign(progress, { bytes: 0, totalBytes: estimatedBytes });
        },
        onBytes: (bytes) => {
          progress.bytes += bytes;
          this.#counts.bytesSent += bytes;
          if (progress.bytes >= NOTED_FROM_BYTES) this.#base.noteSending(answer.replica.uuid, plan.generation);
        },
      });
      checkCosigned(note, answer.replica.vkey, source.keys(), sealed);
      const ms = Math.round(performance.now() - began);
      this.#options.log.debug("pushed", { replica: this.name, generation: sealed.generation, codec, ...how });
      await this.#acked(sealed, answer, note, {
        kind,
        generation: sealed.generation,
        bytes: progress.bytes,
        resumed_bytes: progress.resumedBytes,
        ms,
        codec,
      });
      this.#options.onPushEnded({ kind, ms, result: "acked" });
    } catch (error) {
      const result = signal.aborted ? "ended" : error instanceof PushError ? error.code : "internal";
      if (result !== "ended") this.#counts.failed += 1;
      if (result === "no-space") this.#noRoomFor = { ...this.#offered, sinceMs: performance.now() };
      // It may have arrived whole: then it is the next base, after a restart too.
      if (progress.bytes > 0) this.#base.noteSending(answer.replica.uuid, plan.generation);
      this.#options.onPushEnded({ kind, ms: performance.now() - began, result });
      throw error;
    } finally {
      // Of a connection that was lost: its successor may push already.
      if (this.#progress === progress) this.#progress = undefined;
      pushEnds();
    }
  }

  async #acked(sealed: SealedGeneration, answer: HelloAnswer, note: string, push: PushRecord): Promise<void> {
    const { generation, size } = sealed;
    this.#held = { generation, size, timingReceivedUuid: null, vectorReceivedUuid: null, acked: true };
    // What was on its way when all was asked for does not answer that.
    if (push.kind === "full") this.#lastFull = push;
    if (push.kind === "full" && generation >= (this.#fullFrom ?? 0)) this.#fullFrom = undefined;
    this.#noRoomFor = undefined;
    if (this.#answer) this.#answer = { ...this.#answer, wants: "nothing" };
    this.#fullPlanned = undefined;
    this.#partial = undefined;
    this.#counts.acked += 1;
    this.#lastContactMs = Date.now();
    this.#lastPush = push;
    const noted = this.#base.ack(answer.replica, generation, note, this.#lastContactMs);
    this.#noteNeedsFull();
    // What was sealed meanwhile came after this push had begun.
    this.#condition.behind(undefined);
    this.#noteBehind(this.#lastPushBeganMs);
    this.#condition.well(`acked generation ${generation}`);
    this.#options.log.debug("acked", { replica: this.name, ...push });
    await noted;
  }

  /** Resolves true when woken, false when `helloMs` have passed in quiet. */
  #quiet(signal: AbortSignal): Promise<boolean> {
    return this.#waits.pause(this.#options.helloMs, signal);
  }

  /** Remembers since when there is something that the replica lacks. */
  #noteBehind(sinceMs = Date.now()): void {
    const newest = this.#source.newest()?.generation ?? 0;
    // One that says that it holds nothing lacks all, whatever it acked before.
    const held = this.#held === undefined ? this.#base.acked : this.#held?.generation;
    const isBehind = newest > (held ?? 0);
    this.#condition.behind(isBehind ? (this.#condition.behindSinceMs ?? sinceMs) : undefined);
  }

  #noteNeedsFull(): void {
    const { lost } = this.pins;
    const mode = this.#options.full;
    this.#condition.note({ needsFull: needsFull({ replica: this.name, lost, planned: this.#fullPlanned, mode }) });
  }
}

const REGRESSED_HINT =
  "this primary lost history that the replica has: do not go on with it; make the store anew or restore it from the replica";

/** Exponential with full jitter, so that replicas that went together do not come back together. */
function backoffMs(failures: number): number {
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10));
  return BACKOFF_FIRST_MS / 2 + Math.random() * ceiling;
}

function isoOrNull(timeMs: number | undefined): string | null {
  return timeMs === undefined ? null : new Date(timeMs).toISOString();
}
