// `serve-queries` as a host runs it: in a process of an unprivileged user, beside a side of a fleet.
import { chmod, chown, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { execa } from "execa";
import { binPath } from "./run-cli.js";
import { DaemonProcess } from "./start-daemon.js";
import type { Fleet, FleetSide } from "./start-fleet.js";

/** Every Linux has it, and it owns nothing. */
export const QUERY_USER = { name: "nobody", uid: 65_534, gid: 65_534 };

const AS_USER = ["setpriv", `--reuid=${QUERY_USER.uid}`, `--regid=${QUERY_USER.gid}`, "--clear-groups"];

/** A checkout in a folder of root's alone cannot be run as anybody else. */
export const READABLE_CHECKOUT = {
  name: "a checkout that every user can read",
  howToGet: "check it out where others may pass, such as /srv",
  isThere: async () => (await asQueryUser("test", "-r", binPath("replica"))) === 0,
};

/** Exit code of a command that the user runs. */
export async function asQueryUser(...command: string[]): Promise<number | undefined> {
  const [program = "", ...args] = [...AS_USER, ...command];
  return (await execa(program, args, { reject: false, stdin: "ignore" })).exitCode;
}

/** The service of one side. It makes its socket by itself, or gets it from systemd's own activation, at the first question. */
export async function makeQueryService(
  fleet: Fleet,
  role: "primary" | "replica",
  { byActivation = false }: { byActivation?: boolean } = {},
): Promise<DaemonProcess> {
  const side: FleetSide = fleet[role];
  // The fleet's folder is a temp folder of root's, which nobody else may enter.
  await chmod(fleet.folder, 0o755);
  const runDir = dirname(side.socket("query"));
  await mkdir(runDir, { recursive: true });
  await chown(runDir, 0, QUERY_USER.gid);
  await chmod(runDir, 0o1775);
  const enter = byActivation
    ? ["systemd-socket-activate", "-l", side.socket("query"), "-E", "ISOCHRON_CONFIG=/dev/null", ...AS_USER]
    : AS_USER;
  const options = { enter, command: "serve-queries" };
  return new DaemonProcess(role, ["--config", side.configPath], options);
}
