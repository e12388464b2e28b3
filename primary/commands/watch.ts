// `isochron-primary watch`: shows events as they become durable, until Ctrl-C or until the primary stops.
import { once } from "node:events";
import { pathWith } from "../../shared/cli/ask-socket.js";
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { visible } from "../../shared/cli/visible.js";
import { loadPrimaryConfig, primarySockets } from "../config.js";
import { type StreamedEvent, type StreamedLine, streamLines } from "./stream-lines.js";

interface WatchArguments extends GlobalArguments {
  json: boolean;
  "from-start-of-history": boolean;
  type: string | undefined;
  element: string | undefined;
}

export const watch = defineCommand<WatchArguments>({
  command: "watch",
  describe: "Show events as they become durable",
  builder: (yargs) =>
    yargs
      .option("from-start-of-history", {
        type: "boolean",
        default: false,
        describe: "First the newest events that the primary still has in memory",
      })
      .option("type", { type: "string", describe: "Only elements of this type; * stands for any text" })
      .option("element", { type: "string", describe: "Only this element; * stands for any text" })
      .option("json", { type: "boolean", default: false, describe: "JSON lines, with the state" })
      .example([
        ["$0 watch --element 'interface:*'", "What happens to interfaces, as it happens"],
        ["$0 watch --json | jq 'select(.priority == \"high\")'", "For programs; lost events are lines too"],
      ])
      .epilogue("Ends with 0 at Ctrl-C and when the primary stops."),
  handler: async ({ json, type, element, "from-start-of-history": fromStart, ...args }) => {
    const { config } = await loadPrimaryConfig(args);
    const ending = endedByOperator();
    await streamLines<StreamedLine>({
      socketPath: primarySockets(config).control,
      path: pathWith("/v1/events", { follow: true, after: fromStart ? undefined : "now", type, element }),
      signal: ending.signal,
      startedBy: `isochron-primary serve --root ${config.root}`,
      onLine: (line, text) => show(line, text, json, ending.signal),
    });
    if (!ending.signal.aborted) process.stderr.write("the primary has ended the stream\n");
    ending.abort();
  },
});

/** Fires at Ctrl-C, SIGTERM, and when whoever reads our output is gone. */
function endedByOperator(): AbortController {
  const ending = new AbortController();
  const end = () => ending.abort();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  process.stdout.once("error", end);
  return ending;
}

async function show(line: StreamedLine, text: string, json: boolean, signal: AbortSignal): Promise<void> {
  if (json) return print(`${text}\n`, signal);
  if (!("lost" in line)) return print(formatEvent(line), signal);
  const { first_seq: first, last_seq: last, events } = line.lost;
  process.stderr.write(`${events} events not shown (${first} to ${last}): more came than could be shown\n`);
}

/** Waits while a pipe is full: the primary then waits, and drops in the end. */
async function print(text: string, signal: AbortSignal): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, "drain", { signal });
}

function formatEvent({ seq, timestamp, priority, action, element_id, element_type, actor }: StreamedEvent): string {
  const what = `${visible(action)}  ${visible(element_id)}  ${visible(element_type)}`;
  return `${String(seq).padStart(9)}  ${timestamp}  ${priority.padEnd(8)}  ${what}  by ${visible(actor)}\n`;
}
