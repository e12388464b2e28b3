// The replica's configuration: every option, its default and its danger. Read once in main.ts.
import { join } from "node:path";
import { z } from "zod";
import { keepOption } from "../shared/config/keep-option.js";
import { MAX_CACHE_SNAPSHOTS } from "../shared/config/keep-variable.js";
import { type LoadedConfig, loadConfig } from "../shared/config/load-config.js";
import { absolutePath, checkSocketPaths, logLevel, size, wholeNumber } from "../shared/config/option-types.js";
import { queryOptions } from "../shared/config/query-option.js";
import { dbusOptions } from "../shared/dbus/face-options.js";
import { metricsOptions } from "../shared/metrics/metrics-options.js";
import { parseTrustedKey } from "../shared/store/vkey-lists.js";

const receive = z.strictObject({
  stall_seconds: wholeNumber(1, 86_400)
    .default(60)
    .describe("A push that brings no bytes for so long is ended and its arrival swept."),
  min_free_bytes: size(1024 * 1024)
    .prefault("64MiB")
    .describe("A push is refused while less than this is free. Too little, and btrfs runs full in the middle."),
  part_bytes: size(1024 * 1024)
    .prefault("16MiB")
    .describe(
      "A large push is put on disk in parts of at least so much; one that is cut goes on after the last whole part.",
    ),
  part_seconds: wholeNumber(0, 3600)
    .default(5)
    .describe(
      "No part is closed sooner than this after the last; each has the push wait for the disk. 0: by bytes alone.",
    ),
  keep_partial_hours: wholeNumber(0, 500)
    .default(72)
    .describe("What arrived of a push that was cut is kept so long, unverified. 0: a push always begins anew."),
});

const SOCKETS = ["agent.sock", "query.sock", "metrics.sock", "feed.sock"] as const;

const options = z.strictObject({
  root: absolutePath()
    .default("/var/lib/isochron/replica")
    .describe("Where received stores lie, on btrfs. It must have been made with `init`."),
  run_dir: absolutePath()
    .optional()
    .describe("Folder of the sockets; default `<root>/run`. Whoever can write to agent.sock can push."),
  log_level: logLevel(),
  trust: z
    .array(z.string().superRefine(checkTrusted))
    .default([])
    .describe("vkeys of primaries whose stores are accepted, besides the `trusted-keys` file of the root."),
  index: z
    .strictObject({ processes: wholeNumber(1, 64).default(2).describe("Processes that build the vector index.") })
    .prefault({}),
  query: queryOptions(),
  receive: receive.prefault({}),
  keep: keepOption(),
  metrics: metricsOptions(),
  dbus: dbusOptions(true),
});

export const replicaConfigSchema = options.transform((config, context) => {
  const run_dir = config.run_dir ?? join(config.root, "run");
  checkSocketPaths(run_dir, SOCKETS, context);
  return { ...config, run_dir };
});

export type ReplicaConfig = z.output<typeof replicaConfigSchema>;

/** Options of every command that bear on the configuration. */
export interface ConfigArguments {
  config?: string | undefined;
  root?: string | undefined;
}

/** @throws ConfigError */
export async function loadReplicaConfig(
  args: ConfigArguments,
  env: NodeJS.ProcessEnv = process.env,
): Promise<LoadedConfig<ReplicaConfig>> {
  return loadConfig({
    schema: replicaConfigSchema,
    path: args.config,
    defaultPath: "/etc/isochron/replica.yaml",
    overrides: { root: args.root },
    variables: [MAX_CACHE_SNAPSHOTS],
    env,
  });
}

export interface ReplicaSockets {
  agent: string;
  query: string;
  metrics: string;
  feed: string;
}

export function replicaSockets({ run_dir }: ReplicaConfig): ReplicaSockets {
  const [agent, query, metrics, feed] = SOCKETS.map((name) => join(run_dir, name));
  return { agent, query, metrics, feed } as ReplicaSockets;
}

function checkTrusted(vkey: string, context: z.RefinementCtx): void {
  try {
    parseTrustedKey(vkey);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
  }
}
