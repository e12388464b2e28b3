import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import ssh2 from "ssh2";
import { generateSshKey } from "../../../shared/store/key-files.js";
import { program, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";

test("every transport key that is made can be read and signs", () => {
  for (let i = 0; i < 1500; i += 1) {
    const key = ssh2.utils.parseKey(generateSshKey(ssh2));
    if (key instanceof Error) return assert.fail(`key ${i}: ${key.message}`);
    if (i % 100 > 0) continue;
    const data = Buffer.from(`data ${i}`);
    const signature = key.sign(data);
    assert.ok(Buffer.isBuffer(signature) && key.verify(data, signature));
  }
});

test("OpenSSH reads a transport key, and derives the public key that ssh2 does", async (t) => {
  if (!(await requirePart(t, program("ssh-keygen", "openssh-client")))) return;
  await withFolder(async (folder) => {
    const path = join(folder, "key");
    const text = generateSshKey(ssh2);
    await writeFile(path, text, { mode: 0o600 });
    const { stdout } = await execa("ssh-keygen", ["-y", "-f", path]);
    const key = ssh2.utils.parseKey(text);
    if (key instanceof Error) return assert.fail(key.message);
    assert.equal(stdout.split(" ")[1], key.getPublicSSH().toString("base64"));
  });
});
