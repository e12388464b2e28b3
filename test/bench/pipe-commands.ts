// The yardsticks' pipelines, joined by a pipe of the shell's as one would by hand: no byte passes through Node.
import { execa } from "execa";

/** `from | to`; what `to` printed. @throws ExecaError if either fails */
export async function pipeCommands(from: readonly string[], to: readonly string[]): Promise<string> {
  const { stdout } = await execa("bash", ["-c", `set -o pipefail; ${quote(from)} | ${quote(to)}`]);
  return stdout;
}

function quote(command: readonly string[]): string {
  return command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
}
