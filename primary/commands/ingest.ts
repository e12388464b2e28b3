// `ingest FILE`: sends a file of JSON lines to a running primary and says what became of each: kept, kept before, or
// refused and why. A bad line never costs the good ones around it. `--follow` is in ingest-follow.ts.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Argv, CommandModule } from "yargs";
import { visible } from "../../shared/cli/visible.js";
import { eventsOf } from "../sources/lines/format-ack.js";
import { type SendResult, sendLines } from "../sources/lines/ingest-client.js";
import { ingestFollow } from "./ingest-follow.js";
import { ProgressBar } from "./ingest-progress.js";
import { type Counts, countEvent, exitCodeOf, formatRefused, formatTotal } from "./ingest-report.js";

interface IngestArguments {
  file: string;
  socket?: string | undefined;
  actor?: string | undefined;
  json: boolean;
  follow: boolean;
  "from-end": boolean;
}

/** `socketOf` names the ingest socket of the store that the arguments mean, when `--socket` is not given. */
export function ingestCommand(
  socketOf: (argv: Record<string, unknown>) => string | Promise<string>,
): CommandModule<object, IngestArguments> {
  return {
    command: "ingest <file>",
    describe: "Send a file of JSON lines (or - for standard input) to the running primary",
    builder: buildOptions,
    handler: async (argv) => {
      try {
        const socketPath = argv.socket ?? (await socketOf(argv));
        process.exitCode = await (argv.follow ? follow(argv, socketPath) : ingest(argv, socketPath));
      } catch (error) {
        const hint = (error as { hint?: string }).hint;
        process.stderr.write(`ingest: ${visible(`${(error as Error).message}${hint ? ` (${hint})` : ""}`)}\n`);
        process.exitCode = 1;
      }
    },
  };
}

function buildOptions(yargs: Argv<object>): Argv<IngestArguments> {
  return yargs
    .positional("file", {
      type: "string",
      demandOption: true,
      describe: "File of JSON lines, one event a line; - reads standard input",
    })
    .option("socket", { type: "string", describe: "Path of the primary's ingest socket" })
    .option("actor", { type: "string", describe: "Actor of events that name none" })
    .option("json", { type: "boolean", default: false, describe: "Write each ack as a JSON line to standard output" })
    .option("follow", {
      type: "boolean",
      default: false,
      describe: "Go on with what is appended, through rotation, until Ctrl-C; wait for the primary while it is away",
    })
    .option("from-end", { type: "boolean", default: false, describe: "With --follow: pass over what is there now" })
    .check(({ file, follow, "from-end": fromEnd }) => {
      if (fromEnd && !follow) throw new Error("--from-end goes with --follow");
      if (follow && isStdin(file)) throw new Error("--follow needs a file; standard input is followed anyway");
      return true;
    })
    .example("$0 ingest changes.jsonl", "Send a file, with a progress bar")
    .example("journal-to-events | $0 ingest - --json", "Send a stream, read the acks as JSON lines")
    .example("$0 ingest /var/log/app/changes.jsonl --follow", "Send what is there and all that comes")
    .epilogue("Exit code: 0 all lines kept, 2 some refused, 1 failed. Blank lines are passed over.");
}

/** yargs hands a positional `-` over as an empty string. */
function isStdin(file: string): boolean {
  return file === "-" || (file === "" && process.argv.includes("-"));
}

function follow({ file, actor, json, "from-end": fromEnd }: IngestArguments, socketPath: string): Promise<number> {
  return ingestFollow({ file, actor, json, fromEnd, socketPath });
}

/** The exit code: 0 all kept, 2 some refused, 1 broken off. */
async function ingest(argv: IngestArguments, socketPath: string): Promise<number> {
  const fromStdin = isStdin(argv.file);
  const name = fromStdin ? "<stdin>" : argv.file;
  const sizeBytes = fromStdin ? undefined : (await stat(argv.file)).size;
  const input: Readable = fromStdin ? process.stdin : createReadStream(argv.file, { highWaterMark: 256 * 1024 });
  const counts: Counts = { written: 0, duplicates: 0, refused: 0 };
  const bar = new ProgressBar({ output: process.stderr, sizeBytes, shown: process.stderr.isTTY === true });
  const startedMillis = performance.now();
  bar.start();
  let result: SendResult;
  try {
    result = await sendLines({
      socketPath,
      input,
      actor: argv.actor,
      onSent: (bytes) => bar.addBytes(bytes),
      onAck: (ack, text) => {
        if (argv.json) process.stdout.write(`${text}\n`);
        for (const [index, event] of eventsOf(ack).entries()) {
          countEvent(event, counts);
          bar.addEvent();
          const place = "events" in ack ? `${name}:${ack.line}[${index}]` : `${name}:${ack.line}`;
          if ("error" in event) bar.print(visible(formatRefused(place, event.error)));
        }
      },
    });
  } finally {
    bar.stop();
  }
  process.stderr.write(`${formatTotal(counts, (performance.now() - startedMillis) / 1000)}\n`);
  if (result.broken) {
    process.stderr.write(`${visible(formatBroken(name, result))}\n`);
    return 1;
  }
  return exitCodeOf(counts);
}

function formatBroken(name: string, { answered, sent, lastLine, broken }: SendResult): string {
  return (
    `ingest: the connection broke (${broken?.message}): ${answered} of ${sent} lines sent have their ack. ` +
    `Go on from ${name}:${lastLine + 1}; sending lines again is safe when they have an idempotency_key`
  );
}
