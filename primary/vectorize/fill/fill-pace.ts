// How fast a fill goes, from what it did lately. Pure: times are given. What it says is for people: nothing is decided by it.

/** What is older says little about now: texts repeat, and other work comes and goes. */
const WINDOW_MS = 60_000;
const MOST_NOTES = 256;

export class FillPace {
  readonly #notes: { atMs: number; tookMs: number; events: number }[] = [];

  /** So many events were embedded and written, in so long. */
  note(events: number, tookMs: number, atMs: number): void {
    this.#notes.push({ atMs, tookMs, events });
    const old = this.#notes.findIndex((note) => note.atMs > atMs - WINDOW_MS);
    this.#notes.splice(0, Math.max(0, old, this.#notes.length - MOST_NOTES));
  }

  /** Events a second, with `lanes` of them side by side; `undefined` where nothing was done lately. */
  eventsPerSecond(lanes: number, nowMs: number): number | undefined {
    const notes = this.#notes.filter(({ atMs }) => atMs > nowMs - WINDOW_MS);
    const events = notes.reduce((sum, note) => sum + note.events, 0);
    const tookMs = notes.reduce((sum, note) => sum + note.tookMs, 0);
    return events === 0 ? undefined : (events / Math.max(1, tookMs)) * 1000 * lanes;
  }
}

/** Whole seconds until `events` are done; null where the pace is not known. */
export function secondsFor(events: number, eventsPerSecond: number | undefined): number | null {
  if (events === 0) return 0;
  return eventsPerSecond === undefined ? null : Math.ceil(events / eventsPerSecond);
}
