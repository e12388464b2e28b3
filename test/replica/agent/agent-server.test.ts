// What reaches the agent's socket from whoever can log in: requests that no primary sends, beside a real push.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { type IncomingHttpHeaders, request } from "node:http";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { finished } from "node:stream/promises";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentServer } from "../../../replica/agent/agent-server.js";
import { ArrivalMeter } from "../../../replica/agent/measure-arrival.js";
import { ReplicaStores } from "../../../replica/agent/replica-stores.js";
import { ReplicaRoom } from "../../../replica/receive/require-room.js";
import { askSocket } from "../../../shared/cli/ask-socket.js";
import { generateSigner, KEY_TYPE } from "../../../shared/format/signed-note.js";
import { createLogger } from "../../../shared/log.js";
import {
  ARRIVAL_HEADERS,
  arrivalHeadersSchema,
  MAX_PROBE_BYTES,
  PROBE_TYPE,
  PUSH_HEADERS,
  STREAM_TYPE,
} from "../../../shared/protocol/protocol.js";
import { freeSpace } from "../../../shared/store/btrfs.js";
import { RootLayout } from "../../../shared/store/layout.js";
import { KEEP_CURRENT } from "../../../shared/store/select-kept.js";
import { SpareProcesses } from "../../../shared/store/spare-processes.js";
import { StoreBuilder, someEvents } from "../../support/build-store.js";
import { ROOT } from "../../support/require-part.js";
import { asSubvolumes, type PushByHand, pushByHand, sendPair } from "../../support/send-by-hand.js";
import { makeVolume } from "../../support/with-volume.js";

const STALL_MS = 1000;
const skip = process.geteuid?.() === 0 || process.env.CI === "true" ? false : `root is missing; ${ROOT.howToGet}`;

describe("the agent", { skip }, () => {
  let folder: string;
  let volume: Awaited<ReturnType<typeof makeVolume>>;
  let store: StoreBuilder;
  let stores: ReplicaStores;
  let agent: AgentServer;
  let socketPath: string;
  let honest: Buffer;
  let heard: { store: string; size: number; atMs: number }[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "isochron-agent-"));
    volume = await makeVolume();
    store = await StoreBuilder.create({ root: join(folder, "built"), uuid: randomUUID(), dimensions: 4 });
    await store.seal(someEvents(20, 3, 4));
    honest = await sendPair(await asSubvolumes(volume.root, store.layout.generation(1)));
    await mkdir(new RootLayout(volume.root).stores);
    const log = createLogger("error");
    const signer = generateSigner("replica-1", KEY_TYPE.cosignature);
    stores = new ReplicaStores({
      root: volume.root,
      signer: () => signer,
      trustedKeys: async () => [store.signer],
      stallMs: STALL_MS,
      parts: { leastBytes: 2 ** 24, leastMs: 5000 },
      keepPartialMs: 3_600_000,
      room: new ReplicaRoom(volume.root, 0),
      keep: KEEP_CURRENT,
      spares: new SpareProcesses({ spares: 0, shells: 0 }),
      onPromoted: () => undefined,
      onReceived: () => undefined,
      log,
    });
    await stores.start();
    agent = new AgentServer({
      room: new ReplicaRoom(volume.root, 0),
      replica: { uuid: randomUUID(), name: "replica-1" },
      readSigner: async () => signer,
      find: (uuid, origin) => stores.find(uuid, origin),
      open: (uuid) => stores.open(uuid),
      trusts: async () => [store.signer.vkey],
      heard: (uuid, { size, atMs }) => heard.push({ store: uuid, size, atMs }),
      want: (uuid, what) => stores.want(uuid, what),
      status: () => ({ stores: stores.status() }),
      log,
    });
    socketPath = join(folder, "agent.sock");
    await agent.start(socketPath);
  });
  after(async () => {
    await agent?.stop();
    await stores?.stop();
    await volume?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const hello = (uuid: string, generation = 9) =>
    askSocket({
      socketPath,
      path: "/v1/hello",
      method: "POST",
      body: { protocol: 1, store: uuid, origin: store.origin, size: 1_000_000, generation },
    });
  const push = (body: PushByHand["body"], more: { store?: string; headers?: Record<string, string> } = {}) =>
    pushByHand({ socketPath, store: store.uuid, generation: 1, body, ...more });

  test("refuses a push that is no stream, and neither stays busy nor falls when the stall is over", async () => {
    await hello(store.uuid);
    for (const headers of [{ "content-type": "application/json" }, { "content-type": "text/plain" }]) {
      const refusal = await push(Buffer.from("{}"), { headers });
      assert.equal(refusal.code, "bad-request", JSON.stringify(refusal));
    }
    for (const headers of [{}, { "content-type": STREAM_TYPE }]) {
      const refusal = await putWithoutBody(headers);
      assert.match(String(refusal.code), /^bad-(?:request|stream)$/);
    }
    await new Promise((resolve) => setTimeout(resolve, 2 * STALL_MS));
    assert.ok(stores.status().every(({ receiving }) => !receiving));
  });

  /** As `curl -X PUT` without data: no body, no length. */
  async function putWithoutBody(headers: Record<string, string>): Promise<{ code?: string }> {
    const lines = [
      `PUT /v1/stores/${store.uuid}/generations/1 HTTP/1.1`,
      "host: x",
      "connection: close",
      `${PUSH_HEADERS.ledgerSize}: 0`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    const socket = createConnection(socketPath);
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    return JSON.parse(answer.slice(answer.indexOf("{")));
  }

  test("remembers what a primary says of itself only for a store that it holds", async () => {
    heard = [];
    for (let i = 0; i < 5; i += 1) await hello(randomUUID());
    const refusal = await push(Buffer.from("rubbish"), { headers: { [PUSH_HEADERS.ledgerSize]: "777" } });
    assert.equal(refusal.code, "bad-stream", JSON.stringify(refusal));
    assert.equal(heard.length, 0);
    await hello(store.uuid);
    const beganAtMs = Date.now();
    let wholeAtMs = 0;
    const slow = async (write: (chunk: Buffer) => Promise<void>) => {
      await write(honest.subarray(0, 100));
      await sleep(200);
      wholeAtMs = Date.now();
      await write(honest.subarray(100));
    };
    const accepted = await push(slow, { headers: { [PUSH_HEADERS.ledgerSize]: "25" } });
    assert.equal(accepted.code, "accepted", JSON.stringify(accepted));
    await hello(store.uuid);
    assert.deepEqual(
      heard.map((head) => [head.store, head.size]),
      [
        [store.uuid, 25],
        [store.uuid, 1_000_000],
      ],
    );
    const { atMs = 0 } = heard[0] ?? {};
    assert.ok(atMs >= beganAtMs && atMs < wholeAtMs, "what a push said at its begin counts from then");
  });

  test("takes a primary's word for how far it is, also when that is less than before", async () => {
    const told = () => stores.status().find((one) => one.store === store.uuid)?.primary?.generation;
    await hello(store.uuid, 40);
    assert.equal(told(), 40);
    await hello(store.uuid, 36);
    assert.equal(told(), 36);
  });

  /** A probe as a primary sends it; resolves with status, headers and text. */
  function probe(bytes: number, type = PROBE_TYPE) {
    return new Promise<{ status: number; headers: IncomingHttpHeaders; text: string }>((resolve, reject) => {
      const headers = { "content-type": type, "content-length": bytes };
      const sent = request({ socketPath, method: "POST", path: "/v1/probe", headers }, (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      });
      sent.once("error", reject);
      for (let left = bytes; left > 0; left -= 65536) sent.write(Buffer.alloc(Math.min(left, 65536)));
      sent.end();
    });
  }

  test("times the bytes of a probe and keeps none of them; one that is too large is refused", async () => {
    const { freeBytes } = await freeSpace(volume.root);
    const { status, headers } = await probe(3_000_000);
    assert.equal(status, 200);
    const arrived = arrivalHeadersSchema.parse(headers);
    assert.equal(arrived[ARRIVAL_HEADERS.bytes], 3_000_000);
    assert.ok(arrived[ARRIVAL_HEADERS.ms] > 0);
    assert.ok(arrived[ARRIVAL_HEADERS.busyMs] <= arrived[ARRIVAL_HEADERS.ms]);
    // What earlier pushes left may be freed meanwhile.
    assert.ok((await freeSpace(volume.root)).freeBytes > freeBytes - 1_000_000);
    assert.equal((await probe(0)).status, 200);
    assert.match((await probe(MAX_PROBE_BYTES + 1)).text, /"code":"bad-request"/);
    assert.match((await probe(1000, "application/json")).text, /"code":"bad-request"/);
    assert.equal((await probe(1000)).status, 200);
  });

  test("tells with its ack how the push arrived, and of time in which it did not take any", async () => {
    const slow = await arrivalOf(async (body, write) => {
      await write(Buffer.alloc(100_000));
      await sleep(120);
      body.resume();
      await sleep(120);
      await write(Buffer.alloc(50_000));
    });
    assert.equal(slow[ARRIVAL_HEADERS.bytes], 150_000);
    assert.ok(slow[ARRIVAL_HEADERS.busyMs] >= 100, JSON.stringify(slow));
    assert.ok(slow[ARRIVAL_HEADERS.ms] >= slow[ARRIVAL_HEADERS.busyMs] + 100, JSON.stringify(slow));
  });
});

/** What a meter makes of a body that `drive` writes and reads. */
async function arrivalOf(drive: (body: PassThrough, write: (chunk: Buffer) => Promise<void>) => Promise<void>) {
  const body = new PassThrough();
  const meter = new ArrivalMeter(body);
  await drive(body, async (chunk) => void body.write(chunk));
  body.end();
  await finished(body.resume());
  return meter.headers;
}
