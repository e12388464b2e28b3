// The two sides, as an operator makes them on two hosts: init, keys, trust, an sshd whose only key has the forced
// command, configuration, serve.
import { readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { stringify } from "yaml";
import { binPath, runCli } from "../support/run-cli.js";
import { DaemonProcess } from "../support/start-daemon.js";
import { type Sshd, startSshd } from "../support/with-sshd.js";
import { unmount } from "../support/with-volume.js";
import type { LiveHost } from "./live-host.js";
import type { Session } from "./make-session.js";
import { say, showCommand, showOutput } from "./print-story.js";

const VOLUME = "1G";

export async function makePrimary(session: Session): Promise<void> {
  const root = session.root("primary");
  session.cleanUp.add(() => unmount(root));
  const origin = `${hostname()}/isochron`;
  const shown = /^(store|vkey)/;
  await session.runBare("primary", ["init", "--root", root, "--loop", VOLUME, "--origin", origin], { shown });
}

export async function makeReplica(session: Session): Promise<void> {
  const root = session.root("replica");
  session.cleanUp.add(() => unmount(root));
  const shown = /^(replica|vkey)/;
  await session.runBare("replica", ["init", "--root", root, "--loop", VOLUME, "--name", "replica-1"], { shown });
}

/** The replica trusts the primary's ledger key; its sshd lets the primary's transport key in, to the agent only. */
export async function trustEachOther(session: Session, host: LiveHost): Promise<void> {
  const keys = await runCli("primary", ["key", "--root", session.root("primary"), "--json"]);
  const { vkey, ssh } = JSON.parse(keys.stdout) as { vkey: string; ssh: string };
  await session.runBare("replica", ["trust", vkey, "--root", session.root("replica")]);
  await session.runBare("primary", ["key", "--only", "authorized", "--root", session.root("primary")]);
  const command = `${process.execPath} ${binPath("replica")} receive --root ${session.root("replica")}`;
  const sshd = await startSshd([{ publicKey: ssh, command }]);
  session.cleanUp.add(() => sshd.stop());
  say(`That line is the only one in the authorized_keys of a private sshd, on port ${sshd.port}.`);
  await writeConfigs(session, sshd, host);
}

async function writeConfigs(session: Session, { port, user, hostKey }: Sshd, host: LiveHost): Promise<void> {
  const target = { name: "replica-1", host: "127.0.0.1", port, user, host_key: hostKey };
  const dbus = { address: host.bus.address };
  const sources = { ovsdb: { socket: host.ovsdbSocket }, files: { watch: [`${dirname(host.hostsFile)}/**`] } };
  const primary = { root: session.root("primary"), dbus, sources, replicas: [target] };
  await writeFile(session.config("primary"), stringify(primary, { lineWidth: 0 }));
  await writeFile(session.config("replica"), stringify({ root: session.root("replica"), dbus }));
  showCommand(["cat", session.config("primary")]);
  showOutput(await readFile(session.config("primary"), "utf8"));
}

export async function startDaemons(session: Session): Promise<void> {
  for (const role of ["replica", "primary"] as const) {
    const args = ["--config", session.config(role)];
    showCommand([`isochron-${role}`, "serve", ...args, "&"]);
    // In a process group of its own: Ctrl-C is ours to pass on, in the right order.
    const daemon = new DaemonProcess(role, args, { ownGroup: true });
    session.cleanUp.add(() => daemon.stop());
    await daemon.start();
    session.cleanUp.signal.throwIfAborted();
    showOutput(daemon.log.split("\n").find((line) => line.includes(" serving ")) ?? "");
  }
}
