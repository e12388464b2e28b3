// The primary's configuration: every option, its default and its danger. Read once in main.ts.
import { join } from "node:path";
import { z } from "zod";
import { keepOption } from "../shared/config/keep-option.js";
import { type LoadedConfig, loadConfig } from "../shared/config/load-config.js";
import { absolutePath, checkSocketPaths, logLevel, rate, size, wholeNumber } from "../shared/config/option-types.js";
import { queryOptions } from "../shared/config/query-option.js";
import { dbusOptions } from "../shared/dbus/face-options.js";
import {
  DEFAULT_MODELS,
  isRowLevel,
  type LevelOfPriority,
  type ModelLevel,
  type RowLevel,
  VECTOR_LEVELS,
} from "../shared/embed/levels.js";
import { PRIORITIES, type Priority } from "../shared/format/entry.js";
import { DTYPES } from "../shared/format/row-values.js";
import { metricsOptions } from "../shared/metrics/metrics-options.js";
import { PRIMARY_VARIABLES } from "./environment.js";
import { pinOptions } from "./push/base/pin-options.js";
import { sealOptions } from "./seal/options.js";
import { dbusSourcesOptions } from "./sources/dbus/options.js";
import { filesOptions, isFilesSourceWanted } from "./sources/files/options.js";
import { ovsdbOptions } from "./sources/ovsdb/options.js";
import { replicasOptions } from "./sources/replicas/options.js";

const HOST_KEY = /^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]{32,}={0,2}(?: .*)?$/;

const HOST_KEY_RULE = "must be an OpenSSH public key such as `ssh-ed25519 AAAA…` (see /etc/ssh/*.pub there)";

const NAME_RULE = "must be letters, digits and . _ -, at most 64";

const PRIORITY = z.enum(PRIORITIES, `must be one of ${PRIORITIES.join(", ")}`);

const pattern = (what: string) =>
  z.string("must be a name or a pattern").min(1, "must not be empty").optional().describe(what);

const priorityRule = z
  .strictObject({
    action: pattern("Actions it is for; in this and the next three `*` stands for any text."),
    type: pattern("Element types it is for."),
    element: pattern("Elements it is for, such as `interface:wan*`."),
    source: pattern("Sources it is for, such as `dbus:*`."),
    field: pattern("Dotted path into the state that must be there, such as `link.speed` or `ports.0.name`."),
    value: z
      .union([z.string(), z.number(), z.boolean()], "must be a string, a number, true or false")
      .optional()
      .describe('What must stand at `field`, as JSON has it: `5` is not `"5"`.'),
    priority: PRIORITY.describe("What such an event gets."),
  })
  .superRefine(({ action, type, element, source, field, value }, context) => {
    const issue = (message: string) => context.addIssue({ code: "custom", message });
    if (value !== undefined && field === undefined)
      issue("has a value and no field: name the path where it must stand");
    else if ([action, type, element, source, field].every((condition) => condition === undefined)) {
      issue("would be for every event: give it an action, type, element, source or field");
    }
  });

const admit = z.strictObject({
  // Replicas read no line of more than 64 MiB.
  max_payload_bytes: size(1024, 32 * 1024 * 1024)
    .prefault("1MiB")
    .describe("Largest payload line, at most 32 MiB; a larger event is refused. Each is held in memory whole."),
  redact: z
    .boolean("must be true or false")
    .default(true)
    .describe("Replace the values of secret keys. Off, passwords in events stay in the ledger for ever."),
  redact_keys: z
    .array(z.string().min(1))
    .default([])
    .describe("Endings of further keys whose values are replaced, besides the built-in list."),
  priorities: z
    .record(z.string(), PRIORITY)
    .default({})
    .describe("Priority by action, where no rule of `priority_rules` matches. Critical seals at once."),
  priority_rules: z
    .array(priorityRule)
    .default([])
    .describe("Priority by rules: the first whose conditions all hold decides. Events that name one keep theirs."),
});

const ledger = z.strictObject({
  max_batch_events: wholeNumber(1, 65536)
    .default(4096)
    .describe("Most events in one fsync round. Small batches cost throughput."),
  max_queued_events: wholeNumber(1, 1_000_000)
    .default(16384)
    .describe("Events that may wait for the ledger; past it, sources wait. Each is held in memory."),
});

const VECTOR_LEVEL = z.enum(VECTOR_LEVELS, `must be one of ${VECTOR_LEVELS.join(", ")}`);

const modelOption = (level: ModelLevel) =>
  z
    .string("must be the name or id of a model, as `model list` shows it")
    .min(1, "must be the name or id of a model, as `model list` shows it")
    .default(DEFAULT_MODELS[level])
    .describe(
      `Model of level ${level}, by name or id. Another model is another space: old events are not found by it.`,
    );

const vectorize = z.strictObject({
  level: VECTOR_LEVEL.default("heuristic").describe(
    "How events become vectors: `none` leaves only full-text search, `heuristic` needs no model, `low`, `medium` and `high` need the runtime and their model, and fall back to heuristic, loudly, where one is missing.",
  ),
  levels: z
    .partialRecord(PRIORITY, VECTOR_LEVEL)
    .default({})
    .describe(
      "Another level for some priorities, such as `{low: none}`. Events of two levels are never found similar to each other.",
    ),
  later: z
    .partialRecord(PRIORITY, VECTOR_LEVEL)
    .default({})
    .describe(
      "A further level for some priorities, such as `{critical: medium}`: such events, old ones too, get a second vector of it when there is time. It costs the time and the room of that level.",
    ),
  models: z
    .strictObject({ low: modelOption("low"), medium: modelOption("medium"), high: modelOption("high") })
    .prefault({}),
  dtype: z
    .enum(DTYPES, `must be one of ${DTYPES.join(", ")}`)
    .default("f16")
    .describe(
      "How the numbers of models' vectors are stored and sent. An event takes 1544 bytes in `f32`, 776 in `f16`, 396 in `int8` at 384 dimensions, twice that at 768, and a twelfth of it on the wire where logs repeat themselves. Of the ten nearest log lines that f32 finds, f16 finds 99.95 %, int8 98.6 %. Another one is another space: old events are not found by it.",
    ),
  cache: size(1024 * 1024)
    .prefault("128MiB")
    .describe(
      "Vectors of texts that were embedded before, kept on disk. Too small, and models do the same work again.",
    ),
  worker_memory: size(64 * 1024 * 1024)
    .prefault("1GiB")
    .describe("A worker process that takes more is replaced between two jobs, which loads its models again."),
  workers: wholeNumber(1, 64)
    .default(1)
    .describe("Worker processes that make vectors, one thread each. Each holds the models in memory."),
  urgent_workers: wholeNumber(0, 16)
    .default(1)
    .describe(
      "Further ones for critical and high events only, started when one would wait. 0: they wait behind what is being made.",
    ),
  critical_deadline_ms: wholeNumber(0, 60_000)
    .default(50)
    .describe(
      "A generation with a critical event waits so long for vectors, ms, then goes without those that are late; they follow in the next. 0: it waits, and a worker that hangs holds up critical events.",
    ),
  max_queued_events: wholeNumber(1, 1_000_000)
    .default(1024)
    .describe(
      "Events held in memory for their vector, with up to 16 MiB of states (high ones twice that, critical ones three times); workers read the others from the ledger, which costs less.",
    ),
});

const packages = z.strictObject({
  enabled: z.boolean("must be true or false").default(true).describe("Record the packages that dpkg changes."),
  log: absolutePath().default("/var/log/dpkg.log").describe("The log to follow; rotated ones beside it are read too."),
});

/** Below this a push looks dead to its replica, whose `receive.stall_seconds` hears of no limit. */
const LEAST_LIMIT_BPS = 64_000;

const push = z.strictObject({
  compression: z
    .enum(["auto", "none", "zstd"], "must be auto, none or zstd")
    .default("auto")
    .describe(
      "`auto` measures each link and takes for each push what is over soonest, `none` never compresses, `zstd` always does, on fast links too, where it costs time.",
    ),
  zstd_level: wholeNumber(1, 19)
    .default(3)
    .describe("Level for `compression: zstd`. Above 9 it is slow, and seldom smaller."),
  compressed_data: z
    .enum(["auto", "never"], "must be auto or never")
    .default("auto")
    .describe("Send extents as they are compressed on disk, where both ends are known good."),
  limit: rate(LEAST_LIMIT_BPS)
    .optional()
    .describe(
      "Most that all links together may send, such as `20 Mbit/s`. Too low, and replicas fall behind for good.",
    ),
  stall_seconds: wholeNumber(1, 86_400)
    .default(60)
    .describe("A push that moves no bytes for so long is ended and tried again."),
  hello_seconds: wholeNumber(1, 86_400).default(5).describe("Pause between two looks at a replica's health."),
  lag_seconds: wholeNumber(1, 31_536_000)
    .default(60)
    .describe("A replica that has not acked a generation for so long is `lagging`."),
  max_load: z
    .number("must be a number above 0")
    .positive("must be a number above 0")
    .default(16)
    .describe("A replica whose load per core is higher gets its generations together, half a minute apart."),
  concurrency: wholeNumber(1, 256)
    .default(8)
    .describe("Pushes that begin at the same time. One that takes longer than two seconds no longer counts."),
  full: z
    .enum(["auto", "ask"], "must be auto or ask")
    .default("auto")
    .describe(
      "A replica that lost its base gets all of the store by itself, or when `resync NAME --full` says so. A first send always goes by itself.",
    ),
  pins: pinOptions.prefault({}),
});

const replica = z.strictObject({
  name: z
    .string(NAME_RULE)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, NAME_RULE)
    .describe("What this replica is called in commands and logs."),
  host: z
    .string("must be a host name or address")
    .min(1, "must be a host name or address")
    .describe("Where its sshd listens."),
  port: wholeNumber(1, 65_535).default(22).describe("Port of its sshd."),
  user: z.string().min(1).default("isochron").describe("User to log in as; its forced command is the agent's."),
  host_key: z
    .string(HOST_KEY_RULE)
    .regex(HOST_KEY, HOST_KEY_RULE)
    .describe("Public host key of its sshd, pinned: any other key is refused."),
  limit: rate(LEAST_LIMIT_BPS)
    .optional()
    .describe("Most that this link may send, such as `2 Mbit/s`; `push.limit` holds as well."),
});

/** Questions can wait for events; on a busy host the primary's own index lags, and its answers say so. */
export const QUERY_NICENESS = 10;

const SOCKETS = ["ingest.sock", "control.sock", "query.sock", "metrics.sock", "feed.sock"] as const;

const options = z.strictObject({
  root: absolutePath()
    .default("/var/lib/isochron/primary")
    .describe("Where the store lies, on btrfs. It must have been made with `init`."),
  run_dir: absolutePath()
    .optional()
    .describe("Folder of the sockets; default `<root>/run`. Only root may write to it."),
  log_level: logLevel(),
  admit: admit.prefault({}),
  ledger: ledger.prefault({}),
  vectorize: vectorize.prefault({}),
  seal: sealOptions.prefault({}),
  sources: z
    .strictObject({
      packages: packages.prefault({}),
      dbus: dbusSourcesOptions.prefault({}),
      ovsdb: ovsdbOptions.prefault({}),
      files: filesOptions.prefault({}),
      replicas: replicasOptions.prefault({}),
    })
    .prefault({}),
  index: z
    .strictObject({ processes: wholeNumber(1, 64).default(2).describe("Processes that build the vector index.") })
    .prefault({}),
  query: queryOptions(),
  push: push.prefault({}),
  keep: keepOption(),
  metrics: metricsOptions(),
  dbus: dbusOptions(false),
  replicas: z.array(replica).prefault([]).describe("Where generations are pushed to."),
});

export const primaryConfigSchema = options.transform((config, context) => {
  const run_dir = config.run_dir ?? join(config.root, "run");
  checkSocketPaths(run_dir, SOCKETS, context);
  for (const [index, { name }] of config.replicas.entries()) {
    if (config.replicas.findIndex((other) => other.name === name) === index) continue;
    context.addIssue({ code: "custom", path: ["replicas", index, "name"], input: name, message: "is there twice" });
  }
  checkDiffsFit(config, context);
  checkLater(config, context);
  return { ...config, run_dir };
});

/** A diff holds the old text and the new one at the most. One that does not fit would be a lost event each time. */
function checkDiffsFit({ admit, sources: { files } }: z.output<typeof options>, context: z.RefinementCtx): void {
  const most = Math.floor(admit.max_payload_bytes / 2);
  if (!isFilesSourceWanted(files) || files.max_diff_bytes <= most) return;
  const message = `must be at most ${most}, half of admit.max_payload_bytes, or a diff would not fit into an event`;
  const path = ["sources", "files", "max_diff_bytes"];
  context.addIssue({ code: "custom", path, input: files.max_diff_bytes, message });
}

/** A level that a priority has already would be nothing more. */
function checkLater({ vectorize }: z.output<typeof options>, context: z.RefinementCtx): void {
  const first = levelsOf(vectorize);
  for (const priority of PRIORITIES) {
    const level = vectorize.later[priority];
    if (level === undefined || (level !== "none" && level !== first[priority])) continue;
    const message =
      level === "none"
        ? "must be a level with vectors: leave the priority out for none"
        : `is the level that ${priority} events get at once: give it another, or leave it out`;
    context.addIssue({ code: "custom", path: ["vectorize", "later", priority], input: level, message });
  }
}

export type PrimaryConfig = z.output<typeof primaryConfigSchema>;
export type ReplicaTarget = PrimaryConfig["replicas"][number];

/** Options of every command that bear on the configuration. */
export interface ConfigArguments {
  config?: string | undefined;
  root?: string | undefined;
}

/** @throws ConfigError */
export async function loadPrimaryConfig(
  args: ConfigArguments,
  env: NodeJS.ProcessEnv = process.env,
): Promise<LoadedConfig<PrimaryConfig>> {
  return loadConfig({
    schema: primaryConfigSchema,
    path: args.config,
    defaultPath: "/etc/isochron/primary.yaml",
    overrides: { root: args.root },
    variables: PRIMARY_VARIABLES,
    env,
  });
}

/** What each priority gets. */
export function levelsOf({ level, levels }: z.output<typeof vectorize>): LevelOfPriority {
  return { critical: level, high: level, medium: level, low: level, ...levels };
}

/** What some priorities get when there is time. */
export function laterLevels({ later }: z.output<typeof vectorize>): Partial<Record<Priority, RowLevel>> {
  return Object.fromEntries(Object.entries(later).filter(([, level]) => isRowLevel(level)));
}

export interface PrimarySockets {
  ingest: string;
  control: string;
  query: string;
  metrics: string;
  feed: string;
}

export function primarySockets({ run_dir }: PrimaryConfig): PrimarySockets {
  const [ingest, control, query, metrics, feed] = SOCKETS.map((name) => join(run_dir, name));
  return { ingest, control, query, metrics, feed } as PrimarySockets;
}
