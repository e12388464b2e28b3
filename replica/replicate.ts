// One store on a replica: receive, verify, promote, ack, index, in the words of the flow. One push at a time; a push
// that fails leaves the current generation, the accepted head and nothing else.
import { randomBytes } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Checkpoint } from "../shared/format/checkpoint.js";
import { addSignature, type NoteSigner, type NoteVerifier } from "../shared/format/signed-note.js";
import { nowTimestamp } from "../shared/format/timestamp.js";
import { type Logger, StageTimes } from "../shared/log.js";
import type { HelloAnswer, RefusalCode } from "../shared/protocol/protocol.js";
import { showSubvolume } from "../shared/store/btrfs.js";
import type { ElementHeads } from "../shared/store/element-heads.js";
import type { StoreLayout, Subvolume } from "../shared/store/layout.js";
import type { DatedGeneration, KeepRule } from "../shared/store/select-kept.js";
import type { SpareProcesses } from "../shared/store/spare-processes.js";
import { StoreError } from "../shared/store/store-error.js";
import { readStoreFile, writeStoreFile } from "../shared/store/store-file.js";
import { GenerationTidier } from "../shared/store/tidy-generations.js";
import { syncFolder } from "../shared/store/write-file.js";
import { checkLayout } from "../shared/verify/check-layout.js";
import { MapHeads } from "../shared/verify/map-heads.js";
import { VerifyError } from "../shared/verify/verify-error.js";
import {
  NOTHING_VERIFIED,
  type VerifiedGeneration,
  type VerifiedState,
  verifyGeneration,
} from "../shared/verify/verify-generation.js";
import { type Head, type Lag, LagMeter } from "./promote/measure-lag.js";
import { acceptHead, promoteGeneration } from "./promote/promote-generation.js";
import { recoverStore, replaceHeads } from "./promote/recover-store.js";
import { checkUntouched } from "./receive/check-untouched.js";
import { type AnnouncedPush, PartialKeeper } from "./receive/keep-partial.js";
import { CutShort, ReceiveError } from "./receive/receive-error.js";
import { type Arrived, receiveGeneration } from "./receive/receive-generation.js";
import type { ArrivedPart, PartRule } from "./receive/receive-in-parts.js";
import type { ReplicaRoom } from "./receive/require-room.js";

export interface StoreReplicaParts {
  layout: StoreLayout;
  storeUuid: string;
  origin: string;
  /** Trusted keys of this origin. Asked for at each push: `trust` needs no restart, nor does a key that is taken away. */
  keys: () => Promise<readonly NoteVerifier[]>;
  /** This replica's cosigning key of now. */
  signer: () => NoteSigner;
  stallMs: number;
  room: ReplicaRoom;
  /** Generations that stay besides the current one. */
  keep: KeepRule;
  /** What is kept of a push that was cut, and for how long; 0 keeps nothing. */
  parts: PartRule;
  keepPartialMs: number;
  /** Processes that wait for the commands of a push. */
  spares: SpareProcesses;
  /** Called with the outcome of every push that was let in. */
  onReceived: (received: Received) => void;
  /** Called once a generation is current; the ack does not wait for it. */
  onPromoted: (generation: number, size: number) => void;
  log: Logger;
}

/** `base`: number of the base, `undefined` for a full send. */
export interface Push extends AnnouncedPush {
  encoding: "identity" | "zstd";
  stream: Readable;
}

/** How a push ended, for counting. */
export interface Received {
  kind: "increment" | "full";
  result: "ok" | RefusalCode;
  /** It was refused for what the verification found. */
  unverified: boolean;
  /** Undefined if it did not come that far. */
  receiveMs: number | undefined;
  verifyMs: number | undefined;
}

export interface HeldGeneration {
  generation: number;
  size: number;
  head: string;
  uuids: Record<Subvolume, { uuid: string; received_uuid: string | null }>;
}

export class StoreReplica {
  readonly #parts: StoreReplicaParts;
  readonly #tidier: GenerationTidier;
  readonly #partial: PartialKeeper;
  #state: VerifiedState = NOTHING_VERIFIED;
  #accepted: { checkpoint: Checkpoint; note: string } | undefined;
  #heads: ElementHeads | undefined;
  #held: HeldGeneration | undefined;
  #damage: VerifyError | undefined;
  #receiving = false;
  /** Resolves when the push under way has come to its end, whatever that is. */
  #accepting: Promise<unknown> | undefined;
  /** Whether the push under way still comes in, has come in whole, or was cut. */
  #wire: "open" | "whole" | "cut" = "open";
  #arriving = 0;
  #halfPromoted = false;
  readonly #stopping = new AbortController();
  #recovering: Promise<void> | undefined;
  /** Folders of the store, before the first promotion made it one. */
  #isNew = false;
  /** Told in the last hello: a push that began after it must be acked with the same key, or its primary refuses the ack. */
  #signer: NoteSigner;
  wants: "nothing" | "push" | "full" = "nothing";
  lastAckAtMs: number | undefined;
  /** When the current generation was promoted, before the last start too. */
  promotedAtMs: number | undefined;
  readonly #lag = new LagMeter();

  constructor(parts: StoreReplicaParts) {
    this.#parts = parts;
    this.#signer = parts.signer();
    this.#tidier = new GenerationTidier({
      store: parts.layout,
      keep: parts.keep,
      isNeeded: (generation) => generation >= this.#state.generation,
      spares: parts.spares,
      log: parts.log,
    });
    this.#partial = new PartialKeeper(parts.layout, parts.keepPartialMs, parts.log);
  }

  get origin(): string {
    return this.#parts.origin;
  }
  get generation(): number {
    return this.#state.generation;
  }
  get size(): number {
    return this.#state.size;
  }
  /** Generations that stay for their own sake, ascending; the current one is the last. */
  get kept(): readonly DatedGeneration[] {
    return this.#tidier.kept;
  }
  get receiving(): boolean {
    return this.#receiving;
  }
  /** What is kept of a push that was cut. */
  get partial(): HelloAnswer["partial"] {
    const kept = this.#partial.partial;
    return kept && { generation: kept.generation, base: kept.base, protocol: kept.inspected.protocol, ...kept.place };
  }

  /** The generation that has come in whole and is not promoted yet. */
  get workingOn(): number | undefined {
    return this.#receiving && this.#wire === "whole" ? this.#arriving : undefined;
  }

  /** The key to cosign with from now on: the one that the hello of this moment tells. */
  takeSigner(): NoteSigner {
    this.#signer = this.#parts.signer();
    return this.#signer;
  }

  /** Remembers what the primary says of itself. Nothing vouches for it. */
  heard(told: Head): void {
    this.#lag.heard(told, this, Date.now());
  }

  /** As `heard`, with a push: it may be of an older generation than the primary's newest. */
  heardInPush({ size, generation }: Head): void {
    this.heard({ size, generation: Math.max(generation, this.told?.generation ?? 0) });
  }

  /** What the primary said last. */
  get told(): (Head & { atMs: number }) | undefined {
    return this.#lag.told;
  }

  /** What the primary said last, and how far behind it this replica is; undefined before it has said anything. */
  lag(nowMs: number): { told: Head & { atMs: number }; lag: Lag } | undefined {
    const { told } = this;
    const lag = this.#lag.lag(this, nowMs);
    return told && lag ? { told, lag } : undefined;
  }

  /** Makes the store's folders, or recovers what a stop left. A store that is damaged is held, and says so. */
  async start(): Promise<void> {
    const { layout } = this.#parts;
    this.#isNew = (await stat(layout.storeFile).catch(() => undefined)) === undefined;
    await mkdir(layout.generations, { recursive: true });
    // Nobody but root reads what is not verified.
    await mkdir(layout.staging, { recursive: true, mode: 0o700 });
    if (!this.#isNew) await this.#checkStoreFile();
    await this.#recover();
  }

  async #recover(): Promise<void> {
    const { layout, storeUuid, keys, log } = this.#parts;
    this.#heads?.close();
    this.#heads = undefined;
    const recovered = await recoverStore(layout, storeUuid, await keys(), this.#signer);
    this.#state = recovered.state;
    this.#damage = recovered.damage;
    this.#accepted = recovered.accepted;
    this.#heads = recovered.heads;
    await this.#partial.load(this.#state.generation);
    const swept = [...recovered.swept, ...(await this.#partial.sweep())];
    if (swept.length > 0) log.warn("swept what a stop left", { swept });
    if (this.#damage) log.error("what is held is not what was accepted", { store: storeUuid, error: this.#damage });
    this.#held = undefined;
    if (!this.#damage) await this.#describeHeld();
    this.#halfPromoted = false;
    // Written by every promotion, and by nothing else but a recovery that finds one half done.
    this.promotedAtMs = await stat(layout.acceptedHead).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );
    await this.#tidier.tidy();
  }

  /** A promotion that failed after its rename leaves on disk what a crash there leaves; it is recovered in the same way. */
  async #recoverPromotion(): Promise<void> {
    if (!this.#halfPromoted) return;
    this.#recovering ??= this.#recover().finally(() => {
      this.#recovering = undefined;
    });
    await this.#recovering;
  }

  async stop(): Promise<void> {
    this.#partial.stop();
    // What is verified in vain stays, as after a crash.
    this.#stopping.abort(new Error("the replica stops"));
    if (this.#receiving && this.#wire !== "open") await this.#acceptedWithin(STOP_WAITS_MS);
    await this.#tidier.stop();
    this.#heads?.close();
  }

  /** A primary sends nothing to a replica without room: what is kept there may be what takes it. */
  async #requireRoomForPartial(): Promise<void> {
    const error = await this.#parts.room.require().catch((error: Error) => error);
    if (error && !this.#receiving) await this.#partial.drop(error.message);
  }

  async #acceptedWithin(waitMs: number): Promise<void> {
    const waited = new AbortController();
    const late = sleep(waitMs, undefined, { signal: waited.signal }).catch(() => undefined);
    await Promise.race([this.#accepting, late]);
    waited.abort();
  }

  /** Deletes what is kept of a push that was cut. */
  async dropPartial(reason: string): Promise<void> {
    await this.#partial.drop(reason);
  }

  /** Why what is held cannot be built on, in words; `undefined` if it can. */
  get damage(): string | undefined {
    return this.#damage && describeDamage(this.#damage);
  }

  /** What hello says of this store. @throws ReceiveError `not-verified` for a damaged one, until all of it is asked for */
  async held(): Promise<HeldGeneration | null> {
    // What was cut is soon kept, and what has arrived is soon promoted: a primary that hears of neither sends it again.
    if (this.#receiving && this.#wire !== "open") await this.#acceptedWithin(HELLO_WAITS_MS);
    if (!this.#receiving) await this.#recoverPromotion();
    if (!this.#receiving && this.#partial.partial) await this.#requireRoomForPartial();
    if (this.#damage && this.wants !== "full") {
      const message = `what this replica holds is not what it accepted: ${describeDamage(this.#damage)}`;
      throw new ReceiveError("not-verified", message, { cause: this.#damage, hint: DAMAGE_HINT });
    }
    return this.#held ?? null;
  }

  /**
   * Receives, verifies and promotes one generation. Resolves with the cosigned checkpoint once it would survive a power
   * cut.
   *
   * @throws ReceiveError with the protocol's refusal code
   */
  async accept(push: Push): Promise<string> {
    if (this.#receiving) throw new ReceiveError("busy", "another push of this store is under way");
    this.#receiving = true;
    this.#wire = "open";
    this.#arriving = push.generation;
    const accepted = this.#accept(push).finally(() => {
      this.#receiving = false;
    });
    this.#accepting = accepted.catch(() => undefined);
    return accepted;
  }

  async #accept(push: Push): Promise<string> {
    const timing = new StageTimes();
    let isClaimed = false;
    let arrived: Arrived | undefined;
    let refusal: ReceiveError | undefined;
    try {
      await this.#recoverPromotion();
      await this.#checkPush(push);
      isClaimed = true;
      const from = await this.#partial.claim(push);
      arrived = await timing.stage("receive_ms", this.#receive(push, from));
      const verified = await timing.stage("verify_ms", this.#verify(push, arrived));
      const uuids = await timing.stage("settle_ms", arrived.settled);
      const note = await timing.stage("promote_ms", this.#promote(push, { ...arrived, uuids }, verified));
      this.#parts.log.debug("promoted", { generation: push.generation, size: verified.size, ...timing.ms });
      return note;
    } catch (error) {
      // Links that were followed into an arrival that is refused, and not those of what stands here.
      if (!this.#halfPromoted) this.#heads?.rollback();
      // Else it is noted as kept after it was swept.
      await arrived?.settled.catch(() => undefined);
      await this.#sweepAfter(error, isClaimed);
      refusal = refusalOf(error);
      throw refusal;
    } finally {
      this.#partial.release();
      this.#tellReceived(push, refusal, timing);
    }
  }

  #tellReceived({ base }: Push, refusal: ReceiveError | undefined, { ms }: StageTimes): void {
    this.#parts.onReceived({
      kind: base === undefined ? "full" : "increment",
      result: refusal?.code ?? "ok",
      unverified: refusal?.cause instanceof VerifyError && refusal.code !== "newer-format",
      receiveMs: ms.receive_ms,
      verifyMs: ms.verify_ms,
    });
  }

  /** What was cut can be gone on with. What was refused is of no use, nor is what it went on from; nor is it without room. */
  async #sweepAfter(error: unknown, isClaimed: boolean): Promise<void> {
    const isCut = error instanceof CutShort || !isClaimed || this.#stopping.signal.aborted;
    const noRoom = error instanceof ReceiveError && error.code === "no-space";
    const swept = isCut && !noRoom ? this.#partial.sweep() : this.#partial.drop((error as Error).message);
    await swept.catch((cause: unknown) => {
      this.#parts.log.error("could not sweep an arrival; the next start will", { cause });
    });
  }

  async #checkStoreFile(): Promise<void> {
    const { layout, storeUuid, origin } = this.#parts;
    const file = await readStoreFile(layout.storeFile);
    if (file.uuid === storeUuid && file.origin === origin) return;
    throw new StoreError(
      "corrupt",
      `${layout.storeFile} names ${file.origin} (${file.uuid}), not ${origin} (${storeUuid})`,
    );
  }

  async #checkPush({ generation, base }: Push): Promise<void> {
    if (base !== undefined && base !== this.#state.generation) {
      throw new ReceiveError(
        "base-missing",
        `the base is generation ${base}; this replica stands at ${this.#state.generation}`,
      );
    }
    if (generation <= this.#state.generation) {
      const message = `generation ${generation} was offered; this replica stands at ${this.#state.generation}`;
      throw new ReceiveError("regressed", message, {
        hint: "was the primary put back to an older day? compare `status` on both",
      });
    }
    await this.#parts.room.require();
  }

  #receive(push: Push, from: ArrivedPart | undefined): Promise<Arrived> {
    const { encoding, stream, base } = push;
    const held = base === undefined ? undefined : this.#held?.uuids;
    const receivedAs = held && { timing: held.timing.received_uuid ?? "", vector: held.vector.received_uuid ?? "" };
    const { layout, origin, stallMs, room, spares, parts, keepPartialMs } = this.#parts;
    return receiveGeneration({
      dir: join(layout.staging, `${push.generation}-${randomBytes(6).toString("hex")}`),
      stream,
      encoding,
      base: receivedAs,
      from,
      rule: keepPartialMs > 0 ? parts : undefined,
      keep: (part) => this.#partial.keep(origin, push, part),
      stallMs,
      room,
      onEnd: (cut) => {
        this.#wire = cut ? "cut" : "whole";
      },
      spares,
    });
  }

  async #verify({ generation, base }: Push, arrived: Arrived): Promise<VerifiedGeneration & { fresh?: MapHeads }> {
    const { storeUuid, keys, layout } = this.#parts;
    const mustContain = this.#accepted?.checkpoint;
    const { tree, inspected } = arrived;
    const files = checkLayout(tree);
    const { signal } = this.#stopping;
    const common = { tree, files, storeUuid, keys: await keys(), generation, mustContain, signal };
    if (base === undefined) {
      const fresh = new MapHeads();
      return { ...(await verifyGeneration({ ...common, from: NOTHING_VERIFIED, heads: fresh })), fresh };
    }
    await checkUntouched({ tree: layout.generation(base), files: this.#state.files }, { tree, files }, inspected);
    return verifyGeneration({ ...common, from: this.#state, heads: this.#heads as ElementHeads });
  }

  async #promote(push: Push, arrived: Settled, verified: VerifiedGeneration & { fresh?: MapHeads }): Promise<string> {
    const { layout, storeUuid, origin, onPromoted } = this.#parts;
    if (this.#isNew) {
      await writeStoreFile(layout.storeFile, { format: 1, uuid: storeUuid, origin, created: nowTimestamp() });
      this.#isNew = false;
    }
    this.#halfPromoted = true;
    await promoteGeneration(layout, arrived.tree, push.generation);
    if (this.#partial.partial) await this.#partial.forget();
    // Queries may see it from here on; the ack waits until it would survive a power cut.
    onPromoted(push.generation, verified.size);
    const note = addSignature(verified.note, this.#signer);
    await Promise.all([syncFolder(layout.generations), acceptHead(layout, note)]);
    this.#state = verified;
    this.#accepted = { checkpoint: verified.checkpoint, note };
    this.#held = heldBy(push.generation, verified.size, note, arrived);
    this.lastAckAtMs = Date.now();
    this.promotedAtMs = this.lastAckAtMs;
    if (this.wants !== "full" || push.base === undefined) this.wants = "nothing";
    const heads = this.#heads as ElementHeads;
    if (verified.fresh) replaceHeads(heads, verified.fresh, verified);
    else heads.commit(verified.size, verified.lastHash);
    this.#halfPromoted = false;
    this.#damage = undefined;
    this.#tidier.notice();
    return note;
  }

  async #describeHeld(): Promise<void> {
    const { generation, size } = this.#state;
    if (generation === 0) return;
    const tree = this.#parts.layout.generation(generation);
    const [timing, vector] = await Promise.all([showSubvolume(tree.timing), showSubvolume(tree.vector)]);
    this.#held = {
      generation,
      size,
      head: this.#accepted?.note ?? "",
      uuids: {
        timing: { uuid: timing.uuid, received_uuid: timing.receivedUuid },
        vector: { uuid: vector.uuid, received_uuid: vector.receivedUuid },
      },
    };
  }
}

type Settled = Arrived & { uuids: Record<Subvolume, string> };

function heldBy(generation: number, size: number, head: string, { uuids, inspected }: Settled): HeldGeneration {
  const said = (name: Subvolume) => ({ uuid: uuids[name], received_uuid: inspected.get(name)?.uuid ?? null });
  return { generation, size, head, uuids: { timing: said("timing"), vector: said("vector") } };
}

/** Well within what a primary waits for the answer to a hello. */
const HELLO_WAITS_MS = 2000;
const STOP_WAITS_MS = 10_000;

const DAMAGE_HINT = "on the replica: `isochron-replica verify`, then `isochron-replica resync --full`";

const UNSIGNED_HINT =
  "has the primary another key now? `isochron-primary key` there prints it; if it is that one, on the replica: isochron-replica trust VKEY";

function describeDamage({ verdict, message, place }: VerifyError): string {
  return `${verdict}: ${message} (${place.file})`;
}

function refusalOf(error: unknown): ReceiveError {
  if (error instanceof ReceiveError) return error;
  if (error instanceof VerifyError && error.verdict === "newer") {
    const hint = "upgrade this replica: replicas are upgraded before their primary";
    return new ReceiveError("newer-format", describeDamage(error), { cause: error, hint });
  }
  if (error instanceof VerifyError) {
    const hint = error.verdict === "unsigned" ? UNSIGNED_HINT : "nothing was changed here; run `verify` on the primary";
    const code = error.verdict === "stale" ? "regressed" : /diverged/.test(error.message) ? "diverged" : "not-verified";
    return new ReceiveError(code, describeDamage(error), { cause: error, hint });
  }
  if (error instanceof StoreError && error.code === "no-space") {
    return new ReceiveError("no-space", error.message, { cause: error, ...(error.hint ? { hint: error.hint } : {}) });
  }
  return new ReceiveError("internal-error", (error as Error).message, { cause: error });
}
