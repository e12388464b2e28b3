// The real firewalld on a private bus, in a network namespace and with a configuration of its own: neither the machine's
// packet filter nor its firewalld, if it has one, is touched. The daemon's code comes with Debian's python3-firewall.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import type { Part } from "./require-part.js";
import type { TestBus } from "./with-bus.js";

export const FIREWALLD: Part = {
  name: "firewalld's code with nftables in a network namespace",
  howToGet: "as root: apt-get install python3-firewall python3-nftables util-linux, on a kernel with nf_tables",
  isThere: async () => (await execa("unshare", ["--net", PYTHON, "-c", PROBE], { reject: false })).exitCode === 0,
};

export interface TestFirewalld {
  /** `firewalld("zone.addService", "public", "http", "0")`: a method below org.fedoraproject.FirewallD1. */
  call(method: string, ...args: string[]): Promise<string>;
  /** Ends it as systemd does; it takes its rules along. */
  stop(): Promise<void>;
}

/** Debian's own interpreter: another one does not find Debian's modules. */
const PYTHON = "/usr/bin/python3";
const PROBE = `
import firewall.server.server, nftables, sys
sys.exit(nftables.Nftables().cmd("add table inet isochron_probe")[0])
`;
const RUN = `
import sys
from firewall import config
from firewall.core.logger import log
config.set_system_config_paths(sys.argv[1])
config.set_default_config_paths(sys.argv[2])
log.setInfoLogging("*", log.stderr)
from firewall.server import server
server.run_server()
`;

const POLICY = '<policy target="CONTINUE"><ingress-zone name="public"/><egress-zone name="HOST"/></policy>';

const NAME = "org.fedoraproject.FirewallD1";
const PATH = "/org/fedoraproject/FirewallD1";
const TRIES = 1200;

/** Zones `public` (default, with ssh), `block`, `drop`, `trusted`; policy `inwards`; services ssh and http. */
export async function startFirewalld(bus: TestBus): Promise<TestFirewalld> {
  const { system, defaults } = await writeConfig(join(bus.folder, "firewalld"));
  const child = spawn("unshare", ["--net", PYTHON, "-c", RUN, system, defaults], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: bus.address },
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-16 * 1024);
  });
  const call = (method: string, ...args: string[]) => bus.call(NAME, PATH, `${NAME}.${method}`, ...args);
  for (let tries = 0; tries < TRIES && child.exitCode === null; tries += 1) {
    const there = await call("getDefaultZone").then(
      () => true,
      () => false,
    );
    if (there) return { call, stop: () => end(child) };
    await sleep(50);
  }
  await end(child);
  throw new Error(`firewalld has not come up: ${said}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

async function writeConfig(folder: string): Promise<{ system: string; defaults: string }> {
  const [system, defaults] = [join(folder, "etc"), join(folder, "lib")];
  const files: [string, string][] = [
    [join(system, "firewalld.conf"), "DefaultZone=public\nFirewallBackend=nftables\nIPv6_rpfilter=no\n"],
    [join(defaults, "zones", "public.xml"), '<zone><service name="ssh"/></zone>'],
    [join(defaults, "zones", "block.xml"), '<zone target="%%REJECT%%"/>'],
    [join(defaults, "zones", "drop.xml"), '<zone target="DROP"/>'],
    [join(defaults, "zones", "trusted.xml"), '<zone target="ACCEPT"/>'],
    [join(defaults, "policies", "inwards.xml"), POLICY],
    [join(defaults, "services", "ssh.xml"), '<service><port protocol="tcp" port="22"/></service>'],
    [join(defaults, "services", "http.xml"), '<service><port protocol="tcp" port="80"/></service>'],
  ];
  for (const [path, text] of files) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${text}\n`);
  }
  return { system, defaults };
}
