// How the operator's commands reach a running primary.
import { askSocket } from "../../shared/cli/ask-socket.js";
import type { GlobalArguments } from "../../shared/cli/run-commands.js";
import { loadPrimaryConfig, primarySockets } from "../config.js";

/** @throws AskError */
export async function askControl<Answer>(
  args: GlobalArguments,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Answer> {
  const { config } = await loadPrimaryConfig(args);
  return askSocket<Answer>({
    socketPath: primarySockets(config).control,
    path,
    ...(body === undefined ? {} : { method: "POST", body }),
    ...(signal ? { signal } : {}),
    startedBy: `isochron-primary serve --root ${config.root}`,
  });
}
