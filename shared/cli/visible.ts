// What came from events or from the other side, as it may be shown to a person: a name or a reason must not move the
// cursor, colour the screen, turn text around, or begin a line that looks like one of ours. JSON output is left as it is.

/** The text on one line, with nothing in it that a terminal acts on. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (one) => `\\u{${one.codePointAt(0)?.toString(16)}}`);
}

/** As `visible`, but of several lines: those after the first stand in, so that none passes for a line of ours. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n  ");
}
