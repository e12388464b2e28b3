// `ingest FILE`: sends a file of JSON lines to a running primary and says what became of each: kept, kept before, or
// refused and why. A bad line never costs the good ones around it.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Argv, CommandModule } from "yargs";
import { visible } from "../../shared/cli/visible.js";
import { type AckRefusal, type EventAck, eventsOf } from "../sources/format-ack.js";
import { type SendResult, sendLines } from "../sources/ingest-client.js";
import { ProgressBar } from "./ingest-progress.js";

interface IngestArguments {
  file: string;
  socket?: string | undefined;
  actor?: string | undefined;
  json: boolean;
}

interface Counts {
  written: number;
  duplicates: number;
  refused: number;
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
        process.exitCode = await ingest(argv, socketPath);
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
    .example("$0 ingest changes.jsonl", "Send a file, with a progress bar")
    .example("journal-to-events | $0 ingest - --json", "Send a stream, read the acks as JSON lines")
    .epilogue("Exit code: 0 all lines kept, 2 some refused, 1 failed. Blank lines are passed over.");
}

/** The exit code: 0 all kept, 2 some refused, 1 broken off. */
async function ingest(argv: IngestArguments, socketPath: string): Promise<number> {
  // yargs hands a positional `-` over as an empty string.
  const fromStdin = argv.file === "-" || (argv.file === "" && process.argv.includes("-"));
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
          count(event, counts);
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
  return counts.refused > 0 ? 2 : 0;
}

function count(ack: EventAck, counts: Counts): void {
  if ("error" in ack) counts.refused += 1;
  else counts[ack.duplicate ? "duplicates" : "written"] += 1;
}

function formatRefused(place: string, { field, value, reason, hint }: AckRefusal): string {
  const what = field === undefined ? "" : ` field "${field}"`;
  const held = value === undefined ? "" : ` = ${value}`;
  return `${place}${what}${held}: ${reason}${hint ? ` (${hint})` : ""}`;
}

function formatTotal({ written, duplicates, refused }: Counts, seconds: number): string {
  const rate = Math.round((written + duplicates + refused) / Math.max(seconds, 0.001));
  return `${written} written, ${duplicates} duplicates, ${refused} refused in ${seconds.toFixed(1)} s (${rate}/s)`;
}

function formatBroken(name: string, { answered, sent, lastLine, broken }: SendResult): string {
  return (
    `ingest: the connection broke (${broken?.message}): ${answered} of ${sent} lines sent have their ack. ` +
    `Go on from ${name}:${lastLine + 1}; sending lines again is safe when they have an idempotency_key`
  );
}
