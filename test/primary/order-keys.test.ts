import assert from "node:assert/strict";
import { test } from "node:test";
import { SigningKeys } from "../../primary/keys/signing-keys.js";
import { KeyOrders, type KeyOrdersParts } from "../../primary/order-keys.js";
import { KEY_TYPE } from "../../shared/format/signed-note.js";
import { createLogger } from "../../shared/log.js";
import { ensureSigner, makeKeysFolder } from "../../shared/store/key-files.js";
import { RootLayout, TreeLayout } from "../../shared/store/layout.js";
import { withFolder } from "../support/with-folder.js";

const ORIGIN = "host1.example.org/isochron";

/** A link whose replica says this of its trust in each hello that it is asked for; undefined: an older agent. */
function linkTo(
  name: string,
  trusts: () => readonly string[] | undefined,
  health = "healthy",
  generation: number | undefined = undefined,
) {
  // From before the order: what it says there must not count.
  let told = { beganMs: 0, trusts: ["everything"] as readonly string[] | undefined };
  return {
    name,
    get told() {
      return told;
    },
    status: () => ({ health, reason: "held", generation }),
    askAnew: () => {
      told = { beganMs: performance.now(), trusts: trusts() };
    },
  } as unknown as KeyOrdersParts["links"][number];
}

/** Before the first generation, unless another is given. */
async function withOrders(
  makeLinks: (next: () => string) => KeyOrdersParts["links"],
  body: (orders: KeyOrders, keys: SigningKeys) => Promise<void>,
  newest: ReturnType<KeyOrdersParts["publisher"]["newest"]> = undefined,
): Promise<void> {
  await withFolder(async (root) => {
    await makeKeysFolder(root);
    await ensureSigner(new RootLayout(root).signingKey, ORIGIN, KEY_TYPE.ed25519);
    const keys = await SigningKeys.open(root, ORIGIN);
    const publisher = {
      newest: () => newest,
      tree: () => new TreeLayout(root),
      seal: async () => ({ sealed: false as const, reason: "this is no ledger" }),
    };
    const links = makeLinks(() => keys.next?.vkey ?? "");
    await body(new KeyOrders({ keys, publisher, links, acksWithinMs: 1, log: createLogger("error") }), keys);
  });
}

const order = (step: "prepare" | "commit" | "abort", more: { force?: boolean; dryRun?: boolean } = {}) => ({
  step,
  force: false,
  dryRun: false,
  ...more,
});

test("each replica without the trust keeps the old key in force, and is named with its reason", () =>
  withOrders(
    (next) => [
      linkTo("good", () => [next()]),
      linkTo("unaware", () => []),
      linkTo("older", () => undefined),
      linkTo("held", () => [next()], "paused"),
    ],
    async (orders, keys) => {
      const old = keys.current.vkey;
      await orders.rotate(order("prepare"));
      const next = keys.next?.vkey;
      const dry = await orders.rotate(order("commit", { dryRun: true }));
      assert.deepEqual(
        dry.replicas.map(({ replica, trusts }) => [replica, trusts]),
        [
          ["good", true],
          ["unaware", false],
          ["older", false],
          // Held, but its last hello is from before: it is not asked, and what it said then does not count.
          ["held", false],
        ],
      );
      await assert.rejects(orders.rotate(order("commit")), {
        code: "not-trusted",
        message: /unaware: it does not trust.*older: it is of an older version.*held: it cannot be asked, it is paused/,
        hint: new RegExp(`isochron-replica trust '${next?.replaceAll("+", "\\+")}'`),
      });
      assert.deepEqual([keys.current.vkey, keys.next?.vkey], [old, next]);
      await orders.rotate(order("commit", { force: true }));
      assert.deepEqual([keys.current.vkey, keys.next], [next, undefined]);
    },
  ));

test("a dry run of each step changes nothing, and steps that come together are taken one after another", () =>
  withOrders(
    (next) => [linkTo("good", () => [next()])],
    async (orders, keys) => {
      const old = keys.current.vkey;
      await orders.rotate(order("prepare", { dryRun: true }));
      assert.equal(keys.signers.length, 1);
      for (const step of ["commit", "abort"] as const) {
        await assert.rejects(orders.rotate(order(step)), { code: "no-next-key" });
      }
      const [made, again] = await Promise.all([orders.rotate(order("prepare")), orders.rotate(order("prepare"))]);
      assert.deepEqual([made.changes, again.changes, again.next], [true, false, made.next]);
      for (const step of ["abort", "commit"] as const) await orders.rotate(order(step, { dryRun: true }));
      assert.deepEqual([keys.current.vkey, keys.next?.vkey], [old, made.next]);
      const ends = await Promise.allSettled([orders.rotate(order("commit")), orders.rotate(order("abort"))]);
      assert.deepEqual(
        ends.map(({ status }) => status),
        ["fulfilled", "rejected"],
      );
      assert.equal(keys.current.vkey, made.next);
    },
  ));

test("the old key stays while a replica lacks a generation that both keys signed, unless an operator insists", () =>
  withOrders(
    (next) => [linkTo("there", () => [next()], "healthy", 7), linkTo("behind", () => [next()], "lagging", 6)],
    async (orders, keys) => {
      await orders.rotate(order("prepare"));
      await assert.rejects(orders.rotate(order("commit")), {
        code: "not-delivered",
        message: /the old key stays in force: behind has not acked generation 7.*it is lagging/,
      });
      assert.equal(keys.signers.length, 2);
      await orders.rotate(order("commit", { force: true }));
      assert.equal(keys.signers.length, 1);
    },
    { generation: 7, size: 70, root: Buffer.alloc(32) },
  ));
