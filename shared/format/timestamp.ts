// Times as the ledger stores them: UTC, six decimals, `2026-11-20T10:05:00.123456Z`, so that text order is time order.
// Accepts the ISO 8601 forms people and programs write; refuses everything else rather than guess.
import { FormatError } from "./format-error.js";

const ISO_8601 =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:\s?(Z|z|[+-]\d{2}(?::?\d{2})?))?)?$/;
const ISO_8601_BASIC =
  /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(?:(\d{2})(?:[.,](\d{1,9}))?)?(Z|z|[+-]\d{2}(?::?\d{2})?)?$/;

/**
 * Microseconds since 1970-01-01T00:00:00Z of an ISO 8601 date or date-time (extended or basic form). A date alone is its
 * midnight; a time without an offset is taken as UTC; digits beyond the microsecond are cut off.
 *
 * @throws FormatError `bad-timestamp`
 */
export function parseTimestamp(text: string): number {
  const match = ISO_8601.exec(text) ?? ISO_8601_BASIC.exec(text);
  if (!match) throw badTimestamp(text, "is in no ISO 8601 form");
  const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", offset = "Z"] = match;
  const parts = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [y, mo, d, h, mi, s] = parts;
  const date = new Date(0);
  date.setUTCFullYear(y, mo - 1, d);
  date.setUTCHours(h, mi, s === 60 ? 59 : s);
  const sameDay = date.getUTCMonth() === mo - 1 && date.getUTCDate() === d;
  if (mo < 1 || h > 23 || mi > 59 || s > 60 || !sameDay) throw badTimestamp(text, "names a time that does not exist");
  const micros = Number(fraction.slice(0, 6).padEnd(6, "0"));
  return (date.getTime() - offsetMinutes(offset, text) * 60_000) * 1000 + micros;
}

// Events of one second share all but their fraction, and building a date's text costs more than an event's two hashes.
let lastSecond = Number.NaN;
let lastText = "";

/** The stored form of a time in microseconds since 1970. @throws FormatError `bad-timestamp` outside years 0000–9999 */
export function formatTimestamp(micros: number): string {
  const second = Math.floor(micros / 1_000_000);
  if (second !== lastSecond) {
    lastText = secondText(second, micros);
    lastSecond = second;
  }
  return `${lastText}.${String(Math.floor(micros - second * 1_000_000)).padStart(6, "0")}Z`;
}

function secondText(second: number, micros: number): string {
  const date = new Date(second * 1000);
  const year = date.getUTCFullYear();
  if (!Number.isFinite(year) || year < 0 || year > 9999) {
    throw badTimestamp(String(micros), "lies outside years 0 to 9999");
  }
  return date.toISOString().slice(0, 19);
}

/** The stored form as a pattern (the calendar is not checked). */
export const STORED_TIMESTAMP = "\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}Z";
const STORED = new RegExp(`^${STORED_TIMESTAMP}$`);

/** Whether `text` is already in the stored form (the calendar is not checked). */
export function isStoredTimestamp(text: string): boolean {
  return STORED.test(text);
}

/** The present time in the stored form. To the microsecond, and rising within a process except when the clock is set back. */
export function nowTimestamp(): string {
  return formatTimestamp(nowMicros());
}

export interface Clocks {
  /** Milliseconds since 1970: coarse, and true again after the clock was set or the machine slept. */
  wallMs(): number;
  /** Milliseconds since any moment: fine, and blind to both. */
  steadyMs(): number;
}

/** Apart by more, the wall clock was set, or the steady one stood still. Far above a wall clock's grain, far below a wrong time. */
const MOST_APART_MS = 1000;

/** Microseconds since 1970 by the steady clock, as long as the wall clock agrees. `startMs` is the time at the steady clock's zero. */
export function createNowMicros({ wallMs, steadyMs }: Clocks, startMs = wallMs() - steadyMs()): () => number {
  let baseMs = startMs;
  return () => {
    const steady = steadyMs();
    const wall = wallMs();
    if (Math.abs(baseMs + steady - wall) > MOST_APART_MS) baseMs = wall - steady;
    return Math.floor((baseMs + steady) * 1000);
  };
}

/** For people: `2026-11-20T10:05:00Z` of a time in stored form, or of an ISO 8601 one in UTC. */
export function wholeSeconds(time: string): string {
  return time.replace(/\.\d+Z$/, "Z");
}

/** Microseconds since 1970. */
export const nowMicros = createNowMicros(
  { wallMs: () => Date.now(), steadyMs: () => performance.now() },
  performance.timeOrigin,
);

function offsetMinutes(offset: string, text: string): number {
  if (offset === "Z" || offset === "z") return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(3).replace(":", "") || "0");
  if (hours > 23 || minutes > 59) throw badTimestamp(text, "has an offset that does not exist");
  return (offset.startsWith("-") ? -1 : 1) * (hours * 60 + minutes);
}

function badTimestamp(text: string, reason: string): FormatError {
  return new FormatError(
    "bad-timestamp",
    `${JSON.stringify(text.slice(0, 60))} ${reason}; write it as 2026-11-20T10:05:00.123456Z`,
  );
}
