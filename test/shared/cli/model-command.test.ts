import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { execa } from "execa";
import { sha256Hex } from "../../../shared/format/hash.js";
import { eventually } from "../../support/drive-fleet.js";
import { modelFiles, writeFiles } from "../../support/model-files.js";
import { onnxBytes } from "../../support/onnx-bytes.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { binPath, NO_CONFIG, runCli } from "../../support/run-cli.js";
import { withFolder } from "../../support/with-folder.js";
import { type HubHandler, repository, servesAsItIs, withHub } from "../../support/with-hub.js";
import { withVolume } from "../../support/with-volume.js";

const SHA256 = sha256Hex(onnxBytes());

for (const role of ["primary", "replica"] as const) {
  test(`a ${role} adds, lists and removes a model, and says each time whether anything changed`, async (t) => {
    await withRoot(t, role, async (root, folder) => {
      const dir = await writeFiles(join(folder, "mini"), modelFiles());
      const model = async (...args: string[]) => {
        const { stdout, stderr, exitCode } = await runCli(role, ["model", ...args, "--root", root, "--json"]);
        assert.equal(exitCode, 0, stderr);
        return JSON.parse(stdout);
      };
      const first = await model("add", dir);
      assert.deepEqual([first.changed, first.sha256, first.checked.source], [true, SHA256, false]);
      assert.equal((await model("add", dir, "--sha256", `SHA256:${SHA256.toUpperCase()}`)).changed, false);
      const { models, missing } = await model("list");
      assert.deepEqual([models.length, models[0].id, models[0].model_sha256], [1, first.id, SHA256]);
      assert.deepEqual([models[0].spaces, missing.spaces], [[], []]);
      const shown = await runCli(role, ["model", "list", "--root", root]);
      assert.match(shown.stdout, /NAME +ID +WEIGHTS[\s\S]*mini +mini-[0-9a-f]{12} +fp32 +8 +32/);
      assert.deepEqual(await model("remove", "mini"), { changed: true, id: first.id });
      assert.deepEqual(await model("remove", "mini"), { changed: false, id: null });
      assert.deepEqual(await readdir(join(root, "models")), []);
    });
  });
}

test("a wrong digest is exit code 1, with what was found and what was said", async (t) => {
  await withRoot(t, "replica", async (root, folder) => {
    const dir = await writeFiles(join(folder, "mini"), modelFiles());
    const said = sha256Hex("another");
    const add = (...args: string[]) => runCli("replica", ["model", "add", dir, "--root", root, ...args]);
    const { stderr, exitCode } = await add("--sha256", said);
    assert.equal(exitCode, 1);
    assert.ok(stderr.includes(SHA256) && stderr.includes(said), stderr);
    assert.match((await add("--sha256", "12ab")).stderr, /--sha256 12ab is not a SHA-256\nhint: it has 64 hex digits/);
    assert.match((await add("--max-size", "many")).stderr, /--max-size many is no size/);
  });
});

test("a level in force misses its model, then uses it, and keeps it from being removed unasked", async (t) => {
  await withRoot(t, "primary", async (root, folder) => {
    const dir = await writeFiles(join(folder, "mini"), modelFiles());
    const config = join(folder, "primary.yaml");
    await writeFile(
      config,
      `root: ${root}\nvectorize: { levels: { low: medium }, later: { high: high }, models: { high: mini, medium: mini, low: mini } }\n`,
    );
    const model = (...args: string[]) => runCli("primary", ["model", ...args, "--config", config]);
    assert.match(
      (await model("list")).stdout,
      /^no models\nmissing: mini, for level medium: .*model add.*\nmissing: mini, for level high: /,
    );
    await model("add", dir);
    assert.match((await model("list")).stdout, /level low \(not in force\), level medium, level high$/);
    const refused = await model("remove", "mini");
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /is used by level medium, level high; nothing was removed\nhint: .*--force/);
    assert.match((await model("remove", "mini", "--force")).stdout, /^removed +mini-/);
  });
});

test("trying a model names the command that adds the runtime, and a model that is not there", async (t) => {
  await withRoot(t, "replica", async (root, folder) => {
    const dir = await writeFiles(join(folder, "mini"), modelFiles());
    const model = (...args: string[]) =>
      runCli("replica", ["model", ...args, "--root", root], { env: { ISOCHRON_RUNTIME: join(folder, "nowhere") } });
    assert.match((await model("test")).stderr, /there are no models\nhint: .*model add/);
    await model("add", dir);
    const { exitCode, stderr } = await model("test", "mini");
    assert.equal(exitCode, 1);
    assert.match(stderr, /not installed[\s\S]*npm run add-runtime/);
    assert.match((await model("test", "maxi")).stderr, /there is no model maxi[\s\S]*model list/);
  });
});

test("a root of nobody is refused before anything is fetched", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withVolume(async (root) => {
    await withHub({}, servesAsItIs, async ({ origin, requests }) => {
      const args = ["model", "add", `${origin}/acme/mini`, "--sha256", SHA256, "--root", root];
      const { stderr, exitCode } = await runCli("primary", args);
      assert.deepEqual([exitCode, requests], [1, []]);
      assert.match(stderr, /is no primary[\s\S]*isochron-primary init/);
    });
  });
});

test("Ctrl-C in the middle of a transfer is exit code 130 and leaves nothing", async (t) => {
  await withRoot(t, "primary", async (root) => {
    const stalls: HubHandler = (path, response, { method }) => {
      if (method === "HEAD" || !path.endsWith(".onnx")) return false;
      response.writeHead(200);
      response.write("the beginning");
      return true;
    };
    await withHub(repository(modelFiles()), stalls, async ({ origin }) => {
      const args = ["model", "add", `${origin}/acme/mini`, "--sha256", SHA256, "--root", root];
      const command = execa(process.execPath, [binPath("primary"), ...args], {
        env: NO_CONFIG,
        stdin: "ignore",
        reject: false,
      });
      const hasBegun = async () =>
        (await readdir(root, { recursive: true })).some((path) => path.endsWith("model.onnx"));
      await eventually(hasBegun, () => "the transfer never began");
      command.kill("SIGINT");
      const { exitCode, stderr } = await command;
      assert.equal(exitCode, 130);
      assert.match(stderr, /interrupted; nothing was added/);
      assert.deepEqual(await readdir(join(root, "models")), []);
    });
  });
});

async function withRoot(
  t: TestContext,
  role: "primary" | "replica",
  body: (root: string, folder: string) => Promise<void>,
): Promise<void> {
  if (!(await requirePart(t, ROOT))) return;
  await withVolume(async (root) => {
    const named = role === "primary" ? ["--origin", "test/models"] : ["--name", "test-models"];
    const { exitCode, stderr } = await runCli(role, ["init", "--root", root, ...named]);
    assert.equal(exitCode, 0, stderr);
    await withFolder((folder) => body(root, folder));
  });
}
