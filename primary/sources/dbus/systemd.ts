// systemd as a watched service: what becomes of its units, step by step. The steps are taken from the values in the signals,
// never read again: by then the unit is further. What happened unseen is found by comparing with the lists of all units.
import type { BusMessage } from "../../../shared/dbus/bus-connection.js";
import { plainObject } from "../../../shared/dbus/plain-value.js";
import type { ElementState, JsonObject } from "../element-change.js";
import type { BusPeer, BusService } from "./bus-service.js";
import { isFailure, type LastRun, lastRunOf } from "./systemd-last-run.js";
import {
  type LoadedUnit,
  listUnitFiles,
  listUnits,
  MANAGER,
  readResult,
  SYSTEMD,
  subscribe,
} from "./systemd-read-units.js";
import { createUnitFilter, unitOfPath, unitType } from "./systemd-unit-name.js";
import {
  type Activity,
  actionOf,
  activityOf,
  isAutoRestart,
  nameUnitChange,
  settle,
  UNIT_TYPE,
  type UnitFacts,
  unitState,
} from "./systemd-unit-state.js";

export interface SystemdParts {
  /** Globs of units that are recorded. */
  units: readonly string[];
  /** Globs of units that are not. */
  ignore: readonly string[];
  /** A reload whose end is not told counts as ended after that. Default 60 s. */
  reloadAtMostMs?: number;
}

export function createSystemd(parts: SystemdParts): BusService {
  return new Systemd(parts);
}

class Systemd implements BusService {
  readonly source = "dbus:systemd1";
  readonly busName = SYSTEMD;
  // Without the signals of jobs, and of units that are loaded and unloaded: each look at a unit loads it.
  readonly rules = [
    `interface='${MANAGER}',member='Reloading'`,
    `interface='${MANAGER}',member='UnitFilesChanged'`,
    "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',path_namespace='/org/freedesktop/systemd1/unit'",
  ];
  readonly nameChange = nameUnitChange;
  readonly #parts: Required<SystemdParts>;
  readonly #isRecorded: (name: string) => boolean;
  /** Of all units in the last snapshot. */
  #facts = new Map<string, UnitFacts>();
  /** Where each loaded unit stood when it was last heard of. Most signals repeat it. */
  #seen = new Map<string, Activity>();
  #lastRuns = new Map<string, LastRun>();
  #reload: NodeJS.Timeout | undefined;

  constructor(parts: SystemdParts) {
    this.#parts = { reloadAtMostMs: 60_000, ...parts };
    this.#isRecorded = createUnitFilter(parts.units, parts.ignore);
  }

  async snapshot(peer: BusPeer): Promise<ElementState[]> {
    this.#endReload();
    await subscribe(peer);
    const units = await listUnits(peer, this.#parts.units);
    const files = await listUnitFiles(peer, this.#parts.units);
    const loaded = new Map(units.filter(({ followed }) => followed === "").map((unit) => [unit.name, unit]));
    this.#facts = new Map();
    this.#seen = new Map();
    const present: ElementState[] = [];
    for (const name of new Set([...loaded.keys(), ...files.keys()])) {
      if (!this.#isRecorded(name)) continue;
      const state = await this.#found(peer, name, loaded.get(name), files.get(name));
      if (Object.keys(state).length > 0) present.push({ elementId: elementId(name), elementType: UNIT_TYPE, state });
    }
    this.#lastRuns = new Map([...this.#lastRuns].filter(([name]) => this.#seen.has(name)));
    return present;
  }

  signal({ path, interface: iface, member, body }: BusMessage, peer: BusPeer): void {
    if (iface === MANAGER) this.#managerSays(member, body, peer);
    else if (member === "PropertiesChanged" && !this.#reload) this.#unitSays(path, body, peer);
  }

  /** What is to be recorded of a unit that the lists name. */
  async #found(peer: BusPeer, name: string, unit: LoadedUnit | undefined, fileState?: string): Promise<JsonObject> {
    const last = peer.writer.last(elementId(name));
    const recorded = last && Object.keys(last).length > 0 ? last : undefined;
    // A unit that is not loaded is as it was, and has no description to show.
    const description = describe(unit) ?? asText(recorded?.description);
    const facts = { fileState, description, loadProblem: loadProblem(unit, recorded) };
    this.#facts.set(name, facts);
    const now = activityOf(name, unit?.active ?? "inactive", unit?.sub ?? "dead");
    if (unit) this.#seen.set(name, now);
    const settled = settle(now, recorded);
    const result = settled.active === "failed" ? await this.#resultOf(peer, unit, recorded) : undefined;
    // Being loaded for the first time is no change of the unit: its description comes with its next event.
    const shown = recorded && recorded.description === undefined ? { ...facts, description: undefined } : facts;
    return unitState(name, settled, shown, result);
  }

  async #resultOf(peer: BusPeer, unit: LoadedUnit | undefined, recorded?: JsonObject): Promise<string | undefined> {
    if (recorded?.active_state === "failed") return asText(recorded.result);
    return unit ? readResult(peer, unit) : undefined;
  }

  #managerSays(member: string, body: unknown[], peer: BusPeer): void {
    if (member === "Reloading" && body[0] === true) this.#startReload(peer);
    else if (member === "Reloading") {
      this.#endReload();
      peer.resnapshot("systemd was reloaded");
    } else if (member === "UnitFilesChanged") {
      // Usually a reload follows, and looks as well.
      peer.soon("unit files", () => {
        if (!this.#reload) peer.resnapshot("unit files changed");
      });
    }
  }

  /** From here on systemd tells of every unit it unloads and loads, and nothing happens to them. */
  #startReload(peer: BusPeer): void {
    this.#endReload();
    this.#reload = setTimeout(() => {
      this.#endReload();
      if (!peer.signal.aborted) peer.resnapshot("the end of systemd's reload was not told");
    }, this.#parts.reloadAtMostMs);
    this.#reload.unref();
  }

  #endReload(): void {
    clearTimeout(this.#reload);
    this.#reload = undefined;
  }

  #unitSays(path: string, body: unknown[], peer: BusPeer): void {
    const name = unitOfPath(path);
    if (name === undefined || !this.#isRecorded(name)) return;
    const [iface, changed] = body as [string, Record<string, unknown>];
    if (iface !== `${SYSTEMD}.Unit`) {
      if ("Result" in changed) this.#lastRuns.set(name, lastRunOf(plainObject(changed)));
      return;
    }
    const { ActiveState, SubState } = plainObject(changed);
    if (typeof ActiveState !== "string" || typeof SubState !== "string") return;
    const now = activityOf(name, ActiveState, SubState);
    const seen = this.#seen.get(name);
    if (seen?.active === now.active && seen.sub === now.sub) return;
    this.#seen.set(name, now);
    // Each swap has several names; which one counts stands in the list only.
    if (unitType(name) === "swap") peer.soon("swaps", () => peer.resnapshot("swap space changed"));
    else this.#step(name, seen, now, peer);
  }

  #step(name: string, seen: Activity | undefined, now: Activity, peer: BusPeer): void {
    const action = actionOf(peer.writer.last(elementId(name)) ?? {}, seen, now);
    if (action === undefined) return;
    // A service that is tried again passes `inactive` on its way from `failed` to `active`.
    if (action === "cleared") peer.soon(`cleared ${name}`, () => this.#clearIfStill(name, now, peer));
    else this.#write(name, now, action, peer);
  }

  #clearIfStill(name: string, then: Activity, peer: BusPeer): void {
    if (this.#seen.get(name) === then) this.#write(name, then, "cleared", peer);
  }

  #write(name: string, now: Activity, action: string, peer: BusPeer): void {
    const id = elementId(name);
    const run = this.#lastRuns.get(name);
    const facts = this.#facts.get(name) ?? {};
    const description = facts.description ?? asText(peer.writer.last(id)?.description);
    const state = unitState(name, now, { ...facts, description }, run?.result);
    peer.writer.write({ elementId: id, elementType: UNIT_TYPE, state, ...toldBy(action, now, run) });
    // Nothing stays in memory of a unit that is gone.
    if (Object.keys(state).length > 0) return;
    this.#seen.delete(name);
    this.#lastRuns.delete(name);
  }
}

/** The action, made exact by how the last run ended. */
function toldBy(
  action: string,
  now: Activity,
  run: LastRun | undefined,
): { action: string; reason?: string | undefined } {
  if (action === "reloaded" && isFailure(run?.reloadResult)) return { action: "reload_failed" };
  const failed = action === "failed" || (isAutoRestart(now) && isFailure(run?.result));
  return failed ? { action: "failed", reason: run?.reason } : { action };
}

function elementId(name: string): string {
  return `unit:${name}`;
}

/** A unit without a description has its own name as one. */
function describe(unit: LoadedUnit | undefined): string | undefined {
  if (unit?.load !== "loaded" || unit.description === unit.name) return undefined;
  return unit.description;
}

function loadProblem(unit: LoadedUnit | undefined, recorded: JsonObject | undefined): string | undefined {
  if (!unit) return asText(recorded?.load_state);
  // That it is masked its file's state tells.
  return unit.load === "loaded" || unit.load === "masked" ? undefined : unit.load;
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
