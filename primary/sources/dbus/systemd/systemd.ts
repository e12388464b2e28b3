// systemd as a watched service: what becomes of its units, step by step. The steps are taken from the values in the signals,
// never read again: by then the unit is further. What happened unseen is found by comparing with the lists of all units.
import type { BusMessage } from "../../../../shared/dbus/bus-connection.js";
import { plainObject } from "../../../../shared/dbus/plain-value.js";
import type { ElementState } from "../../watch/element-change.js";
import type { BusPeer, BusService } from "../bus-service.js";
import { isFailure, type LastRun, lastRunOf } from "./last-run.js";
import { listUnits, MANAGER, SYSTEMD, subscribe } from "./read-units.js";
import { descriptionOf, elementId, recordedState, takeSnapshot } from "./snapshot.js";
import { createUnitFilter, unitOfPath, unitType } from "./unit-name.js";
import {
  type Activity,
  actionOf,
  activityOf,
  isAutoRestart,
  nameUnitChange,
  UNIT_TYPE,
  type UnitFacts,
  unitState,
} from "./unit-state.js";

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
  // Without the signals of jobs, and of units that are unloaded: that is no change of a unit.
  readonly rules = [
    ...["Reloading", "UnitFilesChanged", "UnitNew"].map((member) => `interface='${MANAGER}',member='${member}'`),
    "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',path_namespace='/org/freedesktop/systemd1/unit'",
  ];
  readonly nameChange = nameUnitChange;
  readonly #parts: Required<SystemdParts>;
  readonly #isRecorded: (name: string) => boolean;
  #facts = new Map<string, UnitFacts>();
  /** Where each unit stood when it was last heard of. Most signals repeat it. */
  #seen = new Map<string, Activity>();
  #lastRuns = new Map<string, LastRun>();
  /** Units that were told to be new, and of which nothing was told since. */
  readonly #unheard = new Set<string>();
  #reload: NodeJS.Timeout | undefined;

  constructor(parts: SystemdParts) {
    this.#parts = { reloadAtMostMs: 60_000, ...parts };
    this.#isRecorded = createUnitFilter(parts.units, parts.ignore);
  }

  async snapshot(peer: BusPeer): Promise<ElementState[]> {
    this.#endReload();
    await subscribe(peer);
    const { present, facts, seen } = await takeSnapshot(peer, this.#parts.units, this.#isRecorded);
    this.#facts = facts;
    this.#seen = seen;
    this.#lastRuns = new Map([...this.#lastRuns].filter(([name]) => seen.has(name)));
    return present;
  }

  signal({ path, interface: iface, member, body }: BusMessage, peer: BusPeer): void {
    if (iface === MANAGER) this.#managerSays(member, body, peer);
    else if (member === "PropertiesChanged" && !this.#reload) this.#unitSays(path, body, peer);
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
    } else if (member === "UnitNew" && !this.#reload) this.#unitIsNew(String(body[0]), peer);
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
    this.#unheard.delete(name);
    this.#unitIs(name, activityOf(name, ActiveState, SubState), peer);
  }

  /** A mount that someone else made is told to be new, and not that it is active. Others are loaded before they start. */
  #unitIsNew(name: string, peer: BusPeer): void {
    if (unitType(name) === "swap") this.#swapsChanged(peer);
    if (unitType(name) !== "mount" || !this.#isRecorded(name)) return;
    this.#unheard.add(name);
    peer.soon("new units", () => this.#askForNew(peer));
  }

  async #askForNew(peer: BusPeer): Promise<void> {
    const asked = [...this.#unheard];
    for (const unit of await listUnits(peer, asked)) {
      const { name, active, sub } = unit;
      // A signal that came behind the answer is the newer one.
      if (!this.#unheard.has(name)) continue;
      this.#facts.set(name, { ...this.#facts.get(name), description: descriptionOf(unit) });
      this.#unitIs(name, activityOf(name, active, sub), peer);
    }
    for (const name of asked) this.#unheard.delete(name);
  }

  /** The next step of a unit, unless it stands where it stood. */
  #unitIs(name: string, now: Activity, peer: BusPeer): void {
    const seen = this.#seen.get(name);
    if (seen?.active === now.active && seen.sub === now.sub) return;
    this.#seen.set(name, now);
    if (unitType(name) === "swap") this.#swapsChanged(peer);
    else this.#step(name, seen, now, peer);
  }

  #step(name: string, seen: Activity | undefined, now: Activity, peer: BusPeer): void {
    const action = actionOf(recordedState(peer, name) ?? {}, seen, now);
    if (action === undefined) return;
    // A service that is tried again passes `inactive` on its way from `failed` to `active`.
    if (action === "cleared") this.#clearLater(name, now, peer);
    else this.#write(name, now, action, peer);
  }

  /** Each swap has several names; which one counts stands in the list only. */
  #swapsChanged(peer: BusPeer): void {
    peer.soon("swaps", () => peer.resnapshot("swap space changed"));
  }

  /** Twice, because `soon` may be at once for who comes last. */
  #clearLater(name: string, then: Activity, peer: BusPeer): void {
    const clearIfStill = () => {
      if (this.#seen.get(name) === then) this.#write(name, then, "cleared", peer);
    };
    peer.soon(`cleared ${name}`, () => peer.soon(`cleared ${name}`, clearIfStill));
  }

  #write(name: string, now: Activity, action: string, peer: BusPeer): void {
    const run = this.#lastRuns.get(name);
    const state = unitState(name, now, this.#factsOf(name, peer), run?.result);
    const told = toldBy(action, now, run);
    peer.writer.write({ elementId: elementId(name), elementType: UNIT_TYPE, state, ...told });
    // Nothing stays in memory of a unit that is gone.
    if (Object.keys(state).length > 0) return;
    this.#seen.delete(name);
    this.#lastRuns.delete(name);
    this.#facts.delete(name);
  }

  #factsOf(name: string, peer: BusPeer): UnitFacts {
    const facts = this.#facts.get(name) ?? {};
    const recorded = recordedState(peer, name)?.description;
    return { ...facts, description: facts.description ?? (typeof recorded === "string" ? recorded : undefined) };
  }
}

/** The action, made exact by how the last run ended. */
function toldBy(action: string, now: Activity, run: LastRun | undefined) {
  if (action === "reloaded" && isFailure(run?.reloadResult)) return { action: "reload_failed" };
  const failed = action === "failed" || (isAutoRestart(now) && isFailure(run?.result));
  return failed ? { action: "failed", reason: run?.reason } : { action };
}
