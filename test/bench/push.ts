// The `push` bench: a first sync of 1 GiB and an increment of 10,000 events, from the first byte to the cosigned ack,
// against the same subvolumes by `btrfs send | ssh | btrfs receive` through the same sshd onto a third volume.
import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import type { PrimaryStatus } from "../../primary/answer-operator.js";
import { sendLines } from "../../primary/sources/lines/ingest-client.js";
import { askSocket } from "../../shared/cli/ask-socket.js";
import type { EngineStatus } from "../../shared/query/engine.js";
import { SUBVOLUMES } from "../../shared/store/layout.js";
import { type Fleet, makeFleet, replicaAnswers } from "../support/start-fleet.js";
import { startSshd } from "../support/with-sshd.js";
import { makeVolume } from "../support/with-volume.js";
import type { BenchRow } from "./bench-row.js";
import { eventStream } from "./make-events.js";
import { pipeCommands } from "./pipe-commands.js";

/** About 1.3 KiB an event on disk: entry, payload, hash, vector. */
const FIRST_EVENTS = 800_000;
const MORE_EVENTS = 10_000;

export async function benchPush(): Promise<BenchRow[]> {
  const fleet = await makeFleet({ volume: "8G" });
  const raw = await makeVolume(8 * 2 ** 30);
  try {
    await fleet.primary.daemon.start();
    await send(fleet, 0, FIRST_EVENTS);
    const first = await seal(fleet);
    await indexIsBuilt(fleet, first.size);
    const rawPipe = await openRawPipe(fleet, raw.root);
    const rawFirst = await rawPipe.run(first.generation, undefined);
    await fleet.replica.daemon.start();
    await replicaAnswers(fleet, first.size);
    const oursFirst = await lastPush(fleet, first.generation);
    await send(fleet, FIRST_EVENTS, MORE_EVENTS);
    // Without a way to the replica both generations stay, for the raw pipeline to send the one on the other.
    await fleet.sshd.pause();
    const second = await seal(fleet);
    const base = join(await storeFolder(fleet), "generations", String(first.generation));
    const rawSecond = await rawPipe.run(second.generation, base);
    fleet.sshd.resume();
    const oursSecond = await lastPush(fleet, second.generation);
    await rawPipe.stop();
    return [
      ...rows("first sync", rawFirst.bytes, oursFirst, rawFirst.ms),
      ...rows("increment of 10,000 events", rawSecond.bytes, oursSecond, rawSecond.ms),
    ];
  } finally {
    await fleet.stop();
    await raw.remove();
  }
}

async function send(fleet: Fleet, from: number, count: number): Promise<void> {
  const { answered } = await sendLines({
    socketPath: fleet.primary.socket("ingest"),
    input: eventStream(from, count),
    onAck: () => undefined,
  });
  if (answered !== count) throw new Error(`${answered} of ${count} were acked`);
}

async function seal(fleet: Fleet): Promise<{ generation: number; size: number }> {
  const answer = await askSocket<{ sealed: boolean; generation: number; size: number }>({
    socketPath: fleet.primary.socket("control"),
    path: "/v1/seal",
    method: "POST",
    body: { force: true },
  });
  return answer;
}

/** The primary's own index is caught up: what is measured next has the machine to itself. */
async function indexIsBuilt(fleet: Fleet, size: number): Promise<void> {
  for (;;) {
    const socketPath = fleet.primary.socket("query");
    const { stores } = await askSocket<EngineStatus>({ socketPath, path: "/v1/status" });
    const [store] = stores;
    if (store?.ready && store.size >= size && store.spaces.every(({ index }) => index.state === "ready")) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** The push that brought a generation, as the primary timed it: first byte to ack. */
async function lastPush(fleet: Fleet, generation: number): Promise<{ ms: number; bytes: number }> {
  for (let tries = 0; tries < 6000; tries += 1) {
    const status = await askSocket<PrimaryStatus>({ socketPath: fleet.primary.socket("control"), path: "/v1/status" });
    const push = status.replicas[0]?.last_push;
    if (push && push.generation >= generation) return push;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`generation ${generation} was never acked`);
}

async function storeFolder(fleet: Fleet): Promise<string> {
  const status = await askSocket<PrimaryStatus>({ socketPath: fleet.primary.socket("control"), path: "/v1/status" });
  return join(fleet.primary.root, "stores", status.store);
}

/** `btrfs send | ssh | btrfs receive`, with a key and a forced command of its own. */
async function openRawPipe(fleet: Fleet, target: string) {
  const key = join(fleet.folder, "raw-key");
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const { stdout: publicKey } = await execa("cat", [`${key}.pub`]);
  const sshd = await startSshd([
    { publicKey, command: `btrfs receive -q ${target}/in && btrfs filesystem sync ${target}` },
  ]);
  const known = join(fleet.folder, "raw-known-hosts");
  await writeFile(known, `[127.0.0.1]:${sshd.port} ${sshd.hostKey}\n`);
  await mkdir(join(target, "in"));
  const login = ["-T", "-i", key, "-p", String(sshd.port), "-o", `UserKnownHostsFile=${known}`, "-o", "BatchMode=yes"];
  const store = await storeFolder(fleet);
  let round = 0;
  return {
    /** Both subvolumes one after another, as one would by hand. The base's names are the ones received before. */
    async run(generation: number, base: string | undefined): Promise<{ ms: number; bytes: number }> {
      const tree = join(store, "generations", String(generation));
      const { bytes } = await countBytes(tree, base);
      const began = performance.now();
      for (const name of SUBVOLUMES) await pipeSend(tree, name, base, ["ssh", ...login, `${sshd.user}@127.0.0.1`]);
      const ms = performance.now() - began;
      round += 1;
      await moveAside(target, round);
      return { ms, bytes };
    },
    stop: () => sshd.stop(),
  };
}

/** Received subvolumes make way for those of the next round; as snapshots they still serve as its base. */
async function moveAside(target: string, round: number): Promise<void> {
  await mkdir(join(target, `round-${round}`));
  for (const name of SUBVOLUMES) {
    const received = join(target, "in", name);
    await execa("btrfs", ["subvolume", "snapshot", "-r", received, join(target, `round-${round}`, name)]);
    await execa("btrfs", ["subvolume", "delete", "-c", received]);
  }
  await appendFile(join(target, "rounds"), `${round}\n`);
}

async function countBytes(tree: string, base: string | undefined): Promise<{ bytes: number }> {
  let bytes = 0;
  for (const name of SUBVOLUMES) bytes += Number(await pipeSend(tree, name, base, ["wc", "-c"]));
  return { bytes };
}

function pipeSend(tree: string, name: string, base: string | undefined, command: string[]): Promise<string> {
  const parent = base === undefined ? [] : ["-p", join(base, name)];
  return pipeCommands(["btrfs", "send", "-q", ...parent, join(tree, name)], command);
}

function rows(what: string, bytes: number, ours: { ms: number; bytes: number }, rawMs: number): BenchRow[] {
  const mibPerSecond = (ms: number) => bytes / 2 ** 20 / (ms / 1000);
  const [mine, raw] = [mibPerSecond(ours.ms), mibPerSecond(rawMs)];
  return [
    {
      bench: "push",
      metric: what,
      unit: "MiB/s",
      ours: mine,
      yardstick: raw,
      ratio: mine / raw,
      goal: ">= 0.9 x raw",
      met: mine / raw >= 0.9,
    },
    {
      bench: "push",
      metric: `${what}: size`,
      unit: "MiB",
      ours: ours.bytes / 2 ** 20,
      yardstick: bytes / 2 ** 20,
      ratio: ours.bytes / bytes,
      goal: "-",
      met: null,
    },
  ];
}
