// `ingest FILE --follow`: joins the lines of a growing file with a sender that outlives the primary's restarts. A line is done
// when it is acked; Ctrl-C waits for the acks outstanding, a second one does not.
import { once } from "node:events";
import { visible } from "../../shared/cli/visible.js";
import { addMembers } from "../sources/lines/add-members.js";
import { type AckLine, eventsOf } from "../sources/lines/format-ack.js";
import { followLines } from "../sources/lines/ingest-follow-lines.js";
import { type HeldLine, LineSender } from "../sources/lines/ingest-line-sender.js";
import { ProgressBar } from "./ingest-progress.js";
import { type Counts, countEvent, exitCodeOf, formatRefused, formatTotal } from "./ingest-report.js";

export interface IngestFollowOptions {
  file: string;
  socketPath: string;
  actor: string | undefined;
  json: boolean;
  fromEnd: boolean;
}

/** The exit code: 0 all kept, 2 some refused, 1 some without their ack. */
export async function ingestFollow(options: IngestFollowOptions): Promise<number> {
  const { file, socketPath, actor, fromEnd } = options;
  const { signal } = untilInterrupted();
  const counts: Counts = { written: 0, duplicates: 0, refused: 0 };
  const bar = new ProgressBar({ output: process.stderr, sizeBytes: undefined, shown: process.stderr.isTTY === true });
  const say = (message: string) => bar.print(visible(`ingest: ${message}`));
  const report = (line: HeldLine, ack: AckLine) => reportAck(options, bar, counts, line, ack);
  const sender = new LineSender({
    socketPath,
    signal,
    onDone: report,
    onAway: (error) => say(`${error.message}; waiting for it`),
    onBack: () => say("connected again"),
  });
  const startedMillis = performance.now();
  bar.start();
  sender.start();
  let unacked = 0;
  try {
    for await (const { bytes, offset, key } of followLines({ path: file, fromEnd, signal, onNotice: say })) {
      if (bytes === undefined) report({ bytes: Buffer.alloc(0), offset }, TOO_LONG_ACK);
      else await sender.send({ bytes: addMembers(bytes, { actor, key }), offset });
      bar.addBytes(bytes?.length ?? 0);
    }
  } finally {
    unacked = await sender.stop();
    bar.stop();
  }
  process.stderr.write(`${formatTotal(counts, (performance.now() - startedMillis) / 1000)}\n`);
  if (unacked === 0) return exitCodeOf(counts);
  say(`${unacked} lines have no ack; follow the file again and they are sent again, and none is written twice`);
  return 1;
}

const TOO_LONG_ACK: AckLine = {
  line: 0,
  error: { code: "line-too-long", reason: "the line is longer than any that could be kept", hint: "it was not sent" },
};

/** Fires at the first SIGINT or SIGTERM; the second ends the process as it would without us. */
function untilInterrupted(): AbortController {
  const ending = new AbortController();
  const waiting = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"]) {
    once(process, name, { signal: waiting.signal }).then(
      () => {
        waiting.abort();
        ending.abort();
      },
      () => undefined,
    );
  }
  return ending;
}

function reportAck(
  { file, json }: IngestFollowOptions,
  bar: ProgressBar,
  counts: Counts,
  { offset }: HeldLine,
  ack: AckLine,
): void {
  const { line: _line, ...rest } = ack;
  if (json) process.stdout.write(`${JSON.stringify({ file, offset, ...rest })}\n`);
  for (const [index, event] of eventsOf(ack).entries()) {
    countEvent(event, counts);
    bar.addEvent();
    const place = `${file}, byte ${offset}${"events" in ack ? ` [${index}]` : ""}`;
    if ("error" in event) bar.print(visible(formatRefused(place, event.error)));
  }
}
