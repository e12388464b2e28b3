// The program `zstd`, which compresses pushes here and inflates them there: Node 20 has no zstd of its own.
import { execa } from "execa";

/** Whether it can be started. */
export async function zstdIsThere(): Promise<boolean> {
  return (await execa("zstd", ["--version"], { reject: false, timeout: 10_000 })).exitCode === 0;
}
