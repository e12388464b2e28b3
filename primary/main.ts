#!/usr/bin/env node
// The bin `isochron-primary`. A Node that cannot run it is told so before anything else is loaded.
import { fitsHere } from "../shared/require-platform.js";

if (fitsHere()) {
  const { runPrimaryCommands } = await import("./commands/run-primary-commands.js");
  await runPrimaryCommands(process.argv.slice(2));
}
