// A private system bus: a dbus-daemon with a configuration of its own, its socket in a temp folder, ended by process id.
// Nothing of the machine's buses is read or touched. Mocks of services are python-dbusmock, in processes of their own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { withFolder } from "./with-folder.js";

export interface TestBus {
  /** As `unix:path=…`; the same after `restart`. */
  readonly address: string;
  readonly folder: string;
  /** Ends the bus as a crash does: every connection breaks, mocks end with it. */
  kill(): Promise<void>;
  /** Kills the bus if it runs, and starts one at the same address. */
  restart(): Promise<void>;
  /** Runs python-dbusmock (`"--template", "networkmanager"`) and waits until it answers under its name. */
  mock(...args: string[]): Promise<BusMock>;
  /** `gdbus("call", "--dest", …)`, on this bus. @throws ExecaError */
  gdbus(verb: string, ...args: string[]): Promise<string>;
  /** `gdbus call`: `method` is interface and member. @throws ExecaError */
  call(destination: string, path: string, method: string, ...args: string[]): Promise<string>;
  /** `dbus-send ARGS` on this bus: signals, straight to one receiver too. @throws ExecaError */
  send(...args: string[]): Promise<string>;
}

export interface BusMock {
  /** Its well-known name. */
  readonly name: string;
  readonly pid: number;
  /** Ends it as a crash does, and waits until the bus has noticed. */
  stop(): Promise<void>;
}

export interface BusOptions {
  /**
   * Policy files to include. With any the bus is as strict as a system bus: nothing may be owned or called but what they
   * allow, and what is in `org.freedesktop` for mocks. Without any everyone may do everything.
   */
  policies?: string[];
}

const BUS = "org.freedesktop.DBus";
const TRIES = 400;

export async function withBus<T>(body: (bus: TestBus) => Promise<T>, options: BusOptions = {}): Promise<T> {
  return withFolder(async (folder) => {
    const bus = await startBus(folder, options);
    try {
      return await body(bus);
    } finally {
      await bus.kill();
    }
  });
}

/** A bus whose socket and configuration lie in `folder`; `kill` is its caller's to call. */
export async function startBus(folder: string, { policies = [] }: BusOptions = {}): Promise<TestBus> {
  const bus = new PrivateBus(folder, policies);
  await bus.restart();
  return bus;
}

class PrivateBus implements TestBus {
  readonly address: string;
  readonly folder: string;
  readonly #policies: readonly string[];
  readonly #mocks = new Set<MockProcess>();
  #daemon: ChildProcess | undefined;

  constructor(folder: string, policies: readonly string[]) {
    this.folder = folder;
    this.address = `unix:path=${join(folder, "bus.sock")}`;
    this.#policies = policies;
  }

  async restart(): Promise<void> {
    await this.kill();
    // Other users have to reach the socket.
    await chmod(this.folder, 0o755);
    await writeFile(join(this.folder, "bus.conf"), busConfig(this.address, this.#policies));
    const args = ["--config-file", join(this.folder, "bus.conf"), "--nofork", "--nopidfile", "--print-address=1"];
    const daemon = spawn("dbus-daemon", args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#daemon = daemon;
    let errors = "";
    daemon.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    await new Promise<void>((ready, reject) => {
      daemon.stdout.once("data", () => ready());
      daemon.once("error", reject);
      daemon.once("exit", () => reject(new Error(`dbus-daemon ended: ${errors}`)));
    });
  }

  async kill(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon) await endProcess(daemon);
    await Promise.all([...this.#mocks].map((mock) => mock.end()));
    this.#mocks.clear();
    await rm(join(this.folder, "bus.sock"), { force: true });
  }

  async mock(...args: string[]): Promise<BusMock> {
    const mock = new MockProcess(this, args);
    this.#mocks.add(mock);
    await mock.answers();
    return mock;
  }

  async gdbus(verb: string, ...args: string[]): Promise<string> {
    return (await execa("gdbus", [verb, "--address", this.address, ...args], { stdin: "ignore", timeout: 120_000 }))
      .stdout;
  }

  call(destination: string, path: string, method: string, ...args: string[]): Promise<string> {
    return this.gdbus("call", "--dest", destination, "--object-path", path, "--method", method, "--", ...args);
  }

  async send(...args: string[]): Promise<string> {
    return (await execa("dbus-send", [`--bus=${this.address}`, ...args], { stdin: "ignore", timeout: 120_000 })).stdout;
  }
}

class MockProcess implements BusMock {
  name = "";
  readonly #bus: PrivateBus;
  readonly #child: ChildProcess;
  #errors = "";

  constructor(bus: PrivateBus, args: readonly string[]) {
    this.#bus = bus;
    // Debian's own interpreter: another one does not find Debian's modules.
    this.#child = spawn("/usr/bin/python3", ["-m", "dbusmock", ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: bus.address, DBUS_SESSION_BUS_ADDRESS: bus.address },
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-16 * 1024);
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Waits until it owns its name and its template is loaded: before that it answers nothing. */
  async answers(): Promise<void> {
    for (let tries = 0; tries < TRIES && this.#child.exitCode === null; tries += 1) {
      this.name = (await this.#ownedName()) ?? "";
      if (this.name !== "") return void (await this.#bus.call(this.name, "/", "org.freedesktop.DBus.Peer.Ping"));
      await sleep(25);
    }
    throw new Error(`the mock has not come up: ${this.#errors}`);
  }

  async stop(): Promise<void> {
    await this.end();
    for (let tries = 0; tries < TRIES; tries += 1) {
      const there = await this.#bus.call(BUS, "/org/freedesktop/DBus", `${BUS}.NameHasOwner`, this.name);
      if (there.includes("false")) return;
      await sleep(25);
    }
    throw new Error(`${this.name} has not left the bus`);
  }

  end(): Promise<void> {
    return endProcess(this.#child);
  }

  async #ownedName(): Promise<string | undefined> {
    const listed = await this.#bus.call(BUS, "/org/freedesktop/DBus", `${BUS}.ListNames`);
    const names = [...listed.matchAll(/'([A-Za-z_][^']*)'/g)].map(([, name]) => name as string);
    for (const name of names.filter((known) => known !== BUS)) {
      // It may have left the bus since.
      const reply = await this.#bus
        .call(BUS, "/org/freedesktop/DBus", `${BUS}.GetConnectionUnixProcessID`, name)
        .catch(() => "");
      if (reply.includes(` ${this.pid},`)) return name;
    }
    return undefined;
  }
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

function busConfig(address: string, policies: readonly string[]): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>${address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
${policies.length > 0 ? AS_A_SYSTEM_BUS : EVERYTHING}
  </policy>
${policies.map((path) => `  <include>${resolve(path)}</include>`).join("\n")}
</busconfig>
`;
}

const EVERYTHING = `    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>`;

/** The rules of /usr/share/dbus-1/system.conf, and room for mocks. */
const AS_A_SYSTEM_BUS = `    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow own_prefix="org.freedesktop"/>
    <allow own_prefix="org.fedoraproject"/>
    <allow send_destination_prefix="org.freedesktop"/>
    <allow send_destination_prefix="org.fedoraproject"/>`;
