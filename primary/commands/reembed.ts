// `isochron-primary reembed`: rows of a further space for events that are in the ledger already.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { visible } from "../../shared/cli/visible.js";
import { PRIORITIES, type Priority } from "../../shared/format/entry.js";
import type { HoldAnswer, ReembedAnswer } from "../fill-orders.js";
import type { FillStatus } from "../vectorize/fill/fill-status.js";
import { askControl } from "./ask-control.js";
import { followShown, formatSeconds, rounded } from "./follow-order.js";
import { formatFill } from "./format-fill.js";

interface ReembedArguments extends GlobalArguments {
  space: string;
  from: string | undefined;
  to: string | undefined;
  priority: Priority[] | undefined;
  wait: boolean;
  "dry-run": boolean;
  pause: boolean;
  resume: boolean;
  cancel: boolean;
  json: boolean;
}

const HOLDS = ["pause", "resume", "cancel"] as const;

export const reembed = defineCommand<ReembedArguments>({
  command: "reembed",
  describe: "Fill a space with vectors of events that are in the ledger, in the background",
  builder: (yargs) =>
    yargs
      .option("space", { type: "string", demandOption: true, describe: "A level, or the space that one makes" })
      .option("from", { type: "string", describe: "First event: its number, or a time; default the first of all" })
      .option("to", { type: "string", describe: "The event behind the last, likewise; default the ledger's end" })
      .option("priority", { type: "array", choices: PRIORITIES, describe: "Only events of these; default all" })
      .option("wait", {
        type: "boolean",
        default: false,
        describe: "Show the progress until it is done; Ctrl-C leaves it going on",
      })
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "Say how many, how large, how long; fill nothing",
      })
      .option("pause", { type: "boolean", default: false, describe: "Do not go on until --resume, restarts included" })
      .option("resume", { type: "boolean", default: false, describe: "Go on" })
      .option("cancel", { type: "boolean", default: false, describe: "End it; rows that were made stay" })
      .option("json", { type: "boolean", default: false, describe: "Print the answer as JSON" })
      .check((argv) => {
        const holds = HOLDS.filter((hold) => argv[hold]);
        if (holds.length > 1) throw new Error(`--${holds.join(" and --")} do not go together`);
        if (argv.wait && (argv["dry-run"] || holds.length > 0))
          throw new Error("--wait goes with nothing that has its answer at once");
        return true;
      })
      .example([
        ["$0 reembed --space medium --dry-run", "How many events lack a vector of level medium, and how long it takes"],
        ["$0 reembed --space medium --wait", "Give them one, and watch"],
        ["$0 reembed --space medium --from 2026-11-01 --priority critical high", "Only what matters, of this month"],
      ]),
  handler: async ({ space, from, to, priority, wait, json, "dry-run": dryRun, pause, resume, cancel, ...args }) => {
    const hold = HOLDS.find((one) => ({ pause, resume, cancel })[one]);
    const order = { space, from: placeOf(from), to: placeOf(to), priorities: priority, dry_run: dryRun };
    const print = (answer: unknown, text: string) =>
      process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${visible(text)}\n`);
    if (hold) {
      const answer = await askControl<HoldAnswer>(args, "/v1/reembed", { space, action: hold, dry_run: dryRun });
      print(answer, formatHold(answer));
      return;
    }
    const shown = {
      format: formatFill,
      left: `it goes on; to end it: isochron-primary reembed --space ${space} --cancel`,
    };
    const answer = wait
      ? await followShown<ReembedAnswer, FillStatus>(args, "/v1/reembed", order, shown)
      : await askControl<ReembedAnswer>(args, "/v1/reembed", order);
    if (answer) print(answer, formatAnswer(answer));
  },
});

function placeOf(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : text;
}

function formatAnswer(answer: ReembedAnswer): string {
  const { space, dry_run: dryRun, missing, bytes, room_bytes: room, events_per_second: pace, seconds, done } = answer;
  if (done) {
    const out = done.left_out > 0 ? `, ${done.left_out} left out: see the log` : "";
    return `${space}: filled, ${done.made} rows made${out}, in generation ${done.generation}`;
  }
  if (missing === 0) return `${space}: no event lacks a row`;
  const size = `${missing} events, ${rounded(bytes)} of rows`;
  if (!dryRun) return `${space}: filling ${size}, in the background: see \`isochron-primary status\``;
  const time = pace === null || seconds === null ? "" : `, about ${formatSeconds(seconds)} at ${pace}/s`;
  return `${space}: would fill ${size}${time}; fills may take ${rounded(room)} of the volume`;
}

function formatHold({ action, dry_run: dryRun, fill }: HoldAnswer): string {
  const done = { pause: "paused", resume: "goes on", cancel: "cancelled" }[action];
  return `${dryRun ? `would ${action}` : done}: ${formatFill(fill)}`;
}
