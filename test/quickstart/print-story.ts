// What the quickstart prints: headings, plain lines, commands as they would be typed, and what they said. Colour only on a
// terminal, and nothing wider than it need be: the output is also read in logs.

const COLOURED = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
const BOLD = "\u001b[1m";
const DIM = "\u001b[2m";
const PLAIN = "\u001b[0m";
const INDENT = "    ";
/** Columns that the output keeps to, tables of commands included. Some terminals say that they have 0. */
export const WIDTH = Math.max(40, Math.min(100, process.stdout.columns || 100));

export function showHeading(text: string): void {
  print(`\n${paint(BOLD, `── ${text} ${"─".repeat(Math.max(2, WIDTH - text.length - 4))}`)}`);
}

export function say(text: string): void {
  print(text);
}

/** A command line as a user would type it. */
export function showCommand(words: readonly string[]): void {
  print(paint(BOLD, `$ ${words.map(quote).join(" ")}`));
}

/** What a command said, long lines wrapped, between words where there are any. */
export function showOutput(text: string): void {
  for (const line of text.split("\n").filter((one) => one !== "")) {
    let rest = line;
    for (let indent = ""; rest !== ""; indent = INDENT) {
      const room = WIDTH - indent.length;
      const space = rest.length > room ? rest.lastIndexOf(" ", room) : rest.length;
      const end = space > room / 2 ? space : room;
      print(paint(DIM, indent + rest.slice(0, end).trimEnd()));
      rest = rest.slice(end).trimStart();
    }
  }
}

function quote(word: string): string {
  return /^[\w./:@%+=,|&<>-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function paint(colour: string, text: string): string {
  return COLOURED ? `${colour}${text}${PLAIN}` : text;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
