// Which event sources watch elements: their events carry an element's whole state, and what belongs to the event alone
// under the member `change`.

const WATCHING = /^(?:dbus:.+|ovsdb|files|replicas|isochron|keys)$/;

/** Whether entries of this `source` hold states that are compared with the present when the source starts. */
export function isWatchingSource(source: string): boolean {
  return WATCHING.test(source);
}
