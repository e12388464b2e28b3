// Both daemons on a private system bus, asked by gdbus, busctl and a client of many calls at a time; with the policy files
// as they are shipped, and on a bus that would let everyone do everything.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { execa } from "execa";
import type { AckLine } from "../../primary/sources/lines/format-ack.js";
import { BusConnection } from "../../shared/dbus/bus-connection.js";
import {
  eventually,
  expectConverged,
  ingest,
  linkBecomes,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
} from "../support/drive-fleet.js";
import { program, ROOT, requirePart } from "../support/require-part.js";
import { bothAnswer, type Fleet, REPLICA_NAME, replicaAnswers, withFleet } from "../support/start-fleet.js";
import { type TestBus, withBus } from "../support/with-bus.js";
import { withFolder } from "../support/with-folder.js";

const PARTS = [
  ROOT,
  program("dbus-daemon", "dbus"),
  program("gdbus", "libglib2.0-bin"),
  program("busctl", "systemd"),
  program("setpriv", "util-linux"),
];
const POLICIES = [
  "primary/face/dev.isochron.Primary1.conf",
  "replica/face/dev.isochron.Replica1.conf",
  "shared/dbus/dev.ovs.PortAgent1.conf",
];
/** Stands for the group isochron, which this machine need not have; Debian has a user and a group of this name. */
const MEMBER = "games";
const STRANGER = "nobody";

const PRIMARY = ["dev.isochron.Primary1", "/dev/isochron/Primary1"] as const;
const REPLICA = ["dev.isochron.Replica1", "/dev/isochron/Replica1"] as const;
const PORT_AGENT = ["dev.ovs.PortAgent1", "/dev/ovs/PortAgent1"] as const;
type Served = typeof PRIMARY | typeof REPLICA | typeof PORT_AGENT;

interface Ran {
  stdout: string;
  stderr: string;
  exitCode: number | undefined;
}

/** A fleet on a bus: its clients as their users start them, with the bus as the system bus. */
class BusFleet {
  readonly bus: TestBus;
  readonly fleet: Fleet;

  constructor(bus: TestBus, fleet: Fleet) {
    this.bus = bus;
    this.fleet = fleet;
  }

  /** A command line of a shell. */
  shell(line: string): Promise<Ran> {
    return this.#run("sh", ["-c", line]);
  }

  gdbus([name, path]: Served, method: string, ...args: string[]): Promise<Ran> {
    return this.#run("gdbus", gdbusCall(name, path, method, args));
  }

  /** As another user, in that user's own group only. */
  as(user: string, [name, path]: Served, method: string, ...args: string[]): Promise<Ran> {
    const group = user === STRANGER ? "nogroup" : user;
    const others = [`--reuid=${user}`, `--regid=${group}`, "--clear-groups", "gdbus"];
    return this.#run("setpriv", [...others, ...gdbusCall(name, path, method, args)]);
  }

  /** The one text that a method gives. */
  async json(served: Served, method: string, ...args: string[]): Promise<Answer> {
    const { stdout, stderr, exitCode } = await this.gdbus(served, method, ...args);
    assert.equal(exitCode, 0, stderr);
    return parseTuple(stdout) as Answer;
  }

  /** Waits until somebody answers under the name. */
  isServed(served: Served): Promise<void> {
    return eventually(
      async () => (await this.gdbus(served, "org.freedesktop.DBus.Peer.Ping")).exitCode === 0,
      () => `${served[0]} is not served`,
    );
  }

  busctl(...args: string[]): Promise<Ran> {
    return this.#run("busctl", ["--system", ...args]);
  }

  async property([name, path]: Served, property: string): Promise<string> {
    const { stdout, stderr, exitCode } = await this.busctl("get-property", name, path, name, property);
    assert.equal(exitCode, 0, stderr);
    return stdout;
  }

  async #run(file: string, args: string[]): Promise<Ran> {
    const env = { DBUS_SYSTEM_BUS_ADDRESS: this.bus.address };
    const { stdout, stderr, exitCode } = await execa(file, args, {
      env,
      reject: false,
      stdin: "ignore",
      timeout: 150_000,
    });
    return { stdout, stderr, exitCode };
  }
}

interface Answer {
  results: { seq: number; hash: string; element_id: string; actor: string }[];
  cursor?: string;
  [field: string]: unknown;
}

function gdbusCall(name: string, path: string, method: string, args: string[]): string[] {
  return ["call", "--system", "--timeout", "120", "--dest", name, "--object-path", path, "--method", method, ...args];
}

/** `('{"a":"it\\'s"}',)`: a tuple of one string in GVariant's text form, which holds JSON. */
function parseTuple(text: string): unknown {
  const quoted = /^\((['"])(.*)\1,\)$/s.exec(text.trim())?.[2];
  assert.ok(quoted !== undefined, `no tuple of one text: ${text}`);
  return JSON.parse(quoted.replaceAll(/\\(.)/gs, "$1"));
}

async function haveParts(t: TestContext): Promise<boolean> {
  for (const part of PARTS) if (!(await requirePart(t, part))) return false;
  return true;
}

interface Options {
  policies?: string[];
  primaryDbus?: object;
}

function onBus({ policies, primaryDbus = {} }: Options, body: (on: BusFleet) => Promise<void>): Promise<void> {
  const run = (bus: TestBus) => {
    const dbus = { address: bus.address };
    const primary = { ...QUIET, dbus: { ...dbus, ...primaryDbus } };
    // A daemon serves before it is on the bus; of two that want one name, it is the replica's.
    const start = async (fleet: Fleet) => {
      const on = new BusFleet(bus, fleet);
      await fleet.replica.daemon.start();
      for (const served of [REPLICA, PORT_AGENT]) await on.isServed(served);
      await fleet.primary.daemon.start();
      await on.isServed(PRIMARY);
    };
    const options = { volume: "256M", primary, replica: { dbus } };
    return withFleet(options, (fleet) => body(new BusFleet(bus, fleet)), start);
  };
  return withBus(run, policies ? { policies } : {});
}

/** The shipped policy files, with a group that is on this machine. */
async function withPolicies<T>(body: (policies: string[]) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const copies = POLICIES.map(async (path) => {
      const copy = join(folder, path.replaceAll("/", "_"));
      const shipped = await readFile(path, "utf8");
      assert.match(shipped, /<policy group="isochron">/);
      await writeFile(copy, shipped.replace('group="isochron"', `group="${MEMBER}"`));
      return copy;
    });
    return body(await Promise.all(copies));
  });
}

const NETWORK_EVENTS = [
  ...someEvents(12, "mtu"),
  {
    ...{ element_id: "ovs-bridge:br0", element_type: "OvsBridge", action: "created", actor: "ovs" },
    reason: "bridge configuration issues were found",
    state_snapshot: { name: "br0", ports: ["eth0"] },
  },
  { element_id: "ovs-port:br0/gone", element_type: "OvsPort", action: "deleted", state_snapshot: {} },
  { element_id: "unit:nginx.service", element_type: "SystemdUnit", action: "started", state_snapshot: { on: true } },
];

test("both daemons on a bus with the shipped policies", async (t) => {
  if (!(await haveParts(t))) return;
  await withPolicies((policies) =>
    onBus({ policies }, async (on) => {
      await ingest(on.fleet, NETWORK_EVENTS);
      await seal(on.fleet);
      await bothAnswer(on.fleet, NETWORK_EVENTS.length + 1);
      await t.test("requirement 4.9: the papers' own gdbus lines work as printed", () => askAsPrinted(on));
      await t.test("requirement 4.9: the network's state is that of its elements' latest events", () => askNetwork(on));
      await t.test("requirement 4.9: each method answers under its name in CamelCase too", () => askInCamelCase(on));
      await t.test("gdbus and busctl read the introspection of all three objects", () => introspect(on));
      await t.test("every query of the command line is a method, and pages go on by cursor", () => askQueries(on));
      await t.test("a wrong option is refused with the query's own words", () => askWrongly(on));
      await t.test("properties are read by busctl, and cannot be set by anyone", () => setProperties(on));
      await t.test("a member of the group may ask and write events, and nothing else", () => callAsMember(on));
      await t.test("anyone else may call nothing, nor own a name", () => callAsStranger(on));
      await t.test("an operator seals, pushes, asks for a resync and verifies, on both sides", () => operate(on));
      await t.test("a bad event is refused by the field that is wrong", () => addBadEvents(on));
      await t.test("appended events and changed properties are told to who listens", () => listen(on));
      await expectConverged(on.fleet);
    }),
  );
});

async function askAsPrinted(on: BusFleet): Promise<void> {
  const call =
    "gdbus call --system --dest dev.ovs.PortAgent1 --object-path /dev/ovs/PortAgent1 --method dev.ovs.PortAgent1";
  const lines = [
    'semantic_search "find bridge configuration issues" 10',
    'semantic_query "find bridge configuration issues" 10',
    'find_similar_configs "interface:eth0" 5',
    'find_similar_config "interface:eth0" 5',
    "detect_anomalies 24",
    'detect_anomalies "24h"',
    "get_blockchain_stats",
    "get_system_network_state",
  ];
  const answers = new Map<string, Answer>();
  for (const line of lines) {
    const { stdout, stderr, exitCode } = await on.shell(`${call}.${line}`);
    assert.equal(exitCode, 0, `${line}: ${stderr}`);
    answers.set(line, parseTuple(stdout) as Answer);
  }
  assert.equal(answers.get(lines[0] as string)?.results[0]?.element_id, "ovs-bridge:br0");
  assert.deepEqual(answers.get(lines[1] as string)?.results, answers.get(lines[0] as string)?.results);
  const similar = answers.get(lines[2] as string)?.results ?? [];
  assert.equal(similar.length, 5);
  assert.deepEqual(answers.get(lines[3] as string)?.results, similar);
  assert.ok(Array.isArray(answers.get("detect_anomalies 24")?.results));
  assert.equal(answers.get("get_blockchain_stats")?.size, NETWORK_EVENTS.length + 1);
  assert.ok(answers.get("get_system_network_state")?.stores);
}

async function askNetwork(on: BusFleet): Promise<void> {
  const { stores } = (await on.json(PORT_AGENT, "dev.ovs.PortAgent1.get_system_network_state")) as unknown as {
    stores: { origin: string; network: Record<string, { element_id: string; state: { mtu?: number } }[]> }[];
  };
  assert.equal(stores.length, 1);
  assert.equal(stores[0]?.origin, on.fleet.origin);
  const network = Object.entries(stores[0]?.network ?? {}).filter(([, elements]) => elements.length > 0);
  assert.deepEqual(
    network.map(([type, elements]) => [type, elements.map(({ element_id: id }) => id)]),
    [
      ["NetworkInterface", ["interface:eth0", "interface:eth1", "interface:eth2", "interface:eth3"]],
      ["OvsBridge", ["ovs-bridge:br0"]],
    ],
  );
  assert.deepEqual(
    network[0]?.[1].map(({ state }) => state.mtu),
    [1508, 1509, 1510, 1511],
  );
}

async function askInCamelCase(on: BusFleet): Promise<void> {
  const asked: [string, ...string[]][] = [
    ["GetBlockchainStats"],
    ["GetSystemNetworkState"],
    ["SemanticQuery", "bridge", "3"],
    ["SemanticSearch", "bridge", "3"],
    ["FindSimilarConfigs", "interface:eth0", "2"],
    ["FindSimilarConfig", "interface:eth0", "2"],
    ["DetectAnomalies", "24h"],
  ];
  for (const [method, ...args] of asked) assert.ok(await on.json(PORT_AGENT, `dev.ovs.PortAgent1.${method}`, ...args));
}

async function introspect(on: BusFleet): Promise<void> {
  const expected = new Map<Served, string[]>([
    [PRIMARY, ["dev.isochron.Primary1.Ingest", "dev.isochron.Primary1.Query", "dev.isochron.Primary1.Admin"]],
    [REPLICA, ["dev.isochron.Replica1.Query", "dev.isochron.Replica1.Admin"]],
    [PORT_AGENT, ["dev.ovs.PortAgent1"]],
  ]);
  for (const [[name, path], interfaces] of expected) {
    const { stdout, stderr, exitCode } = await on.shell(
      `gdbus introspect --system --dest ${name} --object-path ${path}`,
    );
    assert.equal(exitCode, 0, stderr);
    const seen = await on.busctl("introspect", name, path);
    assert.equal(seen.exitCode, 0, seen.stderr);
    for (const served of ["org.freedesktop.DBus.Properties", ...interfaces]) {
      assert.match(stdout, new RegExp(`interface ${served.replaceAll(".", "\\.")} \\{`));
      assert.match(seen.stdout, new RegExp(`^${served.replaceAll(".", "\\.")} `, "m"));
    }
  }
  const { stdout } = await on.busctl("tree", "--list", PRIMARY[0]);
  assert.match(stdout, /^\/dev\/isochron\/Primary1$/m);
}

async function askQueries(on: BusFleet): Promise<void> {
  for (const served of [PRIMARY, REPLICA]) {
    const query = (method: string, ...args: string[]) => on.json(served, `${served[0]}.Query.${method}`, ...args);
    const first = await query("Chain", "interface:eth0", "{'limit': <2>}");
    const second = await query("Chain", "interface:eth0", `{'limit': <'2'>, 'cursor': <'${first.cursor}'>}`);
    assert.deepEqual(
      [...first.results, ...second.results].map(({ seq }) => seq),
      [0, 4, 8],
    );
    const reversed = await query("Timeline", "{'reverse': <true>, 'limit': <uint32 3>, 'type': <'NetworkInterface'>}");
    assert.deepEqual(
      reversed.results.map(({ seq }) => seq),
      [11, 10, 9],
    );
    const [event] = (await query("Event", "12", "{}")).results as unknown as { hash: string }[];
    assert.deepEqual((await query("Event", event?.hash as string, "{}")).results, [event]);
    assert.equal((await query("State", "interface:eth1", "{'height': <uint64 0>}")).results[0]?.seq, 1);
    assert.equal((await query("Similar", "0", "{'limit': <4>}")).results.length, 4);
    assert.equal((await query("Search", "bridge issues", "{}")).results[0]?.seq, 12);
    assert.ok((await query("Elements", "{'type': <'OvsBridge,OvsPort'>}")).results.length === 2);
    assert.ok(Array.isArray((await query("Anomalies", "{'window': <'24h'>}")).results));
    assert.equal((await query("Stats", `{'store': <'${on.fleet.origin}'>}`)).size, NETWORK_EVENTS.length + 1);
    assert.ok((await query("Status")).stores);
  }
}

async function askWrongly(on: BusFleet): Promise<void> {
  const wrong: [RegExp, string, ...string[]][] = [
    [/dev\.isochron\.Error\.BadParameter: limit is "0".*give 1 to 1000/, "Chain", "interface:eth0", "{'limit': <0>}"],
    [/BadParameter: colour is "red".*the parameters are: /, "Timeline", "{'colour': <'red'>}"],
    [/BadParameter: element is given twice/, "Chain", "interface:eth0", "{'element': <'x'>}"],
    [/InvalidArgs: option limit is of type as/, "Chain", "interface:eth0", "{'limit': <['x']>}"],
    [/dev\.isochron\.Error\.UnknownElement/, "Chain", "interface:none", "{}"],
    [/dev\.isochron\.Error\.UnknownStore/, "Stats", "{'store': <'none'>}"],
  ];
  for (const [message, method, ...args] of wrong) {
    const { stderr, exitCode } = await on.gdbus(REPLICA, `${REPLICA[0]}.Query.${method}`, ...args);
    assert.equal(exitCode, 1);
    assert.match(stderr, message);
  }
}

async function setProperties(on: BusFleet): Promise<void> {
  await linkBecomes(on.fleet, ({ health }) => health === "healthy");
  assert.equal(await on.property(PRIMARY, "Origin"), `s "${on.fleet.origin}"`);
  assert.equal(await on.property(PRIMARY, "PublicKey"), `s "${on.fleet.vkey}"`);
  assert.equal(await on.property(PRIMARY, "Generation"), "t 1");
  assert.equal(await on.property(PRIMARY, "SealedSize"), `t ${NETWORK_EVENTS.length + 1}`);
  assert.equal(await on.property(PRIMARY, "Replicas"), `a{ss} 1 "${REPLICA_NAME}" "healthy"`);
  assert.match(
    await on.property(REPLICA, "Stores"),
    new RegExp(` 1 ${NETWORK_EVENTS.length + 1} "${on.fleet.origin}"$`),
  );
  for (const served of [PRIMARY, REPLICA]) {
    const before = await on.property(served, "Version");
    const { exitCode } = await on.busctl("set-property", served[0], served[1], served[0], "Version", "s", "forged");
    assert.notEqual(exitCode, 0);
    assert.equal(await on.property(served, "Version"), before);
  }
}

const ACCESS_DENIED = /org\.freedesktop\.DBus\.Error\.AccessDenied: Rejected send message/;

async function mayCall(ran: Promise<Ran>): Promise<string> {
  const { stdout, stderr, exitCode } = await ran;
  assert.equal(exitCode, 0, stderr);
  return stdout;
}

async function mayNotCall(ran: Promise<Ran>, message = ACCESS_DENIED): Promise<void> {
  const { stderr, exitCode } = await ran;
  assert.equal(exitCode, 1);
  assert.match(stderr, message);
}

async function callAsMember(on: BusFleet): Promise<void> {
  const as = (served: Served, method: string, ...args: string[]) => on.as(MEMBER, served, method, ...args);
  for (const served of [PRIMARY, REPLICA]) {
    await mayCall(as(served, `${served[0]}.Query.Status`));
    await mayCall(as(served, "org.freedesktop.DBus.Properties.GetAll", served[0]));
    await mayNotCall(as(served, "org.freedesktop.DBus.Properties.Set", served[0], "Version", "<'forged'>"));
  }
  await mayCall(as(PORT_AGENT, "dev.ovs.PortAgent1.semantic_search", "bridge", "3"));
  await mayNotCall(as(PRIMARY, `${PRIMARY[0]}.Admin.Seal`, "true"));
  await mayNotCall(as(REPLICA, `${REPLICA[0]}.Admin.Resync`, "", "true"));
  const event = { element_id: "note:1", element_type: "Note", action: "written", state_snapshot: {} };
  const stdout = await mayCall(as(PRIMARY, `${PRIMARY[0]}.Ingest.AddEvent`, JSON.stringify(event)));
  const seq = /^\(uint64 (\d+), '[0-9a-f]{64}'\)$/.exec(stdout.trim())?.[1];
  assert.ok(seq, stdout);
  await seal(on.fleet);
  await replicaAnswers(on.fleet, Number(seq) + 2);
  const { results } = await on.json(REPLICA, `${REPLICA[0]}.Query.Event`, seq, "{}");
  const { stdout: uid } = await on.shell(`id -u ${MEMBER}`);
  assert.equal(results[0]?.actor, `uid:${uid}`);
}

async function callAsStranger(on: BusFleet): Promise<void> {
  const as = (served: Served, method: string, ...args: string[]) => on.as(STRANGER, served, method, ...args);
  for (const served of [PRIMARY, REPLICA]) {
    await mayNotCall(as(served, `${served[0]}.Query.Status`));
    await mayNotCall(as(served, "org.freedesktop.DBus.Properties.GetAll", served[0]));
    await mayNotCall(as(served, "org.freedesktop.DBus.Introspectable.Introspect"));
  }
  await mayNotCall(as(PRIMARY, `${PRIMARY[0]}.Ingest.AddEvent`, "{}"));
  await mayNotCall(as(PRIMARY, `${PRIMARY[0]}.Admin.Seal`, "true"));
  await mayNotCall(as(PORT_AGENT, "dev.ovs.PortAgent1.get_blockchain_stats"));
  const bus = ["org.freedesktop.DBus", "/org/freedesktop/DBus"] as unknown as Served;
  for (const [name] of [PRIMARY, REPLICA, PORT_AGENT]) {
    const own = on.as(MEMBER, bus, "org.freedesktop.DBus.RequestName", name, "4");
    await mayNotCall(own, /AccessDenied: .*is not allowed to own/);
  }
}

async function operate(on: BusFleet): Promise<void> {
  const admin = (method: string, ...args: string[]) => on.gdbus(PRIMARY, `${PRIMARY[0]}.Admin.${method}`, ...args);
  const before = (await primaryStatus(on.fleet)).ledger.generation;
  const sealed = parseTuple(await mayCall(admin("Seal", "true"))) as { sealed: boolean; generation: number };
  assert.deepEqual([sealed.sealed, sealed.generation], [true, before + 1]);
  assert.deepEqual(parseTuple(await mayCall(admin("Seal", "false"))), {
    sealed: false,
    reason: "nothing new since the last seal",
  });
  assert.equal((await mayCall(admin("Push", REPLICA_NAME))).trim(), "()");
  await mayNotCall(admin("Push", "none"), /dev\.isochron\.Error\.UnknownReplica: .*configured: replica-1/);
  await expectConverged(on.fleet);
  const plan = parseTuple(await mayCall(admin("Resync", REPLICA_NAME, "true", "true"))) as { plan: { kind: string } };
  assert.equal(plan.plan.kind, "full");
  const fill = parseTuple(await mayCall(admin("Reembed", "heuristic", "true"))) as {
    dry_run: boolean;
    missing: number;
  };
  assert.deepEqual([fill.dry_run, fill.missing], [true, 0]);
  await mayNotCall(
    admin("Reembed", "no-such-space", "true"),
    /dev\.isochron\.Error\.UnknownSpace: .*those there are: heuristic/,
  );
  // One behind the other on one connection: the second is there before the first can have been answered.
  const client = await BusConnection.connect({ address: on.bus.address });
  const target = { destination: PRIMARY[0], path: PRIMARY[1], interface: `${PRIMARY[0]}.Admin`, member: "Verify" };
  const verify = () => client.call({ ...target, timeoutMs: 300_000 });
  const [done, refused] = await Promise.allSettled([verify(), verify()]);
  client.close();
  assert.equal(done.status, "fulfilled", String((done as PromiseRejectedResult).reason));
  assert.equal(JSON.parse((done as PromiseFulfilledResult<unknown[]>).value[0] as string).verdict, "intact");
  assert.match(String((refused as PromiseRejectedResult).reason), /a verification is under way/);
  assert.equal((refused as PromiseRejectedResult).reason.errorName, "dev.isochron.Error.Busy");
  const found = await on.json(REPLICA, `${REPLICA[0]}.Admin.Verify`, "");
  assert.deepEqual([found.verdict, found.generation], ["intact", before + 1]);
  const asked = await on.json(REPLICA, `${REPLICA[0]}.Admin.Resync`, "", "false");
  assert.equal((asked.asked as unknown as string[]).length, 1);
  await mayNotCall(on.gdbus(REPLICA, `${REPLICA[0]}.Admin.Verify`, '"--root=/"'), /VerifyFailed: .*there is no store/s);
}

async function addBadEvents(on: BusFleet): Promise<void> {
  const add = (json: string) => on.gdbus(PRIMARY, `${PRIMARY[0]}.Ingest.AddEvent`, json);
  const missing = '{"element_id":"a","action":"modified"}';
  await mayNotCall(add(missing), /dev\.isochron\.Error\.MissingField: element_type: it is missing/);
  const unknown = '{"element_id":"a","element_type":"T","action":"x","colour":"red"}';
  await mayNotCall(add(unknown), /dev\.isochron\.Error\.UnknownField: colour: .*hint: /);
  const good = '{"element_id":"note:2","element_type":"Note","action":"written"}';
  const stdout = await mayCall(on.gdbus(PRIMARY, `${PRIMARY[0]}.Ingest.AddEvents`, JSON.stringify([good, missing])));
  const [first, second] = parseTuple(stdout) as AckLine[];
  assert.ok(first && "seq" in first && first.line === 1);
  assert.ok(second && "error" in second && second.error.field === "element_type" && second.line === 2);
}

async function listen(on: BusFleet): Promise<void> {
  const monitors = await Promise.all([PRIMARY, REPLICA].map(([name]) => startMonitor(on, name)));
  const [ofPrimary, ofReplica] = monitors as [Monitor, Monitor];
  try {
    const [ack] = await ingest(on.fleet, someEvents(1, "listened"));
    const seq = ack?.seq ?? -1;
    await ofPrimary.hears(new RegExp(`dev\\.isochron\\.Primary1\\.Applied \\(uint64 ${seq},\\)`));
    await ofPrimary.hears(
      new RegExp(`PropertiesChanged \\('dev\\.isochron\\.Primary1', \\{.*'LedgerSize': <uint64 ${seq + 1}>`),
    );
    const generation = await seal(on.fleet);
    await ofPrimary.hears(new RegExp(`'Generation': <uint64 ${generation}>`));
    await ofReplica.hears(new RegExp(`dev\\.isochron\\.Replica1\\.Applied \\(uint64 ${seq + 1},\\)`));
    await ofReplica.hears(
      new RegExp(`dev\\.isochron\\.Replica1\\.StoreApplied \\('[0-9a-f-]{36}', uint64 ${seq + 1}\\)`),
    );
    await ofReplica.hears(/PropertiesChanged \('dev\.isochron\.Replica1', .*\['Stores'\]/);
    assert.doesNotMatch(ofPrimary.heard + ofReplica.heard, /replica-1|host1/, "a broadcast names a host");
  } finally {
    for (const monitor of monitors) await monitor.stop();
  }
}

interface Monitor {
  heard: string;
  hears(what: RegExp): Promise<void>;
  stop(): Promise<void>;
}

async function startMonitor(on: BusFleet, name: string): Promise<Monitor> {
  const child = spawn("gdbus", ["monitor", "--address", on.bus.address, "--dest", name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const monitor: Monitor = {
    heard: "",
    hears: (what) =>
      eventually(
        async () => what.test(monitor.heard),
        () => `${what} was not heard:\n${monitor.heard}`,
      ),
    async stop() {
      child.kill();
      await ended;
    },
  };
  child.stdout.on("data", (chunk: Buffer) => {
    monitor.heard += chunk.toString();
  });
  await monitor.hears(/is owned by/);
  return monitor;
}

test("a thousand events by 50 calls at a time are all acked and in the ledger", async (t) => {
  if (!(await haveParts(t))) return;
  await onBus({}, async ({ bus, fleet }) => {
    const client = await BusConnection.connect({ address: bus.address });
    const waiting = someEvents(1000, "by call").map((event) => JSON.stringify(event));
    const acks: [bigint, string][] = [];
    const callInTurn = async () => {
      for (let json = waiting.pop(); json !== undefined; json = waiting.pop()) {
        const call = {
          destination: PRIMARY[0],
          path: PRIMARY[1],
          interface: `${PRIMARY[0]}.Ingest`,
          member: "AddEvent",
        };
        acks.push((await client.call({ ...call, signature: "s", body: [json] })) as [bigint, string]);
      }
    };
    await Promise.all(Array.from({ length: 50 }, callInTurn));
    assert.equal(new Set(acks.map(([seq]) => seq)).size, 1000);
    const { ledger, dbus } = await primaryStatus(fleet);
    assert.equal(ledger.size, 1000);
    assert.deepEqual(dbus?.events, { written: 1000, duplicates: 0, refused: 0 });
    assert.deepEqual(dbus?.names, [PRIMARY[0]]);
    await seal(fleet);
    await replicaAnswers(fleet, 1001);
    const query = { destination: REPLICA[0], path: REPLICA[1], interface: `${REPLICA[0]}.Query`, member: "Event" };
    const asked = acks.slice(0, 100).map(async ([seq, hash]) => {
      const [json] = await client.call({ ...query, signature: "s", body: [`${seq}`] });
      assert.equal((JSON.parse(json as string) as Answer).results[0]?.hash, hash);
    });
    await Promise.all(asked);
    client.close();
    assert.doesNotMatch(fleet.primary.daemon.log + fleet.replica.daemon.log, /Warning/);
    await expectConverged(fleet);
  });
});

test("a bus that is restarted has both daemons again, with what they are now", async (t) => {
  if (!(await haveParts(t))) return;
  await onBus({ primaryDbus: { port_agent: true } }, async (on) => {
    const TAKEN = /another process owns dev\.ovs\.PortAgent1/;
    await eventually(
      async () => TAKEN.test((await primaryStatus(on.fleet)).dbus?.problem ?? ""),
      () => "nobody is told that the name is taken",
    );
    assert.deepEqual((await primaryStatus(on.fleet)).dbus?.names, [PRIMARY[0]]);
    await eventually(
      async () => /not served on the bus.*another process owns/.test(on.fleet.primary.daemon.log),
      () => on.fleet.primary.daemon.log,
    );
    await on.bus.kill();
    const [ack] = await ingest(on.fleet, someEvents(1));
    const generation = await seal(on.fleet);
    await replicaAnswers(on.fleet, 2);
    await on.bus.restart();
    for (const served of [PRIMARY, REPLICA, PORT_AGENT]) await on.isServed(served);
    assert.equal(await on.property(PRIMARY, "Generation"), `t ${generation}`);
    assert.equal(await on.property(PRIMARY, "LedgerSize"), "t 2");
    assert.match(await on.property(REPLICA, "Stores"), / 1 2 "/);
    assert.equal((await on.json(REPLICA, `${REPLICA[0]}.Query.Event`, `${ack?.seq}`, "{}")).results.length, 1);
    await expectConverged(on.fleet);
  });
});

test("on a bus that lets everyone call, only root is answered by Admin, and the others are told why", async (t) => {
  if (!(await haveParts(t))) return;
  await onBus({}, async (on) => {
    // On a busy machine the query process comes up after the daemon.
    const isAnswered = async () => (await on.as(STRANGER, PRIMARY, `${PRIMARY[0]}.Query.Status`)).exitCode === 0;
    await eventually(isAnswered, () => "Status is not answered");
    const forRoot: [Served, string, ...string[]][] = [
      [PRIMARY, "Seal", "true"],
      [PRIMARY, "Push", REPLICA_NAME],
      [PRIMARY, "Resync", REPLICA_NAME, "true", "false"],
      [PRIMARY, "Verify"],
      [REPLICA, "Resync", "", "true"],
      [REPLICA, "Verify", ""],
    ];
    for (const [served, method, ...args] of forRoot) {
      const ran = on.as(STRANGER, served, `${served[0]}.Admin.${method}`, ...args);
      await mayNotCall(ran, /AccessDenied: .* is for root only; you are user 65534/);
    }
    assert.equal((await primaryStatus(on.fleet)).ledger.generation, 0);
    const set = ["org.freedesktop.DBus.Properties.Set", PRIMARY[0], "Version", "<'forged'>"] as const;
    await mayNotCall(on.gdbus(PRIMARY, ...set), /org\.freedesktop\.DBus\.Error\.PropertyReadOnly/);
    assert.doesNotMatch(await on.property(PRIMARY, "Version"), /forged/);
  });
});

test("without a bus both daemons do their work, say so, and are on it once it is there", async (t) => {
  if (!(await haveParts(t))) return;
  await withBus(async (bus) => {
    await bus.kill();
    const dbus = { address: bus.address };
    await withFleet({ volume: "256M", primary: { ...QUIET, dbus }, replica: { dbus } }, async (fleet) => {
      const on = new BusFleet(bus, fleet);
      await ingest(fleet, someEvents(3));
      await seal(fleet);
      await expectConverged(fleet);
      for (const side of [fleet.primary, fleet.replica]) {
        let said = "";
        await eventually(
          async () => {
            said = (await side.run("status")).stdout;
            return /dbus +no name is owned; the bus at .* cannot be reached/.test(said);
          },
          () => said,
        );
      }
      await bus.restart();
      for (const served of [PRIMARY, REPLICA, PORT_AGENT]) await on.isServed(served);
      assert.match(
        (await fleet.replica.run("status")).stdout,
        /dbus +serves dev\.isochron\.Replica1, dev\.ovs\.PortAgent1$/m,
      );
    });
  });
});
