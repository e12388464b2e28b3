// Which links must let their bases go, because keeping them costs too much. Pure: no clock, no disk. The price is a full
// send to each of these replicas, so nothing goes before a bound is passed, and never more than it takes.
import { formatSize } from "../../../shared/config/parse-size.js";

export interface PinBounds {
  maxAgeMs: number;
  /** `undefined`: only the share counts. */
  maxBytes: number | undefined;
  /** Per cent of the volume. */
  maxSharePercent: number;
  /** Pins go, oldest first, when less than this is free: before the ledger has to stop. */
  minFreeBytes: number;
}

/** A generation that one link keeps and nothing else does; never one of a push under way. */
export interface CostlyPin {
  link: string;
  generation: number;
  /** Since when there is a newer one. */
  supersededMs: number;
}

export interface PinCosts {
  pins: readonly CostlyPin[];
  /** Bytes that would be free without each generation, as far as they are known. */
  bytesOf: ReadonlyMap<number, number>;
  volumeBytes: number;
  freeBytes: number;
  nowMs: number;
}

/** Why each of these links must let go, by link. */
export function boundPins(costs: PinCosts, bounds: PinBounds): Map<string, string> {
  const reasons = new Map<string, string>();
  const letGo = (pins: readonly CostlyPin[], reasonOf: (pin: CostlyPin) => string) => {
    for (const pin of pins) if (!reasons.has(pin.link)) reasons.set(pin.link, reasonOf(pin));
  };
  const ageOf = ({ supersededMs }: CostlyPin) => costs.nowMs - supersededMs;
  letGo(
    costs.pins.filter((pin) => ageOf(pin) > bounds.maxAgeMs),
    (pin) => `it has been out of date for ${describeAge(ageOf(pin))}, more than push.pins.max_age allows`,
  );
  const staying = () => costs.pins.filter(({ link }) => !reasons.has(link));
  const [limitBytes, limitName] = byteLimit(costs, bounds);
  for (let bytes = sumOf(staying(), costs); bytes > limitBytes; bytes = sumOf(staying(), costs)) {
    const held = `bases of replicas that are behind hold ${describeBytes(bytes)}`;
    letGo(oldest(staying()), () => `${held}, more than ${limitName} allows`);
  }
  if (costs.freeBytes < bounds.minFreeBytes) {
    const free = `${describeBytes(costs.freeBytes)} are free here, less than push.pins.min_free_bytes`;
    letGo(enoughFor(bounds.minFreeBytes - costs.freeBytes, staying(), costs), () => free);
  }
  return reasons;
}

function byteLimit({ volumeBytes }: PinCosts, { maxBytes, maxSharePercent }: PinBounds): [number, string] {
  const shareBytes = (volumeBytes * maxSharePercent) / 100;
  if (maxBytes !== undefined && maxBytes < shareBytes) return [maxBytes, "push.pins.max_bytes"];
  return [shareBytes, "push.pins.max_share"];
}

/** A generation that several links keep is there once. */
function sumOf(pins: readonly CostlyPin[], { bytesOf }: PinCosts): number {
  const generations = new Set(pins.map(({ generation }) => generation));
  return [...generations].reduce((sum, generation) => sum + (bytesOf.get(generation) ?? 0), 0);
}

/** All pins of the oldest generation. None where there is none. */
function oldest(pins: readonly CostlyPin[]): CostlyPin[] {
  const generation = Math.min(...pins.map((pin) => pin.generation));
  return pins.filter((pin) => pin.generation === generation);
}

/** Oldest first, until what they hold makes up for what is missing; at least one, whatever it holds. */
function enoughFor(missingBytes: number, pins: readonly CostlyPin[], costs: PinCosts): CostlyPin[] {
  const chosen: CostlyPin[] = [];
  for (let left = [...pins]; left.length > 0; left = left.filter((pin) => !chosen.includes(pin))) {
    chosen.push(...oldest(left));
    if (sumOf(chosen, costs) >= missingBytes) break;
    if (sumOf(left, costs) === 0) break;
  }
  return chosen;
}

function describeBytes(bytes: number): string {
  const mib = Math.round(bytes / 2 ** 20);
  return mib === 0 ? `${bytes} bytes` : formatSize(mib * 2 ** 20);
}

function describeAge(ageMs: number): string {
  const units: [string, number][] = [
    ["days", 86_400_000],
    ["hours", 3_600_000],
    ["minutes", 60_000],
  ];
  const [name, unitMs] = units.find(([, ms]) => ageMs >= 2 * ms) ?? ["seconds", 1000];
  return `${Math.floor(ageMs / unitMs)} ${name}`;
}
