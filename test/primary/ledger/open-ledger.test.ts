import assert from "node:assert/strict";
import { test } from "node:test";
import { openLedger } from "../../../primary/ledger/open-ledger.js";
import { generateSigner, KEY_TYPE, shortKey } from "../../../shared/format/signed-note.js";
import { StoreBuilder } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const UUID = "5e1f9d6c-30ab-4f0e-9c8b-6f2d1d0a7b12";

test("a store does not open with keys that did not sign its newest generation, and both are named", () =>
  withFolder(async (root) => {
    const { layout: store, signer, seal } = await sealedStore(root);
    const older = generateSigner(signer.name, KEY_TYPE.ed25519);
    await assert.rejects(openLedger({ store, storeUuid: UUID, keys: [older], generation: seal }), (error: Error) => {
      assert.ok(error.message.includes(`is signed by ${shortKey(signer)}; this store's key is ${shortKey(older)}`));
      assert.match((error as Error & { hint: string }).hint, /before a key rotation/);
      return true;
    });
  }));

async function sealedStore(root: string) {
  const builder = await StoreBuilder.create({ root, uuid: UUID });
  await builder.seal([{ element: "a:1", state: {} }]);
  return { layout: builder.layout, signer: builder.signer, seal: builder.generation };
}
