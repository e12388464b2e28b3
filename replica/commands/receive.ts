// The ssh forced command: a pipe between the login and the agent's socket. It takes no arguments from the other side,
// looks at nothing that passes, and evaluates nothing. It must start fast, so it loads nothing but node's own modules.
import { connect } from "node:net";
import { join } from "node:path";

/** Joins stdin and stdout with the socket until either side ends. */
export function pipeToAgent(socketPath: string): void {
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  socket.once("error", (error) => {
    const what = socket.bytesRead + socket.bytesWritten > 0 ? "the agent broke off" : "no agent answers";
    process.stderr.write(`isochron-replica: ${what} on ${socketPath}: ${error.message}\n`);
    process.exit(1);
  });
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
  // The login is gone, or the agent is: the other end must hear of it.
  process.stdout.once("error", () => socket.destroy());
  socket.once("close", () => process.exit(0));
}

/** The agent's socket: `--socket`, or under `--root`; nothing that comes over the connection bears on it. */
export function agentSocketOf(args: readonly string[], env: NodeJS.ProcessEnv): string {
  const option = (name: string) => {
    const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
    if (at < 0) return undefined;
    const arg = args[at] as string;
    return arg.includes("=") ? arg.slice(name.length + 1) : args[at + 1];
  };
  const root = option("--root") ?? "/var/lib/isochron/replica";
  return option("--socket") ?? env.ISOCHRON_AGENT_SOCKET ?? join(root, "run", "agent.sock");
}
