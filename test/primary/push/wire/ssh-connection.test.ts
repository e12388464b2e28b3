// A connection to hosts that do not behave: a real ssh server, whose every step the test decides.
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2, { type ParsedKey, type ServerChannel } from "ssh2";
import { PushError } from "../../../../primary/push/push-error.js";
import { sayHello } from "../../../../primary/push/wire/replica-client.js";
import { SshConnection, type SshTarget } from "../../../../primary/push/wire/ssh-connection.js";
import { PROTOCOL_VERSION } from "../../../../shared/protocol/protocol.js";
import { formatPublicKey, generateSshKey } from "../../../../shared/store/key-files.js";

const HELLO = {
  protocol: PROTOCOL_VERSION,
  store: "4297169d-9b1b-4d5a-816e-047f33abb86a",
  origin: "host.example",
  size: 1,
  generation: 1,
};

/** A host that lets everybody in; `command` is what its forced command does, `undefined` that it never begins. */
async function withHost(
  command: ((channel: ServerChannel) => void) | undefined,
  body: (target: SshTarget) => Promise<void>,
): Promise<void> {
  const [hostKey, privateKey] = [generateSshKey(ssh2), generateSshKey(ssh2)];
  const parsed = ssh2.utils.parseKey(hostKey) as ParsedKey;
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    client.on("authentication", (login) => login.accept());
    client.on("error", () => undefined);
    client.on("session", (accept) => {
      if (command) accept().on("exec", (start) => command(start()));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as AddressInfo;
  try {
    await body({ host: "127.0.0.1", port, user: "isochron", hostKey: formatPublicKey(parsed), privateKey });
  } finally {
    server.close();
  }
}

function refusal(code: string, words: RegExp, kind = "retryable") {
  return (error: unknown) => {
    assert.ok(error instanceof PushError, String(error));
    assert.deepEqual([error.kind, error.code], [kind, code]);
    assert.match(error.message, words);
    return true;
  };
}

async function helloTo(target: SshTarget, { afterMs = 0 } = {}): Promise<unknown> {
  const connection = await SshConnection.open(target);
  try {
    await sleep(afterMs);
    return await sayHello(connection, HELLO, () => undefined);
  } finally {
    connection.destroy();
  }
}

describe("a host", () => {
  test("that lets in and then says nothing is left after a while", async () => {
    await withHost(undefined, async (target) => {
      await assert.rejects(
        SshConnection.open(target, { readyMs: 10_000 }),
        refusal("unreachable", /no channel within/),
      );
    });
  });

  test("whose forced command ends at once is told by what that said", async () => {
    const complain = (channel: ServerChannel) => {
      channel.stderr.write("no agent answers\n");
      channel.exit(1);
      channel.end();
    };
    await withHost(complain, async (target) => {
      await assert.rejects(helloTo(target), refusal("unreachable", /no agent answers/));
      await assert.rejects(helloTo(target, { afterMs: 100 }), refusal("unreachable", /no agent answers/));
    });
  });

  test("whose login complains, again and again, is heard all the same", async () => {
    const refuse = (channel: ServerChannel) => {
      const complain = () => channel.stderr.write("profile: cannot write a cache\n");
      complain();
      channel.once("data", async () => {
        for (let i = 0; i < 3; i += 1) {
          complain();
          await sleep(20);
        }
        const body = JSON.stringify({ title: "busy", status: 503, code: "busy", detail: "another push is under way" });
        const head = `content-type: application/problem+json\r\ncontent-length: ${body.length}`;
        channel.write(`HTTP/1.1 503 Service Unavailable\r\n${head}\r\n\r\n${body}`);
      });
    };
    await withHost(refuse, async (target) => {
      await assert.rejects(helloTo(target, { afterMs: 50 }), refusal("busy", /another push is under way/));
    });
  });

  test("whose answer is cut is not taken for one that speaks another protocol", async () => {
    const cut = (channel: ServerChannel) => {
      channel.once("data", () => {
        channel.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"protocol":');
      });
    };
    await withHost(cut, async (target) => {
      await assert.rejects(helloTo(target), refusal("unreachable", /answer was cut/));
    });
  });

  test("that answers without an end is given up", async () => {
    const endless = (channel: ServerChannel) => {
      channel.once("data", () => {
        channel.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        for (let i = 0; i < 8; i += 1) channel.write(`4000\r\n${"x".repeat(0x4000)}\r\n`);
      });
    };
    await withHost(endless, async (target) => {
      await assert.rejects(helloTo(target), refusal("bad-answer", /over 65536 characters/, "conflict"));
    });
  });
});
