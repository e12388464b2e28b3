#!/usr/bin/env node
// The bin `isochron-replica`: its commands, one a line.
import { runCommands } from "../shared/cli/run-commands.js";
import { config } from "./commands/config.js";
import { init } from "./commands/init.js";
import { key } from "./commands/key.js";
import { trust } from "./commands/trust.js";

await runCommands(
  {
    bin: "isochron-replica",
    summary: "Receives the generations of primaries, verifies them, and answers questions about them.",
    example: ["init --loop 4G --trust VKEY", "Make a replica on a volume of its own"],
    commands: [init, key, trust, config],
  },
  process.argv.slice(2),
);
