import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, requirePart } from "../../support/require-part.js";
import { runCli } from "../../support/run-cli.js";
import { withFolder } from "../../support/with-folder.js";

for (const role of ["primary", "replica"] as const) {
  test(`serve-queries of the ${role} starts only as the user that the configuration names, and says how`, async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withFolder(async (root) => {
      const file = join(root, "config.yaml");
      const asked = async (query: object) => {
        await writeFile(file, JSON.stringify({ root, query }));
        const { exitCode, stderr } = await runCli(role, ["serve-queries", "--config", file]);
        assert.equal(exitCode, 78);
        return stderr;
      };
      const unset = await asked({});
      assert.match(unset, new RegExp(`query\\.user is not set, so \`isochron-${role} serve\` answers queries itself`));
      assert.match(await asked({ user: "nobody" }), /query\.user is nobody, and this runs as user 0\nhint: .*setpriv/);
      assert.match(await asked({ user: "no-such-user" }), /no such user\nhint: .*useradd/);
      assert.match(await asked({ user: "root" }), /query\.user: "root": must not be root/);
      assert.match(await asked({ user: "no body" }), /query\.user: "no body": must be the name of a system user/);
    });
  });
}
