// The terminal's second screen, drawn over in place. Whatever ends the command, the first screen, the cursor and line
// wrapping are given back: a terminal that is left otherwise is broken for the next command.
import type { WriteStream } from "node:tty";

const ESC = "\x1b[";
/** Second screen, no cursor, long lines cut off (xterm's ctlseqs; every terminal of today has them). */
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l`;
const LEAVE = `${ESC}?7h${ESC}?25h${ESC}?1049l`;
const HOME = `${ESC}H`;
const CLEAR_LINE = `${ESC}K`;
const CLEAR_BELOW = `${ESC}J`;

export class TerminalScreen {
  readonly #output: WriteStream;
  #lines: readonly string[] = [];
  #isEntered = false;

  constructor(output: WriteStream) {
    this.#output = output;
  }

  enter(): void {
    this.#isEntered = true;
    this.#output.write(ENTER);
    process.once("exit", this.#leave);
    process.on("SIGTSTP", this.#onSuspend);
    process.on("SIGCONT", this.#onContinue);
  }

  leave(): void {
    process.off("exit", this.#leave);
    process.off("SIGTSTP", this.#onSuspend);
    process.off("SIGCONT", this.#onContinue);
    this.#leave();
  }

  draw(lines: readonly string[]): void {
    this.#lines = lines;
    const fitted = fitLines(lines, this.#output.rows);
    this.#output.write(`${HOME}${fitted.map((line) => `${line}${CLEAR_LINE}`).join("\r\n")}${CLEAR_BELOW}`);
  }

  readonly #leave = () => {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    this.#output.write(LEAVE);
  };

  /** Ctrl-Z: the shell's screen first, then the stop that this handler stands in for. */
  readonly #onSuspend = () => {
    this.#leave();
    process.kill(process.pid, "SIGSTOP");
  };

  readonly #onContinue = () => {
    this.#isEntered = true;
    this.#output.write(ENTER);
    this.draw(this.#lines);
  };
}

/** As many lines as there are rows; the last one then says how many are missing. A terminal may not know its rows. */
export function fitLines(lines: readonly string[], rows: number | undefined): readonly string[] {
  if (!rows || lines.length <= rows) return lines;
  const shown = rows - 1;
  return [...lines.slice(0, shown), `… ${lines.length - shown} more lines: they need a taller terminal`];
}
