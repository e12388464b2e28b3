// What tests do to a primary with many replicas, and the invariant that each of them ends with.
import assert from "node:assert/strict";
import type { LinkStatus } from "../../primary/push/link-status.js";
import { eventually, linkBecomes, listSubvolumes, primaryStatus, readHead, storeOf } from "./drive-fleet.js";
import { fleetOf } from "./start-fleet.js";
import type { ManyFleet } from "./start-many.js";
import { verifyNewest } from "./verify-newest.js";

/** All links as the primary sees them now, in the order of the replicas. */
export async function linksOf(many: ManyFleet): Promise<LinkStatus[]> {
  const { replicas } = await primaryStatus(fleetOf(many, 0));
  return many.replicas.map(({ name }) => {
    const link = replicas.find((candidate) => candidate.name === name);
    assert.ok(link, `the primary does not know ${name}`);
    return link;
  });
}

/** Waits until the replicas of these numbers have acked a generation; resolves with all links at that moment. */
export async function allAck(many: ManyFleet, indices: readonly number[], generation: number): Promise<LinkStatus[]> {
  let links: LinkStatus[] = [];
  const late = () => indices.filter((index) => (links[index]?.generation ?? 0) < generation);
  await eventually(
    async () => {
      links = await linksOf(many);
      return late().length === 0;
    },
    () => `generation ${generation} is not acked by ${late().map((index) => JSON.stringify(links[index]))}`,
  );
  return links;
}

/**
 * The invariant: every replica comes to hold the primary's newest checkpoint, all stores verify as intact, and none
 * keeps more than it needs.
 */
export async function expectAllConverged(many: ManyFleet): Promise<void> {
  const one = fleetOf(many, 0);
  const { ledger } = await primaryStatus(one);
  for (const index of many.replicas.keys()) {
    const isThere = ({ health, generation = 0 }: LinkStatus) => health === "healthy" && generation >= ledger.generation;
    await linkBecomes(fleetOf(many, index), isThere);
  }
  const newest = await readHead((await storeOf(one, "primary")).generation(ledger.generation).checkpoint);
  assert.deepEqual(await verifyNewest(await storeOf(one, "primary"), many.vkey), newest);
  for (const [index, { root }] of many.replicas.entries()) {
    const store = await storeOf(fleetOf(many, index), "replica");
    assert.deepEqual(await verifyNewest(store, many.vkey), newest, root);
    assert.deepEqual(await readHead(store.acceptedHead), newest, root);
  }
  // The live pair and one generation there, one generation here.
  await leaves(many.primary.root, 4);
  for (const { root } of many.replicas) await leaves(root, 2);
}

async function leaves(root: string, subvolumes: number): Promise<void> {
  let left: string[] = [];
  await eventually(
    async () => {
      left = await listSubvolumes(root);
      return left.length === subvolumes;
    },
    () => `subvolumes are left over in ${root}: ${JSON.stringify(left)}`,
  );
}
