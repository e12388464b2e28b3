// A store that goes on while it is verified. What holds a verification up is an accepted head that nobody writes.
import assert from "node:assert/strict";
import { open, readFile, rename, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { StoreBuilder, someEvents } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d03";
const COMMAND = fileURLToPath(new URL("./verify-told-store.js", import.meta.url));

/** Verifies a store of which so many generations are replaced, each between the looks at its number and at the accepted head. */
async function verifyWhileReplaced(count: number) {
  return withFolder(async (root) => {
    const store = await StoreBuilder.create({ root, uuid: UUID });
    const { acceptedHead } = store.layout;
    await seal(store);
    await execa("mkfifo", [acceptedHead]);
    const verifying = execa(process.execPath, [COMMAND, root, store.signer.vkey], { reject: false, stdin: "ignore" });
    for (let replaced = 1; replaced <= count; replaced += 1) {
      // Opens once the verifier reads it.
      const held = await open(acceptedHead, "w");
      const note = await seal(store);
      if (replaced < count) await execa("mkfifo", [`${acceptedHead}.next`]);
      else await writeFile(`${acceptedHead}.next`, note);
      await rename(`${acceptedHead}.next`, acceptedHead);
      await held.write(note);
      await held.close();
    }
    const { exitCode, stdout, stderr } = await verifying;
    return { exitCode, stdout, stderr };
  });
}

/** The checkpoint of the new generation. */
async function seal(store: StoreBuilder): Promise<string> {
  const { generation } = await store.seal(someEvents(3, 2, undefined));
  return readFile(store.layout.generation(generation).checkpoint, "utf8");
}

test("a bad verdict on a generation that was replaced meanwhile is none: the next one is verified", async () => {
  const { exitCode, stdout, stderr } = await verifyWhileReplaced(1);
  assert.equal(exitCode, 0, stdout + stderr);
  const { verdict, generation } = JSON.parse(stdout);
  assert.deepEqual([verdict, generation], ["intact", 2]);
});

test("a store whose generations are replaced faster than they can be verified has no verdict, and the way out is told", async () => {
  const { exitCode, stdout, stderr } = await verifyWhileReplaced(3);
  assert.deepEqual([exitCode, stdout], [1, ""]);
  assert.match(stderr, /3 generations were replaced, each while it was verified\nhint: .*--generation N/);
});
