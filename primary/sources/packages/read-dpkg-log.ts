// Lines of dpkg.log as events. Only what changed a package counts: `status`, `startup`, `trigproc` and `conffile` lines
// are dpkg's own steps. Times in the log are the host's local time, without a zone.
import { sha256Hex } from "../../../shared/format/hash.js";
import { formatTimestamp } from "../../../shared/format/timestamp.js";
import { compareDebianVersions } from "./compare-debian-versions.js";

export type PackageAction =
  | "installed"
  | "upgraded"
  | "downgraded"
  | "reinstalled"
  | "removed"
  | "purged"
  | "configured";

/** An event in the form in which any client would send it, so that admission treats it like every other. */
export interface PackageEvent {
  element_id: string;
  element_type: "Package";
  action: PackageAction;
  timestamp: string;
  actor: "dpkg";
  state_snapshot: { package: string; architecture: string; version: string | null; previous_version?: string };
  idempotency_key: string;
}

const LINE =
  /^(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}) (install|upgrade|remove|purge|configure) ([^\s:]+)(?::(\S+))? (\S+) (\S+)$/;

/**
 * Reads the lines of one history in order, oldest first. It keeps two facts between lines: how often a text has been seen
 * within its second (the key of the event: same line, same key, whatever file it stands in now), and the last time (to
 * tell the two passes of the hour that summer time gives back).
 */
export class DpkgLogReader {
  #second = "";
  #seen = new Map<string, number>();
  #lastMillis = Number.NEGATIVE_INFINITY;

  /** The event of `line`, or `undefined` for a line that changed no package. */
  read(line: string): PackageEvent | undefined {
    const match = LINE.exec(line);
    if (!match) return undefined;
    const [, time = "", verb = "", name = "", architecture = "all", left = "", right = ""] = match;
    const millis = localMillis(time, this.#lastMillis);
    if (millis === undefined) return undefined;
    this.#lastMillis = millis;
    return {
      element_id: `package:${name}:${architecture}`,
      element_type: "Package",
      ...change(verb, name, architecture, left, right),
      timestamp: formatTimestamp(millis * 1000),
      actor: "dpkg",
      idempotency_key: `dpkg:${sha256Hex(line).slice(0, 32)}:${this.#occurrence(time, line)}`,
    };
  }

  #occurrence(second: string, line: string): number {
    if (second !== this.#second) {
      this.#second = second;
      this.#seen.clear();
    }
    const occurrence = (this.#seen.get(line) ?? 0) + 1;
    this.#seen.set(line, occurrence);
    return occurrence;
  }
}

/** dpkg writes `<verb> <package> <version before> <version after>`, except that install and upgrade name the new one last. */
function change(
  verb: string,
  name: string,
  architecture: string,
  left: string,
  right: string,
): Pick<PackageEvent, "action" | "state_snapshot"> {
  const base = { package: name, architecture };
  const before = left === "<none>" ? {} : { previous_version: left };
  switch (verb) {
    case "install":
      return { action: "installed", state_snapshot: { ...base, version: right, ...before } };
    case "upgrade": {
      const order = compareDebianVersions(right, left);
      const action = order > 0 ? "upgraded" : order < 0 ? "downgraded" : "reinstalled";
      return { action, state_snapshot: { ...base, version: right, ...before } };
    }
    case "configure":
      return { action: "configured", state_snapshot: { ...base, version: left } };
    default:
      return {
        action: verb === "remove" ? "removed" : "purged",
        state_snapshot: { ...base, version: null, ...before },
      };
  }
}

const HOUR_MILLIS = 3_600_000;

/**
 * UTC of a local time in the process's zone. When clocks go back an hour comes twice: it is taken as the first pass,
 * unless the line before was later than that. A time that the zone skips counts from the offset before the skip.
 */
function localMillis(time: string, lastMillis: number): number | undefined {
  const parts = time.split(/[- :]/).map(Number) as [number, number, number, number, number, number];
  const [year, month, day, hour, minute, second] = parts;
  const first = new Date(year, month - 1, day, hour, minute, second).getTime();
  if (
    Number.isNaN(first) ||
    month < 1 ||
    month > 12 ||
    day < 1 ||
    day > 31 ||
    hour > 23 ||
    minute > 59 ||
    second > 60
  ) {
    return undefined;
  }
  const again = first + HOUR_MILLIS;
  const twice = new Date(again).getHours() === hour && new Date(again).getMinutes() === minute;
  return twice && first < lastMillis && again >= lastMillis ? again : first;
}
