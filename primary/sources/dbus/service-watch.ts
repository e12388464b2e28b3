// One D-Bus service while one owner has its name: snapshot, then signals, in that order; coalescing of what needs calls;
// a new snapshot when signals were lost. What fails here ends this watch only, and is tried again with backoff.
import { setTimeout as sleep } from "node:timers/promises";
import type { BusConnection, BusMessage } from "../../../shared/dbus/bus-connection.js";
import { plainObject } from "../../../shared/dbus/plain-value.js";
import { keepRunning } from "../../../shared/keep-running.js";
import type { Logger } from "../../../shared/log.js";
import type { JsonObject } from "../watch/element-change.js";
import type { ElementWriter } from "../watch/element-writer.js";
import type { BusPeer, BusService } from "./bus-service.js";

export interface ServiceWatchOptions {
  connection: BusConnection;
  service: BusService;
  /** Unique name of the owner. */
  owner: string;
  writer: ElementWriter;
  log: Logger;
  coalesceMs: number;
}

/** Signals kept while a snapshot is read. More lead to another snapshot. */
const MAX_HELD = 20_000;
/** Things to do soon, at the most. */
const MAX_SOON = 8192;

export class ServiceWatch implements BusPeer {
  readonly writer: ElementWriter;
  readonly #options: ServiceWatchOptions;
  readonly #end = new AbortController();
  /** Signals that wait for the snapshot; undefined once it is written. */
  #held: BusMessage[] | undefined = [];
  /** Signals that were not kept because there were too many. */
  #notHeld = 0;
  #soon = new Map<string, { act: () => Promise<void> | void; merged: number }>();
  #soonTimer: NodeJS.Timeout | undefined;
  #wanted: string | undefined = "start";
  #problem: string | undefined;
  #wake: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ServiceWatchOptions) {
    this.#options = options;
    this.writer = options.writer;
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Why it is not watched now. */
  get problem(): string | undefined {
    return this.#problem;
  }

  start(): void {
    this.#running = keepRunning(() => this.#keepInStep(), {
      signal: this.#end.signal,
      onEnd: (error, delayMs) => this.#onFailure(error?.message ?? "the watch ended", delayMs),
    });
  }

  #onFailure(problem: string, delayMs: number): void {
    const { service, log } = this.#options;
    this.writer.blind(problem);
    this.#wanted ??= "failure";
    this.#hold();
    // Said once: it is tried again for as long as the service is there.
    const level = problem === this.#problem ? "debug" : "warn";
    log[level]("service is not watched", { service: service.busName, delay_ms: Math.round(delayMs), problem });
    this.#problem = problem;
  }

  /** The owner is gone, or we are. Whether that makes us blind, who calls it knows. */
  async stop(reason: string): Promise<void> {
    // Where there is a state, the next snapshot finds what these would have told.
    if (this.#options.service.tellsOnly && this.#held) this.#release();
    this.#end.abort(new Error(reason));
    clearTimeout(this.#soonTimer);
    this.#soon.clear();
    this.#wake?.();
    await this.#running;
  }

  /** A signal of the owner, checked to be so. */
  take(message: BusMessage): void {
    if (this.#end.signal.aborted) return;
    if (!this.#held) this.#interpret(message);
    else if (this.#held.length < MAX_HELD) this.#held.push(message);
    else this.#notHeld += 1;
  }

  async call(call: Parameters<BusPeer["call"]>[0]): Promise<unknown[]> {
    const { connection, owner } = this.#options;
    // To the owner itself: should the name change hands meanwhile, the answer would be someone else's.
    return connection.call({ ...call, destination: owner, signal: this.signal });
  }

  async properties(path: string, iface: string): Promise<JsonObject> {
    const call = {
      path,
      interface: "org.freedesktop.DBus.Properties",
      member: "GetAll",
      signature: "s",
      body: [iface],
    };
    const [dictionary] = await this.call(call);
    return plainObject(dictionary as Record<string, unknown>);
  }

  soon(key: string, act: () => Promise<void> | void): void {
    const there = this.#soon.get(key);
    if (there) {
      there.act = act;
      there.merged += 1;
    } else if (this.#soon.size >= MAX_SOON) {
      // The snapshot finds what this would have found.
      this.writer.coalesced(1);
      this.resnapshot("too much at once");
    } else {
      this.#soon.set(key, { act, merged: 0 });
      this.#soonTimer ??= setTimeout(() => void this.#runSoon(), this.#options.coalesceMs);
    }
  }

  forgetHeld(): void {
    if (!this.#held) return;
    this.writer.coalesced(this.#held.length + this.#notHeld);
    this.#held = [];
    this.#notHeld = 0;
  }

  resnapshot(reason: string): void {
    this.#wanted ??= reason;
    this.#wake?.();
  }

  /** Snapshots whenever one is wanted; throws when one fails. */
  async #keepInStep(): Promise<void> {
    while (!this.signal.aborted) {
      if (this.#wanted === undefined) await this.#waitUntilWanted();
      else await this.#snapshot(this.#wanted);
    }
  }

  async #snapshot(reason: string): Promise<void> {
    const { service, log } = this.#options;
    this.#wanted = undefined;
    this.#hold();
    const present = await service.snapshot(this);
    if (this.signal.aborted) return;
    if (present) await this.writer.resync(present, service.nameChange);
    else this.writer.sighted();
    log.debug("service snapshot", { service: service.busName, reason, elements: present?.length ?? 0 });
    this.#problem = undefined;
    this.#release();
    // Snapshots in a row, because of signals that come faster than they are read, leave time for the rest of the daemon.
    if (this.#wanted !== undefined) await sleep(1000, undefined, { signal: this.signal }).catch(() => undefined);
  }

  #hold(): void {
    this.#held ??= [];
  }

  #release(): void {
    const held = this.#held ?? [];
    const notHeld = this.#notHeld;
    this.#held = undefined;
    this.#notHeld = 0;
    for (const message of held) this.#interpret(message);
    if (notHeld === 0) return;
    if (this.#options.service.tellsOnly) this.writer.lost("more_signals_than_could_be_held", notHeld);
    else this.writer.coalesced(notHeld);
    this.resnapshot("more signals than could be kept");
  }

  #interpret(message: BusMessage): void {
    const { service, log } = this.#options;
    const lostBefore = this.writer.lostSoFar;
    try {
      service.signal(message, this);
      // The events are gone and will be told of; the state that they led to is found by comparing.
      if (this.writer.lostSoFar > lostBefore) this.resnapshot("events were lost");
    } catch (error) {
      // What it would have told is found by comparing.
      this.writer.rejected("not_understood");
      log.warn("signal was not understood", { service: service.busName, member: message.member, error });
      this.resnapshot("a signal was not understood");
    }
  }

  async #runSoon(): Promise<void> {
    const batch = [...this.#soon.values()];
    this.#soon.clear();
    for (const { act, merged } of batch) {
      if (this.signal.aborted) return;
      if (merged > 0) this.writer.coalesced(merged);
      await this.#do(act);
    }
    this.#soonTimer =
      this.#soon.size > 0 ? setTimeout(() => void this.#runSoon(), this.#options.coalesceMs) : undefined;
  }

  async #do(act: () => Promise<void> | void): Promise<void> {
    const lostBefore = this.writer.lostSoFar;
    try {
      await act();
      if (this.writer.lostSoFar > lostBefore) this.resnapshot("events were lost");
    } catch (error) {
      if (this.signal.aborted) return;
      this.#options.log.debug("service did not answer", { service: this.#options.service.busName, error });
      this.resnapshot("a question was not answered");
    }
  }

  #waitUntilWanted(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
