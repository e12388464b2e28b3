// The rows of all spaces, on a plain folder: what a seal takes, and what waits for the next.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { RowSpaces } from "../../../primary/vectorize/row-spaces.js";
import { embedHeuristic, heuristicSpace } from "../../../shared/embed/heuristic.js";
import { NO_ACTIONS } from "../../../shared/embed/recent-actions.js";
import { formatRows } from "../../../shared/format/vector-row.js";
import { TreeLayout } from "../../../shared/store/layout.js";
import { withFolder } from "../../support/with-folder.js";

const log = { debug() {}, info() {}, warn() {}, error() {} };

function rowOf(seq: number): Uint8Array {
  const entry = { action: "modified", element_id: `interface:eth${seq}`, element_type: "NetworkInterface" };
  const vector = embedHeuristic(
    { ...entry, timestamp: "2026-11-20T10:05:00.123456Z" },
    { mtu: 1500 + seq },
    NO_ACTIONS,
  );
  return formatRows([{ seq, vector }], heuristicSpace);
}

async function withSpaces(body: (spaces: RowSpaces, tree: TreeLayout) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const tree = new TreeLayout(join(folder, "live"));
    await mkdir(tree.vector, { recursive: true });
    const spaces = new RowSpaces({ tree, log });
    await spaces.open({ spaces: [heuristicSpace], sealedRows: new Map(), isOpen: () => true, isSealed: () => false });
    await body(spaces, tree).finally(() => spaces.close());
  });
}

describe("the rows of all spaces", () => {
  test("are not written between the taking for a seal and the end of it, so that a generation holds no row that its seal does not name", () =>
    withSpaces(async (spaces) => {
      const append = (seq: number) =>
        spaces.append({ space: heuristicSpace, firstSeq: seq, count: 1, bytes: rowOf(seq) });
      await append(0);
      let stand = () => {};
      const stands = new Promise<void>((resolve) => {
        stand = resolve;
      });
      const rowsOf = (taken: Awaited<ReturnType<RowSpaces["take"]>>) => taken[0]?.added[0]?.rows;
      assert.equal(rowsOf(await spaces.take(stands)), 1);
      const written = append(1);
      // Takes its turn in the files behind whatever was let through before it.
      assert.equal(rowsOf(await spaces.take()), undefined);
      stand();
      await written;
      assert.equal(rowsOf(await spaces.take()), 1);
    }));
});
