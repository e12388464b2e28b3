// Both daemons and their query services as the roles install them, on a booted host: what the units leave them is enough for all
// that they do, and the watchdog ends what hangs, and nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { execa } from "execa";
import { requirePart } from "../support/require-part.js";
import {
  DAEMONS,
  eventually,
  linkHealth,
  SERVICE_HOST_PARTS,
  type ServiceHost,
  withServiceHost,
} from "../support/with-service-host.js";
import { requireSystemd } from "../support/with-systemd.js";

const PRIMARY = "isochron-primary.service";
const REPLICA = "isochron-replica.service";
const QUERIES = ["isochron-primary-queries.service", "isochron-replica-queries.service"] as const;
const SERVICES = [...DAEMONS, ...QUERIES];

test("in their units all of it works, and the watchdog ends what hangs and nothing else", async (t) => {
  if (!(await requireSystemd(t))) return;
  for (const part of SERVICE_HOST_PARTS) if (!(await requirePart(t, part))) return;
  await withServiceHost(async (host) => {
    for (const [name, body] of STEPS) await t.test(name, () => withJournal(host, () => body(host)));
    await expectConverged(host);
  });
});

const STEPS: readonly [name: string, body: (host: ServiceHost) => Promise<void>][] = [
  ["every source is seen on the replica, and questions are answered without privileges", recordAll],
  ["nothing was refused by a unit, and nothing was started twice", expectUnhindered],
  ["the query services can neither write what is root's nor reach anything but sockets", expectConfined],
  ["a healthy daemon on a busy host is left alone; one that is stopped is started again", stopReplica],
  ["a frozen disk costs the primary nothing; a seal that hangs for no reason ends in a restart", hangPrimary],
  ["a configuration that is wrong is not tried again and again", breakConfiguration],
];

/** What fails there says what the host has said of it. */
async function withJournal({ systemd }: ServiceHost, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    const { stdout } = await systemd.run("journalctl", "--no-pager", "--output=short-monotonic", "-n", "60");
    throw new Error(`${(error as Error).message}\n${stdout}`, { cause: error });
  }
}

async function recordAll({ must, systemd }: ServiceHost): Promise<void> {
  await eventually(() => sources(must), isSettled, "the sources do not watch");
  // With it a shutdown waits for its event. There is no polkit here that would allow it to root as such.
  const delayed = () => must("systemd-inhibit", "--list", "--no-pager");
  await eventually(delayed, (list) => /isochron/i.test(list), "nothing holds up a shutdown");
  await must("systemctl", "start", "demo.service");
  await must("sh", "-c", "echo a >/srv/watched/file");
  await must("sh", "-c", "echo '2026-11-21 10:00:00 install sl:amd64 <none> 5.02-1' >>/srv/dpkg.log");
  const vsctl = ["ovs-vsctl", "--db=unix:/run/openvswitch/db.sock", "--no-wait"];
  await must(...vsctl, "init", "--", "add-br", "br0");
  await must("sh", "-c", `echo '{"element_id":"e:1","element_type":"T","action":"a"}' | isochron-primary ingest -`);
  for (const element of ["unit:demo.service", "file:/srv/watched/file", "package:sl:amd64", "ovs-bridge:br0", "e:1"]) {
    for (const role of ["replica", "primary"]) {
      const asked = async () =>
        (await systemd.run(`isochron-${role}`, "timeline", "--element", element, "--json")).stdout;
      await eventually(asked, (answer) => answer.includes('"seq"'), `the ${role} knows nothing of ${element}`);
    }
  }
  const bus = ["--system", "--dest", "dev.isochron.Replica1", "--object-path", "/dev/isochron/Replica1"];
  const onBus = await must("gdbus", "call", ...bus, "--method", "org.freedesktop.DBus.Peer.Ping");
  assert.equal(onBus.trim(), "()");
}

interface Row {
  watching: boolean;
}

type Rows = Record<"files" | "ovsdb", Row> & { dbus: { services: Record<string, Row> } };

async function sources(must: ServiceHost["must"]): Promise<Row[]> {
  const status = JSON.parse(await must("isochron-primary", "status", "--json")) as { sources: Rows };
  const { files, ovsdb, dbus } = status.sources;
  return [files, ovsdb, ...["dbus:systemd1", "dbus:login1"].flatMap((name) => dbus.services[name] ?? [])];
}

function isSettled(rows: readonly Row[]): boolean {
  return rows.length === 4 && rows.every(({ watching }) => watching);
}

/** Words of the kernel and of libc for what a unit does not leave to its service. */
const HINDERED =
  /EPERM|EACCES|EROFS|SIGSYS|not permitted|[Pp]ermission denied|[Rr]ead-only file system|[Aa]ccess denied/;

async function expectUnhindered(host: ServiceHost): Promise<void> {
  for (const unit of SERVICES) {
    assert.deepEqual([unit, await host.property(unit, "NRestarts")], [unit, "0"]);
    const journal = await host.must("journalctl", "--no-pager", "--output=cat", `--unit=${unit}`);
    assert.match(journal, /./, `${unit} says nothing`);
    assert.deepEqual(
      journal.split("\n").filter((line) => HINDERED.test(line)),
      [],
      unit,
    );
  }
  assert.match(await host.property(PRIMARY, "StatusText"), /^\d+ entries, generation \d+, [01] of 1 replicas healthy$/);
  assert.match(await host.property(REPLICA, "StatusText"), /^[01] stores, \d+ entries$/);
}

async function expectConfined(host: ServiceHost): Promise<void> {
  for (const unit of QUERIES) {
    const pid = await host.property(unit, "MainPID");
    const status = await host.must("cat", `/proc/${pid}/status`);
    assert.match(status, /^CapBnd:\t0+$/m);
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    assert.match(await host.must("ps", "-o", "user=", "-p", pid), /^isochron/);
    const role = unit.includes("primary") ? "primary" : "replica";
    const inside = ["nsenter", "--target", pid, "--mount", "--net", "--", "setpriv", "--reuid=isochron-query"];
    const asThey = (...command: string[]) =>
      host.systemd.run(...inside, "--regid=isochron-query", "--clear-groups", ...command);
    const root = `/var/lib/isochron/${role}`;
    for (const path of [`${root}/keys`, "/root"]) {
      assert.notEqual((await asThey("ls", path)).exitCode, 0, path);
    }
    const store = `${root}/stores/${(await host.must("ls", `${root}/stores`)).trim()}`;
    const { stdout: seen } = await asThey("ls", store);
    assert.match(seen, /^generations$/m);
    for (const folder of [root, `${root}/stores`, store, `${store}/index`, "/etc", "/var/lib"]) {
      assert.notEqual((await asThey("touch", `${folder}/written`)).exitCode, 0, folder);
    }
    const own = `${store}/index/queries/written`;
    assert.equal((await asThey("touch", own)).exitCode, 0);
    assert.equal((await asThey("rm", own)).exitCode, 0);
    assert.match((await asThey("ls", "/sys/class/net")).stdout, /^lo$/m);
  }
}

/** Signs of life that came: each has a time of its own. */
async function signsOfLife(host: ServiceHost, unit: string, count: number): Promise<void> {
  const seen = new Set<string>();
  const look = async () => {
    const time = await host.property(unit, "WatchdogTimestampMonotonic");
    // None: it is not running.
    return time === "0" ? seen.size : seen.add(time).size;
  };
  await eventually(look, (times) => times > count, `${unit} shows no life`);
}

async function withShortWatchdog(host: ServiceHost, unit: string): Promise<void> {
  const folder = `/run/systemd/system/${unit}.d`;
  const text = "[Service]\\nWatchdogSec=10\\nRestartSec=1\\nTimeoutAbortSec=5\\n";
  await host.must("sh", "-c", `mkdir -p ${folder} && printf '${text}' >${folder}/watchdog.conf`);
  await host.must("systemctl", "daemon-reload");
  await host.must("systemctl", "restart", unit);
}

async function stopReplica(host: ServiceHost): Promise<void> {
  await withShortWatchdog(host, REPLICA);
  const load = Array.from({ length: 2 }, () => "(while :; do :; done) &").join(" ");
  await host.must(
    "systemd-run",
    "--quiet",
    "--unit=load",
    "--property=DefaultDependencies=no",
    "sh",
    "-c",
    `${load} wait`,
  );
  await signsOfLife(host, REPLICA, 3);
  assert.equal(await host.property(REPLICA, "NRestarts"), "0");
  await host.must("systemctl", "kill", "--kill-whom=main", "--signal=STOP", REPLICA);
  await eventually(
    () => host.property(REPLICA, "NRestarts"),
    (count) => count === "1",
    "nobody started it again",
  );
  await host.must("systemctl", "stop", "load.service");
  await signsOfLife(host, REPLICA, 2);
  assert.equal(await host.property(REPLICA, "NRestarts"), "1");
}

async function hangPrimary(host: ServiceHost): Promise<void> {
  await withShortWatchdog(host, PRIMARY);
  await execa("fsfreeze", ["--freeze", host.primaryVolume]);
  try {
    await send(host, "frozen");
    await signsOfLife(host, PRIMARY, 3);
  } finally {
    await execa("fsfreeze", ["--unfreeze", host.primaryVolume]);
  }
  assert.equal(await host.property(PRIMARY, "NRestarts"), "0");
  await expectKnown(host, "frozen");
  const pid = await host.property(PRIMARY, "MainPID");
  // Those that run the commands of seals, not the one that shows life.
  await host.must("pkill", "-STOP", "--parent", pid, "--full", "end of arguments");
  await send(host, "hung");
  await eventually(
    () => host.property(PRIMARY, "NRestarts"),
    (count) => count === "1",
    "nobody started it again",
  );
  const journal = () => host.must("journalctl", "--no-pager", "--output=cat", `--unit=${PRIMARY}`);
  const isTold = (lines: string) => /the ledger hangs, and no disk holds it up/.test(lines);
  await eventually(journal, isTold, "the journal does not say why");
  await expectKnown(host, "hung");
}

/** In the background: its ack may not come. */
async function send({ must }: ServiceHost, id: string): Promise<void> {
  const event = `{"element_id":"${id}","element_type":"T","action":"a","idempotency_key":"${id}"}`;
  const options = ["--quiet", "--property=DefaultDependencies=no", "--setenv=PATH=/usr/local/bin:/usr/bin:/bin"];
  const script = `printf '%s\\n' '${event}' >/run/${id}.jsonl; until isochron-primary ingest /run/${id}.jsonl; do sleep 0.5; done`;
  await must("systemd-run", ...options, "sh", "-c", script);
}

async function expectKnown({ systemd }: ServiceHost, id: string): Promise<void> {
  const ask = async () => (await systemd.run("isochron-replica", "timeline", "--element", id, "--json")).stdout;
  await eventually(ask, (answer) => answer.includes('"seq"'), `${id} did not come`);
}

async function breakConfiguration({ must, systemd, property }: ServiceHost): Promise<void> {
  await must(
    "sh",
    "-c",
    "cp /etc/isochron/replica.yaml /run/kept.yaml && echo 'colour: red' >>/etc/isochron/replica.yaml",
  );
  const before = await property(REPLICA, "NRestarts");
  assert.notEqual((await systemd.run("systemctl", "restart", REPLICA)).exitCode, 0);
  assert.equal(await property(REPLICA, "ActiveState"), "failed");
  assert.equal(await property(REPLICA, "ExecMainStatus"), "78");
  assert.equal(await property(REPLICA, "NRestarts"), before === "0" ? before : "0");
  await must("cp", "/run/kept.yaml", "/etc/isochron/replica.yaml");
  await must("systemctl", "start", REPLICA);
}

/** The invariant of every test with two sides. */
async function expectConverged(host: ServiceHost): Promise<void> {
  const { must } = host;
  await eventually(
    () => linkHealth(host),
    (health) => health === "healthy",
    "the replica is not healthy",
  );
  await must("isochron-primary", "seal");
  const heads = async () => {
    const primary = JSON.parse(await must("isochron-primary", "status", "--json")) as {
      ledger: { generation: number };
    };
    const replica = JSON.parse(await must("isochron-replica", "status", "--json")) as {
      held: { generation: number }[];
    };
    return [primary.ledger.generation, replica.held[0]?.generation];
  };
  await eventually(heads, ([sealed, held]) => sealed === held, "the replica does not have what was sealed");
  await must("isochron-primary", "verify");
  await must("isochron-replica", "verify");
}
