// `isochron-primary pause`, `resume`, `drain`: hold a replica for maintenance, and let it go on.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { visible } from "../../shared/cli/visible.js";
import type { DrainAnswer, PauseAnswer } from "../order-links.js";
import { askControl } from "./ask-control.js";
import { followOrder, rounded } from "./follow-order.js";

interface HoldArguments extends GlobalArguments {
  replica: string | undefined;
  "dry-run": boolean;
  json: boolean;
}

const REPLICA = { type: "string", describe: "Name of the replica in the configuration" } as const;
const DRY_RUN = { type: "boolean", default: false, describe: "Say what would be done; do nothing" } as const;
const JSON_OUT = { type: "boolean", default: false, describe: "Print the answer as JSON" } as const;

export const pause = defineCommand<HoldArguments & { reason: string | undefined }>({
  command: "pause <replica>",
  describe: "Push nothing to a replica until `resume`, restarts included; a push under way is ended",
  builder: (yargs) =>
    yargs
      .positional("replica", REPLICA)
      .option("reason", { type: "string", describe: "Shown in status, logs and the ledger" })
      .option("dry-run", DRY_RUN)
      .option("json", JSON_OUT)
      .example([["$0 pause replica-1 --reason 'disk is being replaced'", "Hold replica-1"]]),
  handler: async ({ replica, reason, json, "dry-run": dryRun, ...args }) => {
    const body = { replica, dry_run: dryRun, ...(reason === undefined ? {} : { reason }) };
    const answer = await askControl<PauseAnswer>(args, "/v1/pause", body);
    print(answer, json, formatPause(answer));
  },
});

export const resume = defineCommand<HoldArguments>({
  command: "resume <replica>",
  describe: "Push to a replica again",
  builder: (yargs) =>
    yargs
      .positional("replica", REPLICA)
      .option("dry-run", DRY_RUN)
      .option("json", JSON_OUT)
      .example([["$0 resume replica-1", "Let replica-1 catch up"]]),
  handler: async ({ replica, json, "dry-run": dryRun, ...args }) => {
    const answer = await askControl<PauseAnswer>(args, "/v1/resume", { replica, dry_run: dryRun });
    const verb = dryRun ? "would be resumed" : "resumed";
    print(answer, json, `${answer.replica}: ${answer.was_paused ? verb : "was not paused"}`);
  },
});

export const drain = defineCommand<HoldArguments>({
  command: "drain <replica>",
  describe: "Bring a replica up to this moment, then pause it; shows the progress, Ctrl-C takes it back",
  builder: (yargs) =>
    yargs
      .positional("replica", REPLICA)
      .option("dry-run", DRY_RUN)
      .option("json", JSON_OUT)
      .example([["$0 drain replica-1 && ssh replica-1 reboot", "Take replica-1 down with nothing missing"]]),
  handler: async ({ replica, json, "dry-run": dryRun, ...args }) => {
    const answer = await followOrder<DrainAnswer>(args, "/v1/drain", { replica, dry_run: dryRun });
    if (answer) print(answer, json, formatDrain(answer));
  },
});

function formatPause({ replica, dry_run: dryRun, was_paused: was, ends_push_after_bytes: bytes }: PauseAnswer): string {
  const verb = dryRun ? "would be paused" : "paused";
  const push = bytes === null ? "" : `; a push ${dryRun ? "would be" : "was"} ended after ${rounded(bytes)}`;
  return `${replica}: ${was ? "was paused already" : verb}${push}`;
}

function formatDrain({ replica, dry_run: dryRun, size, missing }: DrainAnswer): string {
  if (dryRun) return `${replica}: would get ${missing} entries up to ${size}, then be paused`;
  return `${replica}: holds all ${size} entries and is paused`;
}

function print(answer: object, json: boolean, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${visible(text)}\n`);
}
