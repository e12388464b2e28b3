// The links that network tests stand on: what is measured is never better than the shape allows, and nothing is left.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { type Network, type NetworkLink, requireNetwork, withNetwork } from "./with-network.js";

/** Counts what comes over each connection, and says the number back when its sender has ended. */
const SERVER = `require("node:net").createServer({ allowHalfOpen: true }, (socket) => {
  let bytes = 0;
  socket.on("data", (chunk) => { bytes += chunk.length; });
  socket.on("end", () => socket.end(String(bytes)));
}).listen(7, process.argv[1], () => console.log("listening"));`;

/** Sends so many bytes; prints milliseconds and the number that came back. */
const CLIENT = `const [, address, bytes] = process.argv;
const began = performance.now();
const socket = require("node:net").connect(7, address, () => socket.end(Buffer.alloc(Number(bytes))));
let answer = "";
socket.on("data", (chunk) => { answer += chunk; });
socket.on("end", () => console.log(JSON.stringify([performance.now() - began, Number(answer)])));`;

test("bytes come through whole, and no faster than rate and round trip allow", async (t) => {
  if (!(await requireNetwork(t))) return;
  await withServer(async (network, link) => {
    await link.shape({ rateMbit: 10 });
    const atRate = await send(network, link, 1_000_000);
    assert.equal(atRate.arrived, 1_000_000);
    assert.ok(atRate.ms >= 800, `1 MB over 10 Mbit/s took ${atRate.ms} ms`);
    await link.shape({ roundTripMs: 200 });
    const far = await send(network, link, 10);
    // One for the handshake, one for the answer.
    assert.ok(far.ms >= 395, `two round trips of 200 ms took ${far.ms} ms`);
    await link.shape({});
    assert.equal((await send(network, link, 5_000_000)).arrived, 5_000_000);
  });
});

test("packets are lost at the rate asked for, and TCP makes up for them", async (t) => {
  if (!(await requireNetwork(t))) return;
  await withServer(async (network, link) => {
    await link.shape({ rateMbit: 200, lossPercent: 5 });
    assert.equal((await send(network, link, 5_000_000)).arrived, 5_000_000);
    const { packets, lost } = await link.counts();
    const percent = (100 * lost) / (packets + lost);
    assert.ok(percent > 3 && percent < 7, `${percent} % of ${packets} packets were lost`);
  });
});

test("nothing gets through a cut link, and what was begun before goes on once it is healed", async (t) => {
  if (!(await requireNetwork(t))) return;
  await withServer(async (network, link) => {
    // So slow that it is far from over when it is cut.
    await link.shape({ rateMbit: 5 });
    const sending = send(network, link, 5_000_000);
    while ((await link.counts()).bytes < 500_000) await sleep(5);
    await link.cut();
    const { bytes } = await link.counts();
    assert.ok(bytes < 5_000_000);
    await assert.rejects(send(network, link, 10, 2000), /timed out/);
    assert.equal((await link.counts()).bytes, bytes);
    await link.shape({ rateMbit: 100 });
    await link.heal();
    assert.equal((await sending).arrived, 5_000_000);
  });
});

test("the namespaces see no network but their link", async (t) => {
  if (!(await requireNetwork(t))) return;
  await withServer(async (network, link) => {
    const devices = async ({ enter }: { enter: readonly string[] }) => {
      const { stdout } = await execa(enter[0] as string, [...enter.slice(1), "cat", "/proc/net/dev"]);
      return [...stdout.matchAll(/^\s*(\w+):/gm)].map(([, name]) => name).sort();
    };
    assert.deepEqual(await devices(network), ["link0", "link1", "lo"]);
    assert.deepEqual(await devices(link), ["link1", "lo"]);
    assert.doesNotMatch(await readFile("/proc/net/dev", "utf8"), /link1/);
  });
});

/** Two links; the server stands behind the second. */
async function withServer(body: (network: Network, link: NetworkLink) => Promise<void>): Promise<void> {
  await withNetwork({ replicas: 2 }, async (network) => {
    const link = network.link(1);
    const [program = "", ...args] = [...link.enter, process.execPath, "-e", SERVER, link.address];
    const server: ChildProcess = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await once(server.stdout as NodeJS.ReadableStream, "data");
      await body(network, link);
    } finally {
      server.kill();
    }
  });
}

async function send(network: Network, link: NetworkLink, bytes: number, timeoutMs = 120_000) {
  const [program = "", ...args] = [...network.enter, process.execPath, "-e", CLIENT, link.address, String(bytes)];
  const { stdout } = await execa(program, args, { timeout: timeoutMs });
  const [ms, arrived] = JSON.parse(stdout) as [number, number];
  return { ms, arrived };
}
