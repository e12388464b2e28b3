// `verify`, the same on both sides: reads a generation from disk, needs no daemon, changes nothing. The verifier is loaded
// when it is to run: the other commands start faster.
import { resolve } from "node:path";
import { ConfigError } from "../config/config-error.js";
import { defineCommand } from "./run-commands.js";
import type { VerifyArguments, VerifySide } from "./verify-store.js";

export function verifyCommand(side: VerifySide) {
  return defineCommand<VerifyArguments>({
    command: "verify",
    describe: "Check every byte of a generation, by default the current one, against its signed checkpoint",
    builder: (yargs) =>
      yargs
        .option("store", { type: "string", describe: "UUID of the store, where there are several" })
        .option("dir", {
          type: "string",
          describe: "A folder with `timing` and `vector`, such as a copy",
          coerce: absolute,
        })
        .option("generation", {
          type: "number",
          describe: "An earlier generation that is kept, by its number (`status --json` lists them)",
          conflicts: "dir",
          coerce: generationNumber,
        })
        .option("key", { type: "string", array: true, default: [] as string[], describe: "Trust this vkey too" })
        .option("element", { type: "string", describe: "Verify the chain and payloads of this element only" })
        .option("max-age", { type: "string", describe: "Count a last seal older than this as stale, such as 2h" })
        .option("json", { type: "boolean", default: false, describe: "Print the finding as JSON" })
        .example([
          ["$0 verify", "The whole store; exit code 0 intact, 3 tampered, 4 incomplete, 5 unsigned, 6 stale"],
          ["$0 verify --element interface:eth0", "One element's chain"],
          ["$0 verify --generation 41", "One that `keep` keeps, and that the current one goes on from it"],
          ["$0 verify --dir /mnt/backup/generation --key 'host1+5c310304+AdnT…'", "A copy, with nothing else at hand"],
        ]),
    handler: async (args) => {
      const { verifyStore } = await import("./verify-store.js");
      await verifyStore(side, args);
    },
  });
}

function generationNumber(value: number | undefined): number | undefined {
  if (value === undefined || (Number.isSafeInteger(value) && value > 0)) return value;
  throw new ConfigError("bad-option", `--generation ${value} is not a number from 1`, {
    hint: "`status --json` lists the generations that are kept",
  });
}

function absolute(dir: string | undefined): string | undefined {
  return dir === undefined ? undefined : resolve(dir);
}
