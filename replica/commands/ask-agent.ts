// How the operator's commands reach a running replica's agent.
import { askSocket } from "../../shared/cli/ask-socket.js";
import type { GlobalArguments } from "../../shared/cli/run-commands.js";
import { loadReplicaConfig, replicaSockets } from "../config.js";

/** @throws AskError */
export async function askAgent<Answer>(
  args: GlobalArguments,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Answer> {
  const { config } = await loadReplicaConfig(args);
  return askSocket<Answer>({
    socketPath: replicaSockets(config).agent,
    path,
    ...(body === undefined ? {} : { method: "POST", body }),
    ...(signal ? { signal } : {}),
    startedBy: `isochron-replica serve --root ${config.root}`,
  });
}
