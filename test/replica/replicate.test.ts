// One store on a replica, struck while a push that has come in whole is verified.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readPartial } from "../../replica/receive/keep-partial.js";
import { ReplicaRoom } from "../../replica/receive/require-room.js";
import { StoreReplica } from "../../replica/replicate.js";
import { generateSigner, KEY_TYPE, type NoteVerifier } from "../../shared/format/signed-note.js";
import { createLogger } from "../../shared/log.js";
import { listGenerations } from "../../shared/store/generations.js";
import { RootLayout, type StoreLayout } from "../../shared/store/layout.js";
import { KEEP_CURRENT } from "../../shared/store/select-kept.js";
import { SpareProcesses } from "../../shared/store/spare-processes.js";
import { makeBreakableBtrfs } from "../support/break-btrfs.js";
import { StoreBuilder, someEvents } from "../support/build-store.js";
import { ROOT } from "../support/require-part.js";
import { asSubvolumes, sendPair } from "../support/send-by-hand.js";
import { until } from "../support/until.js";
import { withFolder } from "../support/with-folder.js";
import { makeVolume } from "../support/with-volume.js";

/** So many that their verification takes longer than the sync beside it. */
const EVENTS = 30_000;
const skip = process.geteuid?.() === 0 || process.env.CI === "true" ? false : `root is missing; ${ROOT.howToGet}`;

describe("a push that has come in whole", { skip }, () => {
  let volume: Awaited<ReturnType<typeof makeVolume>>;
  let built: StoreBuilder;
  let bytes: Buffer;

  before(async () => {
    volume = await makeVolume();
    built = await StoreBuilder.create({ root: join(volume.root, "built"), uuid: randomUUID(), dimensions: 4 });
    await built.seal(someEvents(EVENTS, 100, 4));
    bytes = await sendPair(await asSubvolumes(volume.root, built.layout.generation(1)));
  });
  after(() => volume?.remove());

  async function makeReplica(layout: StoreLayout, trusted: NoteVerifier = built.signer): Promise<StoreReplica> {
    const signer = generateSigner("replica-1", KEY_TYPE.cosignature);
    const replica = new StoreReplica({
      layout,
      storeUuid: built.uuid,
      origin: built.origin,
      keys: async () => [trusted],
      signer: () => signer,
      stallMs: 10_000,
      room: new ReplicaRoom(volume.root, 0),
      keep: KEEP_CURRENT,
      parts: { leastBytes: 1, leastMs: 0 },
      keepPartialMs: 3_600_000,
      spares: new SpareProcesses({ spares: 0, shells: 0 }),
      onReceived: () => undefined,
      onPromoted: () => undefined,
      log: createLogger("error", () => true),
    });
    await replica.start();
    return replica;
  }

  async function newLayout(): Promise<StoreLayout> {
    const root = new RootLayout(join(volume.root, randomUUID()));
    await mkdir(root.stores, { recursive: true });
    return root.store(built.uuid);
  }

  const push = (resume?: { bytes: number; digest: string }) => ({
    ...{ generation: 1, base: undefined, encoding: "identity" as const, resume },
    stream: Readable.from(resume ? [] : [bytes]),
  });

  test("and is verified when the replica stops, is kept as after a crash, and is not sent again", async () => {
    const layout = await newLayout();
    const replica = await makeReplica(layout);
    const accepted = replica.accept(push());
    accepted.catch(() => undefined);
    await until(() => replica.partial !== undefined && replica.workingOn === 1);
    await replica.stop();
    await assert.rejects(accepted, /the replica stops/);
    assert.deepEqual(await listGenerations(layout), []);
    const again = await makeReplica(layout);
    assert.equal(again.partial?.bytes, bytes.length);
    await again.accept(push(again.partial));
    assert.equal(again.size, built.size);
    await again.stop();
  });

  test("and is refused before it is synced, leaves no note of what was swept", async () => {
    const layout = await newLayout();
    const replica = await makeReplica(layout, generateSigner(built.origin, KEY_TYPE.ed25519));
    const path = process.env.PATH;
    // Nothing on the volume can be executed.
    await withFolder(async (folder) => {
      const btrfs = await makeBreakableBtrfs(folder);
      process.env.PATH = btrfs.path;
      await btrfs.hold("filesystem sync");
      const accepted = replica.accept(push());
      accepted.catch(() => undefined);
      await btrfs.waits();
      // The signature is looked at first.
      await sleep(500);
      await btrfs.mend();
      await assert.rejects(accepted, { code: "not-verified" });
      await sleep(500);
      assert.deepEqual([replica.partial, await readPartial(layout)], [undefined, undefined]);
    }).finally(() => {
      process.env.PATH = path;
    });
    await replica.stop();
  });
});
