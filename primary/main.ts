#!/usr/bin/env node
// The bin `isochron-primary`: its commands, one a line.
import { runCommands } from "../shared/cli/run-commands.js";
import { config } from "./commands/config.js";
import { init } from "./commands/init.js";
import { key } from "./commands/key.js";

await runCommands(
  {
    bin: "isochron-primary",
    summary: "Records what changed on this host in a tamper-evident ledger, and pushes it to replicas.",
    example: ["init --loop 4G --origin host1.example.org/isochron", "Make a store on a volume of its own"],
    commands: [init, key, config],
  },
  process.argv.slice(2),
);
