// The JSON-RPC connection against a peer that says what the test wants, and for what only a real server can say against
// a real one.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { OvsdbConnection, type OvsdbConnectionOptions } from "../../../../primary/sources/ovsdb/ovsdb-connection.js";
import { requirePart } from "../../../support/require-part.js";
import { until } from "../../../support/until.js";
import { withFolder } from "../../../support/with-folder.js";
import { OpenVswitch, OVSDB_SERVER } from "./open-vswitch.js";

interface Scene {
  connection: OvsdbConnection;
  /** The other end. */
  peer: Socket;
  /** All that we have sent. */
  sent(): string;
  notified: unknown[][];
}

async function withPeer(
  body: (scene: Scene) => Promise<void>,
  options: Partial<OvsdbConnectionOptions> = {},
): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, "sock");
    const server = createServer();
    server.listen(path);
    await once(server, "listening");
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const notified: unknown[][] = [];
    const signal = new AbortController().signal;
    const onNotification = (method: string, params: unknown) => void notified.push([method, params]);
    const connection = await OvsdbConnection.connect({ address: { path }, signal, onNotification, ...options });
    const [peer] = await accepted;
    let sent = "";
    peer.on("error", () => undefined);
    peer.on("data", (chunk: Buffer) => {
      sent += chunk.toString();
    });
    try {
      await body({ connection, peer, sent: () => sent, notified });
    } finally {
      connection.close();
      peer.destroy();
      server.close();
    }
  });
}

test("a call gets the reply that has its id, whatever the order, and an error as an error", async () => {
  await withPeer(async ({ connection, peer, sent }) => {
    const [a, b, c] = ["a", "b", "c"].map((method) => connection.call(method, [method]));
    const refused = assert.rejects(c as Promise<unknown>, { code: "refused-by-peer", message: /no such table/ });
    await until(() => sent().includes('"c"'));
    const reply = (id: number, more: object) => peer.write(JSON.stringify({ id, error: null, result: null, ...more }));
    reply(3, { error: { error: "no such table" } });
    reply(99, { result: "to nobody" });
    reply(2, { result: { b: 2 } });
    reply(1, { result: [1] });
    assert.deepEqual([await a, await b], [[1], { b: 2 }]);
    await refused;
  });
});

test("an echo is answered with what it brought, other requests are refused, notifications are passed on", async () => {
  await withPeer(async ({ peer, sent, notified }) => {
    peer.write('{"method":"echo","params":["x",{"}":1}],"id":"e1"}{"method":"steal","params":[],"id":7}');
    peer.write('{"method":"update","params":[1,{}],"id":null}');
    await until(() => notified.length > 0 && sent().endsWith('"unknown method"}'));
    assert.equal(
      sent(),
      '{"id":"e1","result":["x",{"}":1}],"error":null}{"id":7,"result":null,"error":"unknown method"}',
    );
    assert.deepEqual(notified, [["update", [1, {}]]]);
  });
});

for (const [what, bytes, reason] of [
  ["rubbish", "SSH-2.0-OpenSSH_9.2\r\n", /begins with byte 0x53/],
  ["what only looks like JSON", '{"id":1,}', /is no JSON/],
  ["a message that is too long", `{"a":"${"x".repeat(5000)}`, /longer than 4096 bytes/],
] as const) {
  test(`${what} ends the connection with a reason, and every call with it`, async () => {
    await withPeer(
      async ({ connection, peer }) => {
        const call = assert.rejects(connection.call("get_schema", []), { code: "bad-message", message: reason });
        peer.write(bytes);
        await call;
        const { code, message } = await connection.closed;
        assert.equal(code, "bad-message");
        assert.match(message, reason);
        await assert.rejects(connection.call("echo", []), { code: "bad-message" });
      },
      { maxMessageBytes: 4096 },
    );
  });
}

test("a peer that leaves in the middle of a message is lost, and so are the calls", async () => {
  await withPeer(async ({ connection, peer }) => {
    const call = assert.rejects(connection.call("monitor", []), { code: "connection-lost" });
    peer.end('{"id":1,"result":{"Bri');
    await call;
    assert.equal((await connection.closed).code, "connection-lost");
  });
});

test("a listener that throws ends the connection, not the process", async () => {
  const onNotification = () => {
    throw new TypeError("not what was expected");
  };
  await withPeer(
    async ({ connection, peer }) => {
      peer.write('{"method":"update","params":[],"id":null}');
      const { code, message } = await connection.closed;
      assert.deepEqual([code, message.includes("not what was expected")], ["bad-message", true]);
    },
    { onNotification },
  );
});

test("a peer that asks and does not read the answers is let go", async () => {
  await withPeer(async ({ connection, peer }) => {
    peer.pause();
    const question = Buffer.from(JSON.stringify({ method: "echo", params: ["x".repeat(64 * 1024)], id: 1 }));
    let gone = false;
    void connection.closed.then(() => {
      gone = true;
    });
    while (!gone) if (!peer.write(question)) await Promise.race([once(peer, "drain"), connection.closed]);
    assert.match((await connection.closed).message, /does not read/);
  });
});

test("a call that has no answer in time ends the connection", async () => {
  await withPeer(
    async ({ connection }) => {
      await assert.rejects(connection.call("monitor", []), { code: "no-reply", message: /monitor has had no answer/ });
      assert.equal((await connection.closed).code, "no-reply");
    },
    { timeoutMs: 30 },
  );
});

test("a quiet link is probed; it stays as long as the peer answers, and is lost when it does not", async () => {
  await withPeer(
    async ({ connection, peer, sent }) => {
      const answer = (chunk: Buffer) => {
        const { id, params } = JSON.parse(chunk.toString()) as { id: number; params: [] };
        peer.write(JSON.stringify({ id, result: params, error: null }));
      };
      peer.on("data", answer);
      await until(() => sent().split('"echo"').length > 2);
      peer.off("data", answer);
      const { code, message } = await connection.closed;
      assert.equal(code, "connection-lost");
      assert.match(message, /has not answered a probe/);
    },
    { probeMs: 500 },
  );
});

test("connecting fails where nobody listens, and when it is given up", async () => {
  await withFolder(async (folder) => {
    const options = { address: { path: join(folder, "sock") }, onNotification: () => undefined };
    const controller = new AbortController();
    const { signal } = controller;
    await assert.rejects(OvsdbConnection.connect({ ...options, signal }), { code: "unreachable", message: /ENOENT/ });
    controller.abort();
    await assert.rejects(OvsdbConnection.connect({ ...options, signal }), { name: "AbortError" });
  });
});

test("a real server answers, is probed, and notices of its end come at once", async (t) => {
  if (!(await requirePart(t, OVSDB_SERVER))) return;
  await withFolder(async (folder) => {
    const ovs = new OpenVswitch(folder);
    try {
      await ovs.start();
      const options = { signal: new AbortController().signal, onNotification: () => undefined, probeMs: 500 };
      const connection = await OvsdbConnection.connect({ ...options, address: { path: ovs.socket } });
      assert.ok(((await connection.call("list_dbs", [])) as string[]).includes("Open_vSwitch"));
      await assert.rejects(connection.call("get_schema", ["nothing"]), { code: "refused-by-peer" });
      const heard = connection.lastHeard;
      await until(() => connection.lastHeard > heard);
      await ovs.killServer();
      assert.equal((await connection.closed).code, "connection-lost");
    } finally {
      await ovs.stop();
    }
  });
});
