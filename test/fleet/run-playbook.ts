// Ansible as an operator runs it, standing in the network of the hosts: an inventory, pinned host keys, and what came of a run.
import { appendFile, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { stringify } from "yaml";
import type { NspawnHost } from "./nspawn-host.js";
import type { Zone } from "./start-zone.js";

export interface Controller {
  zone: Zone;
  /** Its files: inventory, keys, known hosts. */
  folder: string;
  primaries: readonly NspawnHost[];
  replicas: readonly NspawnHost[];
  /** Variables of all hosts; a later run may have others. */
  variables: Record<string, unknown>;
  /** Variables of one host. */
  ofHost: Record<string, Record<string, unknown>>;
  say: (line: string) => void;
}

export interface PlayResult {
  exitCode: number | undefined;
  /** All that was printed. */
  output: string;
  recap: Record<string, { changed: number; failed: number; unreachable: number; rescued: number }>;
}

const ANSIBLE = fileURLToPath(new URL("../../../ansible/", import.meta.url));
const PATIENCE_MS = 30 * 60_000;
/** A folder for what the playbooks print, else shown only where one fails. */
const LOGS = process.env.ISOCHRON_TEST_LOGS;

/** Runs a playbook to its end; a failure is an exit code. */
export async function runPlaybook(controller: Controller, playbook: string, ...args: string[]): Promise<PlayResult> {
  const inventory = await writeInventory(controller);
  const [nsenter = "", ...enter] = controller.zone.onNetwork;
  const command = [...enter, "ansible-playbook", "--inventory", inventory, playbook, ...args];
  // Connections are kept open for a while. Those of another run may lead to a host that was since wiped.
  const connections = await mkdtemp(join(controller.folder, "cp"));
  const since = performance.now();
  const result = await execa(nsenter, command, {
    cwd: ANSIBLE,
    reject: false,
    all: true,
    stdin: "ignore",
    timeout: PATIENCE_MS,
    env: {
      ANSIBLE_LOCAL_TEMP: join(controller.folder, "ansible"),
      ANSIBLE_SSH_CONTROL_PATH_DIR: connections,
      ANSIBLE_SSH_ARGS: "-o ControlMaster=auto -o ControlPersist=30s",
      ANSIBLE_NOCOLOR: "1",
      LC_ALL: "C.UTF-8",
    },
  });
  const seconds = Math.round((performance.now() - since) / 1000);
  controller.say(`${[playbook, ...args].join(" ")}: ${seconds} s`);
  if (LOGS) {
    await mkdir(LOGS, { recursive: true });
    await appendFile(join(LOGS, "playbooks.log"), `\n$ ${[playbook, ...args].join(" ")}\n${result.all}\n`);
  }
  return { exitCode: result.exitCode, output: result.all, recap: readRecap(result.all) };
}

/** @throws unless it ends well, with the end of what it printed */
export async function mustPlay(controller: Controller, playbook: string, ...args: string[]): Promise<PlayResult> {
  const result = await runPlaybook(controller, playbook, ...args);
  if (result.exitCode !== 0)
    throw new Error(`${playbook} ended with ${result.exitCode}:\n${result.output.slice(-6000)}`);
  return result;
}

/** Changes of all hosts together. */
export function changesOf({ recap }: PlayResult): number {
  return Object.values(recap).reduce((sum, { changed }) => sum + changed, 0);
}

/** Host keys are read on the hosts themselves, as an operator does who has installed them. */
async function writeInventory(controller: Controller): Promise<string> {
  const { folder, primaries, replicas, variables, ofHost } = controller;
  const known: string[] = [];
  const hosts = (list: readonly NspawnHost[]) =>
    Object.fromEntries(list.map(({ name, address }) => [name, { ansible_host: address, ...ofHost[name] }]));
  for (const host of [...primaries, ...replicas]) {
    if (host.hostKey) known.push(`${host.address} ${host.hostKey}`);
  }
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "known_hosts"), `${known.join("\n")}\n`);
  const inventory = {
    all: {
      vars: {
        ansible_user: "root",
        ansible_ssh_private_key_file: join(folder, "admin-key"),
        ansible_ssh_common_args: `-o UserKnownHostsFile=${join(folder, "known_hosts")} -o GlobalKnownHostsFile=/dev/null`,
        ...variables,
      },
      children: { isochron_primaries: { hosts: hosts(primaries) }, isochron_replicas: { hosts: hosts(replicas) } },
    },
  };
  await writeFile(join(folder, "hosts.yml"), stringify(inventory));
  return join(folder, "hosts.yml");
}

function readRecap(output: string): PlayResult["recap"] {
  const recap: PlayResult["recap"] = {};
  const line = /^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)\s+skipped=\d+\s+rescued=(\d+)/gm;
  for (const [, host = "", changed, unreachable, failed, rescued] of output.matchAll(line)) {
    recap[host] = {
      changed: Number(changed),
      unreachable: Number(unreachable),
      failed: Number(failed),
      rescued: Number(rescued),
    };
  }
  return recap;
}
