#!/usr/bin/env node
// The bin `isochron-replica`. `receive` is started by every login of a primary, so nothing else is loaded for it.
// For the others, a Node that cannot run them is told so before they are loaded.
import { fitsHere } from "../shared/require-platform.js";

const [command, ...args] = process.argv.slice(2);

if (command === "receive" && !args.includes("--help") && !args.includes("-h")) {
  const { agentSocketOf, pipeToAgent } = await import("./commands/receive.js");
  pipeToAgent(agentSocketOf(args, process.env));
} else if (fitsHere()) {
  const { runReplicaCommands } = await import("./commands/run-replica-commands.js");
  await runReplicaCommands(process.argv.slice(2));
}
