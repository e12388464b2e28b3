// Tables for people: columns as wide as what is in them, and no wider than the terminal. Plain text, so that it can be
// piped; control characters of what is shown are made visible, so that no event can write to a terminal.
import { visible } from "./visible.js";

export interface Column<Row> {
  title: string;
  value(row: Row): string;
  /** Narrowed first when the terminal is too narrow. */
  shrink?: boolean;
  right?: boolean;
}

const GAP = "  ";
const LEAST_WIDTH = 6;

/** Lines without a newline at the end. `width` is in characters; undefined means no bound (output is not a terminal). */
export function formatTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width?: number): string {
  const cells = rows.map((row) => columns.map((column) => visible(column.value(row))));
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...cells.map((line) => (line[i] as string).length)),
  );
  if (width !== undefined) narrow(widths, columns, width);
  const lines = [columns.map(({ title }) => title), ...cells];
  return lines.map((line) => formatLine(line, columns, widths)).join("\n");
}

function narrow<Row>(widths: number[], columns: readonly Column<Row>[], width: number): void {
  const shrinkable = columns.flatMap(({ shrink }, i) => (shrink ? [i] : []));
  const total = () => widths.reduce((sum, one) => sum + one, GAP.length * (widths.length - 1));
  while (total() > width && shrinkable.length > 0) {
    const widest = shrinkable.reduce((a, b) => ((widths[b] as number) > (widths[a] as number) ? b : a));
    if ((widths[widest] as number) <= LEAST_WIDTH) return;
    widths[widest] = (widths[widest] as number) - 1;
  }
}

function formatLine<Row>(line: readonly string[], columns: readonly Column<Row>[], widths: readonly number[]): string {
  const cut = line.map((cell, i) => {
    const width = widths[i] as number;
    const fitted = cell.length > width ? `${cell.slice(0, width - 1)}…` : cell;
    return columns[i]?.right ? fitted.padStart(width) : fitted.padEnd(width);
  });
  return cut.join(GAP).trimEnd();
}

/** Columns of the terminal that standard output is; in a pipe what COLUMNS says, or undefined. */
export function terminalWidth(): number | undefined {
  if (process.stdout.isTTY) return process.stdout.columns || undefined;
  return Number(process.env.COLUMNS) || undefined;
}
