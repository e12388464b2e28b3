import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type BusCall, BusConnection, type BusMessage } from "../../../shared/dbus/bus-connection.js";
import type { DbusError } from "../../../shared/dbus/dbus-error.js";
import { variant } from "../../../shared/dbus/variant.js";
import { sendRawCalls } from "../../support/raw-bus-message.js";
import { program, requirePart } from "../../support/require-part.js";
import { type TestBus, withBus } from "../../support/with-bus.js";
import { withFolder } from "../../support/with-folder.js";

const DBUS = program("dbus-daemon", "dbus");
const NAME = "dev.isochron.Test1";
const PATH = "/dev/isochron/Test1";
const IFACE = "dev.isochron.Test1";

function isDbusError(code: DbusError["code"], message = /./) {
  return (error: unknown) => {
    assert.equal((error as DbusError).code, code);
    assert.match((error as DbusError).message, message);
    return true;
  };
}

/** A service that echoes a string, and one call that it never answers. */
async function serve(bus: TestBus): Promise<BusConnection> {
  const onCall = (call: BusCall) => {
    if (call.member === "Echo") call.reply("s", [call.body[0]]);
    else if (call.member === "Refuse") call.replyError("dev.isochron.Error.Test", "not today");
    else if (call.member === "Throw") throw new Error("in the handler");
  };
  const connection = await BusConnection.connect({ address: bus.address, onCall });
  await connection.requestName(NAME);
  return connection;
}

const call = (member: string, body: unknown[] = []) => ({
  ...{ destination: NAME, path: PATH, interface: IFACE, member },
  ...(body.length > 0 ? { signature: "s", body } : {}),
});

test("a call is answered, refused by name, or given up when no answer comes", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withBus(async (bus) => {
    const service = await serve(bus);
    const client = await BusConnection.connect({ address: bus.address });
    assert.deepEqual(await client.call(call("Echo", ["hello"])), ["hello"]);
    await assert.rejects(client.call(call("Refuse")), (error: DbusError) => {
      assert.equal(error.errorName, "dev.isochron.Error.Test");
      return isDbusError("refused-by-peer", /not today/)(error);
    });
    await assert.rejects(client.call({ ...call("Silent"), timeoutMs: 50 }), isDbusError("no-reply", /Silent/));
    const abort = new AbortController();
    const waiting = client.call({ ...call("Silent"), signal: abort.signal });
    abort.abort(new Error("no longer wanted"));
    await assert.rejects(waiting, /no longer wanted/);
    await assert.rejects(client.call({ ...call("Echo"), signature: "s", body: [1] }), isDbusError("not-marshalled"));
    assert.deepEqual(await client.call(call("Echo", ["still there"])), ["still there"]);
    service.close();
    client.close();
  });
});

test("when the bus dies, what waits is rejected and the connection says so", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withBus(async (bus) => {
    const service = await serve(bus);
    const client = await BusConnection.connect({ address: bus.address });
    const waiting = assert.rejects(client.call(call("Silent")), isDbusError("connection-lost"));
    await bus.kill();
    await waiting;
    assert.equal((await client.closed).code, "connection-lost");
    await service.closed;
    await assert.rejects(client.call(call("Echo", ["x"])), isDbusError("connection-lost"));
    client.emit(PATH, IFACE, "Changed", "s", ["nobody hears"]);
    await assert.rejects(BusConnection.connect({ address: bus.address }), isDbusError("no-bus", /cannot be reached/));
    await bus.restart();
    const again = await BusConnection.connect({ address: bus.address });
    assert.match(again.uniqueName, /^:/);
    again.close();
  });
});

test("a name that another has is not queued for, and its owner is known by its unique name", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withBus(async (bus) => {
    const service = await serve(bus);
    const other = await BusConnection.connect({ address: bus.address });
    assert.equal(await other.nameOwner(NAME), service.uniqueName);
    assert.equal(await other.nameOwner("dev.isochron.Nobody1"), undefined);
    assert.equal(await other.userOf(service.uniqueName), process.getuid?.());
    await assert.rejects(other.requestName(NAME), isDbusError("name-taken", /another process/));
    service.close();
    await service.closed;
    other.close();
  });
});

test("signals come in order, and a listener that throws stops neither them nor the calls", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withBus(async (bus) => {
    const service = await serve(bus);
    const seen: unknown[] = [];
    const problems: string[] = [];
    let all: () => void = () => undefined;
    const complete = new Promise<void>((resolve) => {
      all = resolve;
    });
    const onSignal = (message: BusMessage) => {
      if (message.interface !== IFACE) return;
      seen.push(message.body[0]);
      if (seen.length === 300) all();
      if (message.body[0] === 7) throw new Error("seven");
    };
    const onProblem = (error: Error) => problems.push(error.message);
    const client = await BusConnection.connect({ address: bus.address, onSignal, onProblem });
    await client.addMatch(`type='signal',sender='${NAME}',path_namespace='${PATH}'`);
    for (let i = 0; i < 300; i += 1) service.emit(`${PATH}/x`, IFACE, "Changed", "u", [i]);
    await complete;
    assert.deepEqual(
      seen,
      Array.from({ length: 300 }, (_, i) => i),
    );
    assert.deepEqual(problems, ["seven"]);
    assert.deepEqual(await client.call(call("Echo", ["well"])), ["well"]);
    client.close();
    service.close();
  });
});

test("a property of nobody can be set: what no handler answers is refused", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withBus(async (bus) => {
    const silent = await BusConnection.connect({ address: bus.address });
    const client = await BusConnection.connect({ address: bus.address });
    const set = {
      ...{ destination: silent.uniqueName, path: "/", interface: "org.freedesktop.DBus.Properties", member: "Set" },
      ...{ signature: "ssv", body: [IFACE, "x", variant("s", "y")] },
    };
    await assert.rejects(client.call(set), isDbusError("refused-by-peer", /nothing is served/));
    client.close();
    silent.close();
  });
});

test("a call with a descriptor's index and no descriptor is left out, and ends neither process nor connection", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withBus(async (bus) => {
    const problems: string[] = [];
    const members: string[] = [];
    const service = await BusConnection.connect({
      address: bus.address,
      onCall: (asked) => {
        members.push(asked.member);
        asked.reply("s", ["alive"]);
      },
      onProblem: (error) => problems.push(error.message),
    });
    const target = { destination: service.uniqueName, path: "/x", interface: IFACE };
    const attack = { ...target, member: "Attack", signature: "h", body: Buffer.alloc(4) };
    const last = { ...target, member: "Last", signature: "", body: Buffer.alloc(0) };
    const hostile = await sendRawCalls(bus.address, [attack, attack, last]);
    const client = await BusConnection.connect({ address: bus.address });
    const answer = await client.call({ ...call("Anything"), destination: service.uniqueName });
    assert.deepEqual(answer, ["alive"]);
    assert.deepEqual(members, ["Last", "Anything"]);
    assert.equal(problems.length, 2);
    assert.match(problems.join(), /cannot be read was left out: No FDs available/);
    hostile.destroy();
    client.close();
    service.close();
  });
});

test("an address that cannot be used, or where nobody or no bus answers, is an error that names it", async () => {
  for (const address of ["", "unix:abstract=/x", "launchd:env=X", "unix:runtime=yes"]) {
    await assert.rejects(BusConnection.connect({ address }), isDbusError("bad-address"));
  }
  await withFolder(async (folder) => {
    const address = `unix:path=${folder}/none`;
    await assert.rejects(BusConnection.connect({ address }), isDbusError("no-bus", new RegExp(`${folder}/none`)));
  });
});

test("Hello refused is an error of connect, not the end of the process", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withFolder(async (folder) => {
    const limit = join(folder, "limit.conf");
    await writeFile(limit, '<busconfig><limit name="max_completed_connections">1</limit></busconfig>');
    const body = async (bus: TestBus) => {
      const first = await BusConnection.connect({ address: bus.address });
      await assert.rejects(BusConnection.connect({ address: bus.address }), isDbusError("no-bus", /Hello was refused/));
      first.close();
    };
    await withBus(body, { policies: [limit] });
  });
});
