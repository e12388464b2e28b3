import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { type AskError, askSocket, askSocketText } from "../../../shared/cli/ask-socket.js";
import { withFolder } from "../../support/with-folder.js";

async function withAnswerer(answer: RequestListener, body: (socketPath: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const socketPath = join(folder, "a.sock");
    const server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    try {
      await body(socketPath);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
}

test("an answer comes parsed, or as the text it was", async () => {
  const text = '{"a": 1,  "b":"\\u00e4"}';
  await withAnswerer(
    (_, response) => response.end(text),
    async (socketPath) => {
      assert.deepEqual(await askSocket({ socketPath, path: "/" }), { a: 1, b: "ä" });
      assert.equal(await askSocketText({ socketPath, path: "/" }), text);
    },
  );
});

test("a refusal carries the daemon's own code and hint, whichever way it was asked", async () => {
  const problem = { status: 400, code: "bad-parameter", detail: "limit is 0", hint: "give 1 to 1000" };
  await withAnswerer(
    (_, response) => response.writeHead(400).end(JSON.stringify(problem)),
    async (socketPath) => {
      for (const ask of [askSocket, askSocketText]) {
        await assert.rejects(ask({ socketPath, path: "/" }), (error: AskError) => {
          assert.deepEqual([error.code, error.message, error.hint], ["refused", "limit is 0", "give 1 to 1000"]);
          assert.deepEqual(error.problem, problem);
          return true;
        });
      }
    },
  );
});

test("an answer of more bytes than are wanted is given up while it comes", async () => {
  let sent = 0;
  const endless: RequestListener = (_, response) => {
    const chunk = Buffer.alloc(64 * 1024, "x");
    const send = () => {
      while (!response.destroyed && response.write(chunk)) sent += chunk.length;
    };
    response.on("drain", send);
    send();
  };
  await withAnswerer(endless, async (socketPath) => {
    const asked = askSocketText({ socketPath, path: "/", mostBytes: 1024 * 1024 });
    await assert.rejects(asked, (error: AskError) => {
      assert.equal(error.code, "answer-too-large");
      assert.match(error.hint ?? "", /limit/);
      return true;
    });
    assert.ok(sent < 8 * 1024 * 1024, `${sent} bytes were sent`);
  });
});

test("where nobody listens, the error says how to start who should", async () => {
  await withFolder(async (folder) => {
    const asked = askSocketText({
      socketPath: join(folder, "none.sock"),
      path: "/",
      startedBy: "isochron-replica serve",
    });
    await assert.rejects(asked, (error: AskError) => {
      assert.equal(error.code, "nobody-listens");
      assert.match(error.hint ?? "", /isochron-replica serve/);
      return true;
    });
  });
});
