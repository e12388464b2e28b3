import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../../support/run-cli.js";
import { withConfigFile } from "../../support/with-config-file.js";

test("where nobody answers, a question's error says what to start: the daemon, or the service of query.user", async () => {
  for (const role of ["primary", "replica"] as const) {
    const hintFor = async (query: string) =>
      withConfigFile(`root: /none\n${query}\n`, async (path) => {
        const { stderr, exitCode } = await runCli(role, ["timeline", "--config", path]);
        assert.equal(exitCode, 1);
        assert.match(stderr, /^error: nobody listens on \/none\/run\/query\.sock\n/);
        return stderr.split("\n").find((line) => line.startsWith("hint: "));
      });
    const bin = `isochron-${role}`;
    assert.equal(await hintFor(""), `hint: is \`${bin} serve\` running with this --root?`);
    assert.equal(
      await hintFor("query: { user: nobody }"),
      `hint: is \`${bin} serve-queries\` running with this --root? As a unit: systemctl status ${bin}-queries.socket ${bin}-queries`,
    );
  }
});
