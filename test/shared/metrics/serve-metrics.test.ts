import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { askSocketText } from "../../../shared/cli/ask-socket.js";
import { parseListenAddress } from "../../../shared/config/listen-address.js";
import { createLogger } from "../../../shared/log.js";
import { MetricsServer, type MetricsServerOptions } from "../../../shared/metrics/serve-metrics.js";
import { eventually } from "../../support/drive-fleet.js";
import { freePort } from "../../support/free-port.js";
import { withFolder } from "../../support/with-folder.js";

interface Serving {
  server: MetricsServer;
  socketPath: string;
  log: string[];
}

/** A server that is not started yet, on a socket of its own. */
async function withServer(
  options: Partial<MetricsServerOptions>,
  body: (parts: Serving) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const log: string[] = [];
    const socketPath = join(folder, "metrics.sock");
    const server = new MetricsServer({
      socketPath,
      listen: undefined,
      page: async () => "x 1\n",
      log: createLogger("info", (line) => log.push(line) > 0),
      ...options,
    });
    try {
      await body({ server, socketPath, log });
    } finally {
      await server.stop();
    }
  });
}

describe("the metrics server", () => {
  test("serves the page on a socket for owner and group, and on TCP", async () => {
    const listen = parseListenAddress(`127.0.0.1:${await freePort()}`);
    await withServer({ listen }, async ({ server, socketPath }) => {
      await server.start();
      assert.equal(await askSocketText({ socketPath, path: "/metrics" }), "x 1\n");
      assert.equal((await stat(socketPath)).mode & 0o777, 0o660);
      const answer = await fetch(`http://${listen?.text}/metrics`);
      assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
      assert.equal(await answer.text(), "x 1\n");
      assert.deepEqual(server.state(), { listen: listen?.text, listening: true, problem: null });
    });
  });

  test("listens on IPv6 in brackets", async () => {
    const listen = parseListenAddress(`[::1]:${await freePort()}`);
    await withServer({ listen }, async ({ server }) => {
      await server.start();
      assert.equal(await (await fetch(`http://${listen?.text}/metrics`)).text(), "x 1\n");
    });
  });

  test("has nothing but that page, and takes nothing", async () => {
    const listen = parseListenAddress(`127.0.0.1:${await freePort()}`);
    await withServer({ listen }, async ({ server }) => {
      await server.start();
      const ask = (path: string, method: string) => fetch(`http://${listen?.text}${path}`, { method });
      assert.equal((await ask("/v1/status", "GET")).status, 404);
      const refused = await ask("/metrics", "POST");
      assert.deepEqual([refused.status, refused.headers.get("allow")], [405, "GET"]);
    });
  });

  test("a port that is taken is said once and in the state, and served once it is free", async () => {
    const listen = parseListenAddress(`127.0.0.1:${await freePort()}`);
    const other = createServer((_request, response) => response.end("another"));
    await new Promise<void>((resolve) => other.listen(listen?.port, "127.0.0.1", resolve));
    await withServer({ listen, retryMs: 20 }, async ({ server, socketPath, log }) => {
      await server.start();
      assert.equal(server.state()?.listening, false);
      assert.match(server.state()?.problem ?? "", /EADDRINUSE/);
      assert.equal(await askSocketText({ socketPath, path: "/metrics" }), "x 1\n");
      await new Promise((resolve) => other.close(resolve));
      await eventually(
        async () => server.state()?.listening === true,
        () => JSON.stringify(server.state()),
      );
      assert.equal(await (await fetch(`http://${listen?.text}/metrics`)).text(), "x 1\n");
      assert.equal(log.filter((line) => line.includes("not served")).length, 1);
    });
  });

  test("a stop gives up waiting for a port that is taken", async () => {
    const listen = parseListenAddress(`127.0.0.1:${await freePort()}`);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(listen?.port, "127.0.0.1", resolve));
    await withServer({ listen, retryMs: 1 }, async ({ server }) => {
      await server.start();
      await server.stop();
      await new Promise((resolve) => other.close(resolve));
      const again = createServer();
      await new Promise<void>((resolve, reject) => {
        again.once("error", reject);
        again.listen(listen?.port, "127.0.0.1", resolve);
      });
      await new Promise((resolve) => again.close(resolve));
      assert.equal(server.state()?.listening, false);
    });
  });

  test("many who ask at once cost one scrape, and the next one is a new one", async () => {
    let scrapes = 0;
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const page = async () => {
      scrapes += 1;
      const mine = scrapes;
      await held;
      return `scrape ${mine}\n`;
    };
    await withServer({ page }, async ({ server, socketPath }) => {
      await server.start();
      const ask = () => askSocketText({ socketPath, path: "/metrics" });
      let arrived = 0;
      const onRequest = () => {
        arrived += 1;
      };
      subscribe("http.server.request.start", onRequest);
      const asked = [ask(), ask(), ask()];
      await eventually(
        async () => arrived === 3,
        () => `${arrived} requests arrived`,
      );
      unsubscribe("http.server.request.start", onRequest);
      release();
      assert.deepEqual(await Promise.all(asked), ["scrape 1\n", "scrape 1\n", "scrape 1\n"]);
      assert.equal(await ask(), "scrape 2\n");
    });
  });

  test("a scrape that fails is a 500 and a line in the log, and the next one is tried", async () => {
    let fails = true;
    const page = async () => {
      if (fails) throw new Error("no state");
      return "x 1\n";
    };
    await withServer({ page }, async ({ server, socketPath, log }) => {
      await server.start();
      await assert.rejects(askSocketText({ socketPath, path: "/metrics" }), /500/);
      assert.match(log.join(""), /metrics could not be read error="no state"/);
      fails = false;
      assert.equal(await askSocketText({ socketPath, path: "/metrics" }), "x 1\n");
    });
  });
});
