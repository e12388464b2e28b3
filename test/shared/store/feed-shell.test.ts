// Real `btrfs receive` in shells that stay, fed through FIFOs.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createSubvolume, snapshotReadOnly, spawnReceive, spawnSend } from "../../../shared/store/btrfs.js";
import { SpareProcesses } from "../../../shared/store/spare-processes.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { until } from "../../support/until.js";
import { makeVolume } from "../../support/with-volume.js";

const LONG = randomBytes(4 * 1024 * 1024);
const SHORT = Buffer.from("a few bytes");

describe("shells that receive", () => {
  let volume: Awaited<ReturnType<typeof makeVolume>> | undefined;
  let root = "";
  let streams: { long: Buffer; short: Buffer };
  before(async () => {
    if (!ROOT.isThere()) return;
    volume = await makeVolume();
    root = volume.root;
    streams = { long: await streamOf("long", LONG), short: await streamOf("short", SHORT) };
  });
  after(() => volume?.remove());

  /** The send stream of a subvolume `name` with one file. */
  async function streamOf(name: string, content: Buffer): Promise<Buffer> {
    await mkdir(join(root, "sent"), { recursive: true });
    await createSubvolume(join(root, `live-${name}`));
    await writeFile(join(root, `live-${name}`, "file"), content);
    await snapshotReadOnly(join(root, `live-${name}`), join(root, "sent", name));
    const send = spawnSend({ path: join(root, "sent", name) });
    const [stream] = await Promise.all([buffer(send.stdout), send]);
    return stream;
  }

  async function withShell(body: (spares: SpareProcesses, folder: string) => Promise<void>): Promise<void> {
    const folder = join(root, "fifos");
    const spares = new SpareProcesses({ spares: 0, shells: 0, fed: { shells: 1, folder } });
    spares.start();
    try {
      await fifosIn(folder, 1);
      await body(spares, folder);
    } finally {
      await spares.stop();
    }
  }

  /** Receives in the shell, and looks at what has arrived. */
  async function arrives(spares: SpareProcesses, name: "long" | "short"): Promise<void> {
    const target = join(root, `arrived-${randomBytes(6).toString("hex")}`);
    await mkdir(target);
    const [pid] = await ready(spares);
    const receive = spawnReceive(target, { spares });
    receive.stdin.write(streams[name]);
    receive.finish();
    assert.equal((await receive.ended).failed, false);
    assert.deepEqual(await readFile(join(target, name, "file")), name === "long" ? LONG : SHORT);
    assert.deepEqual(spares.fedPids(), [pid]);
  }

  test("streams arrive whole, one after another, in one shell", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withShell(async (spares) => {
      for (const name of ["short", "long", "short"] as const) await arrives(spares, name);
    });
  });

  test("a stream that is over before the shell has looked at it arrives whole", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withShell(async (spares) => {
      const [pid] = await ready(spares);
      const target = join(root, "early");
      await mkdir(target);
      process.kill(pid as number, "SIGSTOP");
      const receive = spawnReceive(target, { spares });
      receive.stdin.write(streams.short);
      receive.finish();
      await sleep(50);
      process.kill(pid as number, "SIGCONT");
      assert.equal((await receive.ended).failed, false);
      assert.deepEqual(await readFile(join(target, "short", "file")), SHORT);
    });
  });

  test("one that is given up before the shell has looked at it ends, and the next arrives", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withShell(async (spares) => {
      const [pid] = await ready(spares);
      process.kill(pid as number, "SIGSTOP");
      const receive = spawnReceive(root, { spares });
      receive.stdin.destroy();
      await sleep(50);
      process.kill(pid as number, "SIGCONT");
      await receive.ended;
      await arrives(spares, "short");
    });
  });

  test("what a failed receive has not read is not there for the next", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withShell(async (spares) => {
      for (const rubbish of ["rubbish".repeat(100_000), "rubbish"]) {
        await ready(spares);
        const receive = spawnReceive(root, { spares });
        receive.stdin.on("error", () => undefined);
        receive.stdin.write(rubbish);
        receive.finish();
        const { failed, stderr } = await receive.ended;
        assert.equal(failed, true);
        assert.match(String(stderr), /ERROR: /);
        await arrives(spares, "short");
      }
    });
  });

  test("one that is given up in the middle ends, and the next arrives", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withShell(async (spares) => {
      const target = join(root, "half");
      await mkdir(target);
      await ready(spares);
      const receive = spawnReceive(target, { spares });
      receive.stdin.write(streams.long.subarray(0, streams.long.length / 2));
      await until(() => existsSync(join(target, "long")));
      receive.stdin.destroy();
      await receive.ended;
      await arrives(spares, "long");
    });
  });

  test("a shell that was killed fails its command, and the next arrives in another", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withShell(async (spares) => {
      const [pid] = await ready(spares);
      const receive = spawnReceive(root, { spares });
      receive.stdin.on("error", () => undefined);
      process.kill(-(pid as number), "SIGKILL");
      assert.equal((await receive.ended).failed, true);
      await receivesAlone(spares, "killed");
      await until(() => spares.fedPids().length === 1);
      await arrives(spares, "short");
    });
  });

  test("one whose FIFO was deleted is replaced", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withShell(async (spares, folder) => {
      const [pid] = await ready(spares);
      for (const name of await readdir(folder)) await rm(join(folder, name));
      await receivesAlone(spares, "deleted");
      await until(() => !spares.fedPids().includes(pid as number));
      await receivesAlone(spares, "deleted-again");
      await fifosIn(folder, 1);
      await arrives(spares, "short");
    });
  });

  test("while the shell is busy, a receive starts in a process of its own", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withShell(async (spares) => {
      await ready(spares);
      const target = join(root, "busy");
      await mkdir(target);
      const receive = spawnReceive(target, { spares });
      await receivesAlone(spares, "beside");
      receive.stdin.write(streams.short);
      receive.finish();
      assert.equal((await receive.ended).failed, false);
    });
  });

  test("no FIFO is left by a stop, and what a killed daemon left goes at the next start", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const folder = join(root, "fifos");
    await mkdir(folder);
    await writeFile(join(folder, "1.fifo"), "");
    await withShell(async (spares) => arrives(spares, "short"));
    await assert.rejects(stat(folder), { code: "ENOENT" });
  });

  /** In whatever process: for a moment no shell may be there. */
  async function receivesAlone(spares: SpareProcesses, name: string): Promise<void> {
    const target = join(root, name);
    await mkdir(target);
    const receive = spawnReceive(target, { spares });
    receive.stdin.write(streams.short);
    receive.finish();
    assert.equal((await receive.ended).failed, false);
    assert.deepEqual(await readFile(join(target, "short", "file")), SHORT);
  }
});

/** Pids of the shells, once one has made its FIFO. */
async function ready(spares: SpareProcesses): Promise<number[]> {
  await until(() => spares.fedPids().length > 0);
  return spares.fedPids();
}

async function fifosIn(folder: string, count: number): Promise<void> {
  await until(() => existsSync(folder) && readdirSync(folder).length === count);
}
