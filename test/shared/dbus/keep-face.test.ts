import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { execa } from "execa";
import { BusConnection, type BusMessage } from "../../../shared/dbus/bus-connection.js";
import type { DbusError } from "../../../shared/dbus/dbus-error.js";
import { BusFace } from "../../../shared/dbus/keep-face.js";
import { CallLimits } from "../../../shared/dbus/limit-calls.js";
import type { ServedObject } from "../../../shared/dbus/served-object.js";
import { isVariant, variant } from "../../../shared/dbus/variant.js";
import { createLogger } from "../../../shared/log.js";
import { eventually } from "../../support/drive-fleet.js";
import { program, ROOT, requirePart } from "../../support/require-part.js";
import { type TestBus, withBus } from "../../support/with-bus.js";

const DBUS = program("dbus-daemon", "dbus");
const NAME = "dev.isochron.Test1";
const PATH = "/dev/isochron/Test1";
const PROPERTIES = "org.freedesktop.DBus.Properties";

const XML = `<interface name="${NAME}"><method name="Echo"/></interface>`;

/** An object whose properties a test can change, and whose `Hold` answers when it is let go. */
class Probe {
  readonly values = { Size: 1n, Peers: { a: "healthy" } };
  readonly held: (() => void)[] = [];

  object(): ServedObject {
    return {
      path: PATH,
      interfaces: [
        {
          name: NAME,
          xml: XML,
          methods: {
            Echo: { takes: "s", alsoTakes: ["su"], gives: "s", answer: ([text]) => [text] },
            WhoAmI: { takes: "", gives: "u", answer: async (_, caller) => [await caller.uid()] },
            Hold: { takes: "", gives: "", answer: () => new Promise((resolve) => this.held.push(() => resolve([]))) },
            Secret: { takes: "", gives: "s", adminOnly: true, answer: () => ["for root"] },
            Break: {
              ...{ takes: "", gives: "" },
              answer: () => {
                throw new TypeError("of the inner works");
              },
            },
          },
          properties: {
            Version: { type: "s", emits: "const", get: () => "1" },
            Size: { type: "t", emits: "true", get: () => this.values.Size },
            Peers: { type: "a{ss}", emits: "invalidates", get: () => this.values.Peers },
          },
          signals: { Applied: "t" },
        },
      ],
    };
  }
}

interface Served {
  bus: TestBus;
  face: BusFace;
  probe: Probe;
  log: string[];
}

async function withFace(
  body: (served: Served) => Promise<void>,
  { limits, policies, name = NAME }: { limits?: CallLimits; policies?: string[]; name?: string } = {},
): Promise<void> {
  await withBus(
    async (bus) => {
      const probe = new Probe();
      const log: string[] = [];
      const logger = createLogger("info", (line) => log.push(line) > 0);
      const options = { address: bus.address, names: [name], objects: [probe.object()], log: logger };
      const face = new BusFace({ ...options, ...(limits ? { limits } : {}) });
      await face.start();
      await isTried(face);
      try {
        await body({ bus, face, probe, log });
      } finally {
        for (const letGo of probe.held) letGo();
        await face.stop();
      }
    },
    policies ? { policies } : {},
  );
}

/** On a busy machine a start does not wait for all of the first attempt. */
function isTried(face: BusFace): Promise<void> {
  return eventually(
    async () => face.state().problem !== "not connected yet",
    () => "nothing has been tried",
  );
}

const to = (member: string, signature = "", body: unknown[] = [], iface = NAME) => ({
  ...{ destination: NAME, path: PATH, interface: iface, member },
  ...(signature === "" ? {} : { signature, body }),
});

function refusedAs(errorName: string, text = /./) {
  return (error: unknown) => {
    assert.equal((error as DbusError).errorName, errorName, (error as Error).message);
    assert.match((error as DbusError).message, text);
    assert.doesNotMatch((error as DbusError).message, /at .*\.js/);
    return true;
  };
}

const STANDARD = "org.freedesktop.DBus.Error";

/** A client of a served probe. */
async function onObject(t: TestContext, body: (client: BusConnection) => Promise<void>): Promise<void> {
  if (!(await requirePart(t, DBUS))) return;
  await withFace(async ({ bus }) => {
    const client = await BusConnection.connect({ address: bus.address });
    await body(client);
    client.close();
  });
}

test("a served object: answers a method, also where the caller leaves the interface out", (t) =>
  onObject(t, async (client) => {
    assert.deepEqual(await client.call(to("Echo", "s", ["hello"])), ["hello"]);
    const bare = { destination: NAME, path: PATH, member: "Echo", signature: "s", body: ["bare"] };
    assert.deepEqual(await client.call(bare as unknown as Parameters<BusConnection["call"]>[0]), ["bare"]);
    assert.deepEqual(await client.call(to("Echo", "su", ["with a number", 5])), ["with a number"]);
  }));

test("a served object: says what it expected where the arguments are of another type", (t) =>
  onObject(t, async (client) => {
    await assert.rejects(
      client.call(to("Echo", "u", [5])),
      refusedAs(`${STANDARD}.InvalidArgs`, /Echo takes \(s\), not \(u\)/),
    );
    await assert.rejects(client.call(to("Echo")), refusedAs(`${STANDARD}.InvalidArgs`, /not no arguments/));
  }));

test("a served object: refuses what is not there by the bus's own names", (t) =>
  onObject(t, async (client) => {
    await assert.rejects(client.call(to("Nothing")), refusedAs(`${STANDARD}.UnknownMethod`));
    await assert.rejects(client.call(to("toString")), refusedAs(`${STANDARD}.UnknownMethod`));
    await assert.rejects(
      client.call(to("Echo", "s", ["x"], "dev.isochron.None")),
      refusedAs(`${STANDARD}.UnknownInterface`),
    );
    await assert.rejects(client.call({ ...to("Echo"), path: "/dev/none" }), refusedAs(`${STANDARD}.UnknownObject`));
    await assert.rejects(
      client.call(to("Get", "ss", [NAME, "None"], PROPERTIES)),
      refusedAs(`${STANDARD}.UnknownProperty`),
    );
    await assert.rejects(
      client.call(to("GetAll", "s", ["dev.none"], PROPERTIES)),
      refusedAs(`${STANDARD}.UnknownInterface`),
    );
  }));

test("a served object: a fault inside is answered without its words", (t) =>
  onObject(t, async (client) => {
    await assert.rejects(client.call(to("Break")), (error) => {
      assert.doesNotMatch((error as Error).message, /inner works/);
      return refusedAs("dev.isochron.Error.Failed")(error);
    });
  }));

test("a served object: gives its properties one by one and all together", (t) =>
  onObject(t, async (client) => {
    const [size] = await client.call(to("Get", "ss", [NAME, "Size"], PROPERTIES));
    assert.ok(isVariant(size));
    assert.deepEqual([size.signature, size.value], ["t", 1n]);
    for (const iface of [NAME, ""]) {
      const [properties] = await client.call(to("GetAll", "s", [iface], PROPERTIES));
      assert.deepEqual(Object.keys(properties as object), ["Version", "Size", "Peers"]);
    }
    const [none] = await client.call(to("GetAll", "s", ["org.freedesktop.DBus.Peer"], PROPERTIES));
    assert.deepEqual(none, {});
  }));

test("a served object: a property cannot be set: the call is refused, and the value is what it was", (t) =>
  onObject(t, async (client) => {
    await assert.rejects(
      client.call(to("Set", "ssv", [NAME, "Size", variant("t", 99n)], PROPERTIES)),
      refusedAs(`${STANDARD}.PropertyReadOnly`),
    );
    await assert.rejects(
      client.call(to("Set", "ssv", [NAME, "None", variant("t", 99n)], PROPERTIES)),
      refusedAs(`${STANDARD}.UnknownProperty`),
    );
    const [size] = await client.call(to("Get", "ss", [NAME, "Size"], PROPERTIES));
    assert.equal((size as { value: unknown }).value, 1n);
  }));

test("a served object: describes itself, and the way to it, in its introspection", (t) =>
  onObject(t, async (client) => {
    const introspect = (path: string) => {
      return client.call({ ...to("Introspect", "", [], "org.freedesktop.DBus.Introspectable"), path });
    };
    assert.ok(String(await introspect(PATH)).includes('<interface name="dev.isochron.Test1">'));
    for (const [path, child] of [
      ["/", "dev"],
      ["/dev", "isochron"],
      ["/dev/isochron", "Test1"],
    ] as const) {
      const [xml] = await introspect(path);
      assert.match(String(xml), new RegExp(`<node name="${child}"/>`));
      assert.doesNotMatch(String(xml), /<interface/);
    }
  }));

test("a served object: answers a ping, and with the host's machine id", (t) =>
  onObject(t, async (client) => {
    assert.deepEqual(await client.call(to("Ping", "", [], "org.freedesktop.DBus.Peer")), []);
    const [id] = await client.call(to("GetMachineId", "", [], "org.freedesktop.DBus.Peer"));
    assert.match(String(id), /^[0-9a-f]{32}$/);
  }));

test("a served object: knows the user of its caller", (t) =>
  onObject(t, async (client) => {
    const uid = process.geteuid?.();
    assert.deepEqual(await client.call(to("WhoAmI")), [uid]);
    assert.deepEqual(await client.call(to("WhoAmI")), [uid]);
    assert.deepEqual(await client.call(to("Secret")), ["for root"]);
  }));

test("calls past the bound are refused, and have their place again once others are answered", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  const limits = new CallLimits({ ofAll: { calls: 10, bytes: 1e6 }, ofOne: { calls: 3, bytes: 1e6 } });
  await withFace(
    async ({ bus, face, probe }) => {
      const client = await BusConnection.connect({ address: bus.address });
      const waiting = [1, 2, 3].map(() => client.call(to("Hold")));
      await eventually(
        async () => probe.held.length === 3,
        () => "the calls have not arrived",
      );
      await assert.rejects(
        client.call(to("Echo", "s", ["one more"])),
        refusedAs(`${STANDARD}.LimitsExceeded`, /at most 3/),
      );
      const other = await BusConnection.connect({ address: bus.address });
      assert.deepEqual(await other.call(to("Echo", "s", ["of another caller"])), ["of another caller"]);
      assert.equal(face.state().calls.outstanding, 3);
      for (const letGo of probe.held.splice(0)) letGo();
      await Promise.all(waiting);
      assert.deepEqual(await client.call(to("Echo", "s", ["again"])), ["again"]);
      assert.equal(face.state().calls.outstanding, 0);
      client.close();
      other.close();
    },
    { limits },
  );
});

test("changed properties are told together, a few times a second, and one that is not for everyone by its name only", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withFace(async ({ bus, face, probe }) => {
    const signals: BusMessage[] = [];
    const client = await BusConnection.connect({ address: bus.address, onSignal: (message) => signals.push(message) });
    await client.addMatch(`type='signal',path='${PATH}'`);
    const beganMs = performance.now();
    for (let size = 2n; size <= 200n; size += 1n) {
      probe.values.Size = size;
      face.changed();
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    probe.values.Peers = { a: "unreachable" };
    const told = () => signals.filter(({ member }) => member === "PropertiesChanged").map(({ body }) => body);
    const last = () => told().at(-1) as [string, Record<string, { value: bigint }>, string[]] | undefined;
    await eventually(
      async () => last()?.[2].includes("Peers") === true,
      () => "nothing was told",
    );
    const seconds = (performance.now() - beganMs) / 1000;
    assert.ok(told().length <= 3 + seconds * 4, `${told().length} signals in ${seconds} s`);
    const sizes = told().flatMap((body) => (body[1] as Record<string, { value: bigint }>).Size?.value ?? []);
    assert.equal(sizes.at(-1), 200n);
    assert.ok(told().every((body) => !("Peers" in (body[1] as object)) && !("Version" in (body[1] as object))));
    client.close();
  });
});

test("a bus that dies and comes back has the name, the object and the signals again", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withFace(async ({ bus, face, probe, log }) => {
    assert.deepEqual(face.state().names, [NAME]);
    await bus.kill();
    await eventually(
      async () => face.state().problem !== null,
      () => "the end of the bus was not noticed",
    );
    assert.deepEqual(face.state().names, []);
    face.emit(PATH, NAME, "Applied", [1n]);
    probe.values.Size = 7n;
    face.changed();
    await bus.restart();
    await eventually(
      async () => face.state().names.length === 1,
      () => JSON.stringify(face.state()),
    );
    assert.equal(face.state().problem, null);
    const signals: BusMessage[] = [];
    const client = await BusConnection.connect({ address: bus.address, onSignal: (message) => signals.push(message) });
    await client.addMatch(`type='signal',path='${PATH}'`);
    const [size] = await client.call(to("Get", "ss", [NAME, "Size"], PROPERTIES));
    assert.equal((size as { value: unknown }).value, 7n);
    face.emit(PATH, NAME, "Applied", [8n]);
    await eventually(
      async () => signals.some(({ member }) => member === "Applied"),
      () => "no signal came",
    );
    assert.match(log.join(""), /not served on the bus as configured/);
    client.close();
  });
});

test("a name that another process has is a problem that status and log tell, and is taken once it is free", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withBus(async (bus) => {
    const other = await BusConnection.connect({ address: bus.address });
    await other.requestName(NAME);
    const log: string[] = [];
    const names = [NAME, "dev.isochron.TestTwo1"];
    const logger = createLogger("info", (line) => log.push(line) > 0);
    const face = new BusFace({ address: bus.address, names, objects: [new Probe().object()], log: logger });
    await face.start();
    await isTried(face);
    assert.deepEqual(face.state().names, ["dev.isochron.TestTwo1"]);
    assert.match(face.state().problem ?? "", /another process owns dev\.isochron\.Test1.*hint/);
    await eventually(
      async () => log.some((line) => line.includes("another process owns")),
      () => log.join(""),
    );
    other.close();
    await eventually(
      async () => face.state().names.length === 2,
      () => JSON.stringify(face.state()),
    );
    assert.equal(face.state().problem, null);
    assert.equal(log.filter((line) => line.includes("another process owns")).length, 1);
    await face.stop();
  });
});

test("a name that the bus's policy refuses is a problem that names the policy file", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withFace(
    async ({ face }) => {
      assert.deepEqual(face.state().names, []);
      assert.match(
        face.state().problem ?? "",
        /not allowed to own.*hint: is the policy file for dev\.isochron\.Test1/s,
      );
    },
    { policies: ["primary/face/dev.isochron.Primary1.conf"] },
  );
});

test("without a bus it starts at once, and is there when the bus is", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withBus(async (bus) => {
    await bus.kill();
    const probe = new Probe();
    const face = new BusFace({
      address: bus.address,
      names: [NAME],
      objects: [probe.object()],
      log: createLogger("error"),
    });
    await face.start();
    await isTried(face);
    assert.match(face.state().problem ?? "", /cannot be reached/);
    await bus.restart();
    await eventually(
      async () => face.state().names.length === 1,
      () => JSON.stringify(face.state()),
    );
    await face.stop();
  });
});

test("a stop waits for the answers outstanding, and refuses what comes meanwhile", async (t) => {
  if (!(await requirePart(t, DBUS))) return;
  await withFace(async ({ bus, face, probe }) => {
    const client = await BusConnection.connect({ address: bus.address });
    const held = client.call(to("Hold"));
    await eventually(
      async () => probe.held.length === 1,
      () => "the call has not arrived",
    );
    const stopped = face.stop();
    await assert.rejects(client.call(to("Echo", "s", ["late"])), refusedAs("dev.isochron.Error.Stopping"));
    probe.held.splice(0)[0]?.();
    assert.deepEqual(await held, []);
    await stopped;
    await eventually(
      async () => (await client.nameOwner(NAME)) === undefined,
      () => "the name is still owned",
    );
    client.close();
  });
});

test("a caller of another user is refused what only an administrator may, on a bus that would let him", async (t) => {
  for (const part of [DBUS, ROOT, program("gdbus", "libglib2.0-bin"), program("setpriv", "util-linux")]) {
    if (!(await requirePart(t, part))) return;
  }
  await withFace(async ({ bus }) => {
    const call = ["gdbus", "call", "--address", bus.address, "--dest", NAME, "--object-path", PATH];
    const args = ["--reuid=65534", "--regid=65534", "--clear-groups", ...call, "--method", `${NAME}.Secret`];
    const { stderr } = await execa("setpriv", args, { reject: false, stdin: "ignore" });
    assert.match(stderr, /org\.freedesktop\.DBus\.Error\.AccessDenied: Secret is for root only; you are user 65534/);
  });
});
