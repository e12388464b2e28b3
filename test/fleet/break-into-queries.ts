// What somebody can do who runs code in the query service: everything that it would be worth breaking in for is tried with the
// user, the groups and the view of the file system that the service itself has.
import assert from "node:assert/strict";
import type { NspawnHost } from "./nspawn-host.js";

/** What was tried, and what came of it: `done`, or the name of the error. */
type Outcome = Record<string, string>;
type Attempt = readonly [what: string, path: string];

/** Prints an outcome. Its first argument is a list of [what, path]. */
const INTRUDER = `
import errno, json, os, socket, sys
def attempt(what, path):
    if what == "connect":
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        s.connect(path)
    elif what == "read":
        open(path, "rb").read(1)
    elif what == "append":
        open(path, "ab").close()
    elif what == "make":
        open(path, "x").close()
        os.unlink(path)
    elif what == "rename":
        os.rename(path, path + ".gone")
    elif what == "become":
        os.setuid(int(path))
outcome = {}
for what, path in json.loads(sys.argv[1]):
    try:
        attempt(what, path)
        outcome[what + " " + path] = "done"
    except OSError as error:
        outcome[what + " " + path] = errno.errorcode.get(error.errno, str(error))
print(json.dumps(outcome))
`;

export async function tryQueryUser(host: NspawnHost, role: "primary" | "replica"): Promise<void> {
  const root = `/var/lib/isochron/${role}`;
  const store = (await host.must("sh", "-c", `ls -d ${root}/stores/*/`)).trim().split("\n")[0] as string;
  const [entries = ""] = (await host.must("sh", "-c", `ls ${store}current/timing/entries/*`)).split("\n");
  // What the service is for must work, or the rest shows nothing.
  const allowed = await attempt(host, role, [
    ["read", entries],
    ["read", `${store}current/timing/checkpoint`],
    ["make", `${store}index/queries/intruder`],
  ]);
  for (const [what, outcome] of Object.entries(allowed)) assert.equal(outcome, "done", `${host.name}: ${what}`);
  const keys = (await host.must("sh", "-c", `ls -d ${root}/keys/*`)).split("\n");
  const sockets = SOCKETS[role].map((name) => `${root}/run/${name}.sock`);
  for (const socket of sockets) await host.must("test", "-S", socket);
  const denied = await attempt(host, role, [
    ...keys.filter((key) => !key.endsWith(".pub")).map((key): Attempt => ["read", key]),
    ["append", entries],
    ["rename", entries],
    ["make", `${store}current/timing/intruder`],
    ["make", `${store}index/intruder`],
    ["make", `${store}intruder`],
    ["make", `${root}/intruder`],
    ["rename", `${store}current`],
    ["append", `${store}store.json`],
    ["make", "/etc/isochron/intruder"],
    ["append", `/opt/isochron/current/dist/${role}/main.js`],
    ["read", "/etc/shadow"],
    ...sockets.map((path): Attempt => ["connect", path]),
    ["become", "0"],
  ]);
  for (const [what, outcome] of Object.entries(denied))
    assert.match(outcome, /^(EACCES|EPERM|ENOENT|EROFS)$/, `${host.name}: ${what}`);
}

/** Those of the daemon with privileges. That of its feed is there for the service. */
const SOCKETS = { primary: ["control", "ingest"], replica: ["agent"] } as const;

async function attempt(host: NspawnHost, role: "primary" | "replica", attempts: readonly Attempt[]): Promise<Outcome> {
  const unit = `isochron-${role}-queries.service`;
  const pid = (await host.must("systemctl", "show", "--value", "--property=MainPID", unit)).trim();
  const status = await host.must("cat", `/proc/${pid}/status`);
  const [uid = "", gid = "", groups = ""] = ["Uid", "Gid", "Groups"].map((name) => numbersOf(status, name));
  assert.notEqual(uid.split(" ")[0], "0", `${unit} runs as root`);
  const who = [`--reuid=${uid.split(" ")[0]}`, `--regid=${gid.split(" ")[0]}`];
  const also = groups === "" ? ["--clear-groups"] : [`--groups=${groups.replaceAll(" ", ",")}`];
  const bare = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"];
  const enter = ["nsenter", "--target", pid, "--mount", "--", "setpriv", ...who, ...also, ...bare];
  const python = ["python3", "-c", INTRUDER, JSON.stringify(attempts)];
  return JSON.parse(await host.must(...enter, ...python)) as Outcome;
}

function numbersOf(status: string, name: string): string {
  const [, numbers = ""] = new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status) ?? [];
  return numbers.trim().replaceAll(/\s+/g, " ");
}
