// A real Open vSwitch in a temp folder: ovsdb-server, and ovs-vswitchd with its dummy datapath, which needs no kernel
// module. Both run as children of the test and are ended by process id.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { program } from "../../../support/require-part.js";

export const OVSDB_SERVER = program("ovsdb-server", "openvswitch-switch");

export const SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";
const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

export class OpenVswitch {
  readonly socket: string;
  readonly #folder: string;
  #server: ChildProcess | undefined;
  #switch: ChildProcess | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    this.socket = join(folder, "db.sock");
  }

  /** An empty database, and its server. */
  async start(): Promise<void> {
    await execa("ovsdb-tool", ["create", this.#database, SCHEMA], { env: ENV });
    await this.startServer();
    await this.vsctl("init");
  }

  async startServer(): Promise<void> {
    this.#server = this.#spawn("ovsdb-server", [this.#database, `--remote=punix:${this.socket}`]);
    await this.#untilThere(this.socket);
  }

  /** As a power cut would. The socket's file stays behind. */
  async killServer(): Promise<void> {
    await end(this.#server, "SIGKILL");
    this.#server = undefined;
  }

  async stopServer(): Promise<void> {
    await end(this.#server, "SIGTERM");
    this.#server = undefined;
  }

  /** Stands still and keeps its connections, as a hung server does. */
  pauseServer(): void {
    this.#server?.kill("SIGSTOP");
  }

  resumeServer(): void {
    this.#server?.kill("SIGCONT");
  }

  async startSwitch(): Promise<void> {
    this.#switch = this.#spawn("ovs-vswitchd", [
      `unix:${this.socket}`,
      ...["--enable-dummy=override", "--disable-system", "--disable-system-route"],
    ]);
    await this.#untilThere(this.#control("ovs-vswitchd"));
  }

  async stop(): Promise<void> {
    await end(this.#switch, "SIGKILL");
    await end(this.#server, "SIGKILL");
  }

  /** Does not wait for ovs-vswitchd, unless it runs. */
  async vsctl(...args: string[]): Promise<string> {
    const wait = this.#switch ? [] : ["--no-wait"];
    const { stdout } = await execa("ovs-vsctl", [`--db=unix:${this.socket}`, "--timeout=20", ...wait, ...args], {
      env: ENV,
    });
    return stdout;
  }

  /** A transaction as RFC 7047 has it, on the server of ours or while none runs. */
  async transact(...operations: object[]): Promise<void> {
    const request = JSON.stringify(["Open_vSwitch", ...operations]);
    if (this.#server) await execa("ovsdb-client", ["transact", `unix:${this.socket}`, request], { env: ENV });
    else await execa("ovsdb-tool", ["transact", this.#database, request], { env: ENV });
  }

  /** What `ip link set NAME up|down` does to a real interface. */
  async setAdminState(name: string, state: "up" | "down"): Promise<void> {
    const target = this.#control("ovs-vswitchd");
    await execa("ovs-appctl", ["-t", target, "netdev-dummy/set-admin-state", name, state], { env: ENV });
  }

  get #database(): string {
    return join(this.#folder, "conf.db");
  }

  #control(name: string): string {
    return join(this.#folder, `${name}.ctl`);
  }

  #spawn(name: string, args: string[]): ChildProcess {
    const own = [
      `--unixctl=${this.#control(name)}`,
      `--log-file=${join(this.#folder, `${name}.log`)}`,
      "-vconsole:off",
    ];
    const env = { ...ENV, OVS_RUNDIR: this.#folder, OVS_SYSCONFDIR: this.#folder };
    return spawn(name, [...args, ...own, "--no-chdir"], { stdio: "ignore", env });
  }

  async #untilThere(path: string): Promise<void> {
    const child = path === this.socket ? this.#server : this.#switch;
    for (;;) {
      if (child?.exitCode !== null) throw new Error(`${child?.spawnfile} ended with code ${child?.exitCode}`);
      if ((await isThere(path)) && (await this.#answers(path))) return;
      await sleep(10);
    }
  }

  /** A file may have been left behind by one that was killed. */
  async #answers(path: string): Promise<boolean> {
    const [command, args] =
      path === this.socket
        ? ["ovsdb-client", ["--timeout=5", "list-dbs", `unix:${path}`]]
        : ["ovs-appctl", ["--timeout=5", "-t", path, "version"]];
    return (await execa(command as string, args as string[], { env: ENV, reject: false })).exitCode === 0;
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}
