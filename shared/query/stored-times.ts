// Times of stored entries in microseconds, for the catalog's fill: events of one day share the reading of their date, which
// costs more than all the rest of the line. What is not exactly in the stored form is left to `parseTimestamp`.
import { parseTimestamp } from "../format/timestamp.js";

const DATE_LENGTH = "2026-11-20T".length;
const LENGTH = "2026-11-20T10:05:00.123456Z".length;
const ZERO = "0".charCodeAt(0);

export class StoredTimes {
  #date = "";
  #dateMicros = Number.NaN;

  /** As `parseTimestamp` says. @throws FormatError `bad-timestamp` */
  micros(text: string): number {
    const ofDay = microsOfDay(text);
    if (ofDay === undefined) return parseTimestamp(text);
    const date = text.slice(0, DATE_LENGTH);
    if (date !== this.#date) {
      this.#dateMicros = parseTimestamp(text) - ofDay;
      this.#date = date;
    }
    return this.#dateMicros + ofDay;
  }
}

/** Undefined for another form, and for a time that does not exist or is a leap second. */
function microsOfDay(text: string): number | undefined {
  if (text.length !== LENGTH || text[10] !== "T" || text[13] !== ":" || text[16] !== ":" || text[19] !== ".") {
    return undefined;
  }
  const [hour, minute, second] = [digits(text, 11, 2), digits(text, 14, 2), digits(text, 17, 2)];
  const fraction = digits(text, 20, 6);
  // Digits that are none make NaN, which is neither less nor more.
  if (!(hour <= 23 && minute <= 59 && second <= 59 && fraction >= 0) || text[26] !== "Z") return undefined;
  return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction;
}

function digits(text: string, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at += 1) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}
