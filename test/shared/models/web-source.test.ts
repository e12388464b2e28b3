import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { sha256Hex } from "../../../shared/format/hash.js";
import { type AddModelOptions, addModel } from "../../../shared/models/add-model.js";
import { fetchUrl, nextHop } from "../../../shared/models/fetch-url.js";
import { checkModel } from "../../../shared/models/model-store.js";
import { type Files, modelFiles, without } from "../../support/model-files.js";
import { ONNX_TYPE, onnxBytes } from "../../support/onnx-bytes.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";
import { type Hub, type HubHandler, repository, servesAsItIs, withHub } from "../../support/with-hub.js";
import { withVolume } from "../../support/with-volume.js";
import { zipBytes } from "../../support/zip-bytes.js";

const ONNX = onnxBytes();
const SHA256 = sha256Hex(ONNX);
const HUGE = { maxBytes: 2 ** 40 };
const MODEL_PATH = "/acme/mini/resolve/main/onnx/model.onnx";

test("a hub's repository is fetched file by file, and the model is called as there", async () => {
  await withRoot(repository(modelFiles()), servesAsItIs, async (root, { origin }) => {
    const { model, changed } = await add(root, `${origin}/acme/mini`);
    assert.deepEqual([changed, model.name, model.modelSha256, model.maxTokens], [true, "mini", SHA256, 32]);
    await checkModel(model);
  });
});

test("a second time nothing is asked of the server, and a file that has gone is fetched again", async () => {
  await withRoot(repository(modelFiles()), servesAsItIs, async (root, { origin, requests }) => {
    const { model } = await add(root, `${origin}/acme/mini`);
    const asked = requests.length;
    assert.equal((await add(root, `${origin}/acme/mini`)).changed, false);
    assert.equal(requests.length, asked);
    await rm(model.tokenizerFile);
    assert.equal((await add(root, `${origin}/acme/mini`)).changed, true);
    await checkModel(model);
  });
});

test("weights and revision choose among a hub's files", async () => {
  const int8 = onnxBytes({ tensors: [{ type: ONNX_TYPE.int8, elements: 100 }] });
  const files = repository(modelFiles({ "onnx/model_quantized.onnx": int8 }), "v2");
  await withRoot(files, servesAsItIs, async (root, { origin }) => {
    const from = { revision: "v2", sha256: sha256Hex(int8) };
    await assert.rejects(add(root, `${origin}/acme/mini`, from), { code: "model-unfit", hint: /--weights/ });
    const { model } = await add(root, `${origin}/acme/mini`, { ...from, weights: "int8" });
    assert.equal(model.weights, "int8");
  });
});

test("an .onnx address brings the tokenizer that stands beside it, signed address and all", async () => {
  const { "onnx/model.onnx": onnx, ...side } = modelFiles();
  const files = Object.fromEntries(Object.entries({ ...side, "model.onnx": onnx }).map(([p, c]) => [`m/mini/${p}`, c]));
  await withRoot(files as Files, servesAsItIs, async (root, { origin }) => {
    const { model } = await add(root, `${origin}/m/mini/model.onnx?signature=secret`);
    assert.equal(model.name, "mini");
  });
});

test("where HEAD is closed, as to an address that is signed for GET, a file's first byte tells that it is there", async () => {
  const { "onnx/model.onnx": onnx, ...side } = modelFiles();
  const files = { ...side, "model.onnx": onnx } as Files;
  const first = (path: string, response: ServerResponse) => {
    const size = Buffer.byteLength(files[path.slice(1)] ?? "");
    response.writeHead(206, { "content-range": `bytes 0-0/${size}`, "content-length": 1 }).end("{");
  };
  for (const knowsRanges of [true, false]) {
    const closed: HubHandler = (path, response, { method, headers }) => {
      if (method === "HEAD") response.writeHead(path === "/model.onnx" ? 403 : 405).end();
      else if (knowsRanges && headers.range === "bytes=0-0" && path.slice(1) in files) first(path, response);
      else return false;
      return true;
    };
    await withRoot(files, closed, async (root, { origin }) => {
      const from = `${origin}/model.onnx?signature=secret`;
      await refused(root, from, { code: "too-large" }, { maxBytes: 20, name: "mini" });
      const { model } = await add(root, from, { name: "mini" });
      await checkModel(model);
    });
  }
});

/** As a bucket answers that anybody may read and nobody list. */
const unlisted =
  (files: Files, ...closed: string[]): HubHandler =>
  (path, response) => {
    if (path.slice(1) in files && !closed.some((end) => path.endsWith(end))) return false;
    response.writeHead(403).end();
    return true;
  };

test("a bucket that says 403 of what is not there gives the model that is", async () => {
  const files = repository(without(modelFiles(), "config.json"));
  await withRoot(files, unlisted(files), async (root, { origin }) => {
    const { model } = await add(root, `${origin}/acme/mini`);
    await checkModel(model);
  });
});

test("a 403 for the model or for its tokenizer names the file, and what it may mean", async () => {
  const files = repository(modelFiles());
  for (const name of ["model.onnx", "tokenizer.json"]) {
    await withRoot(files, unlisted(files, name), async (root, { origin }) => {
      const message = new RegExp(`${name.replace(".", "\\.")} was answered with 403`);
      await refused(root, `${origin}/acme/mini`, { code: "transfer-failed", message, hint: /not there .*buckets/ });
    });
  }
});

test("a 403 is a refusal where the server says 404 of what is not there, also for a file that could be missing", async () => {
  const handler: HubHandler = (path, response) => {
    if (!path.endsWith("/config.json")) return false;
    response.writeHead(403).end();
    return true;
  };
  await withRoot(repository(modelFiles()), handler, async (root, { origin }) => {
    const message = /\/config\.json was answered with 403/;
    await refused(root, `${origin}/acme/mini`, { code: "transfer-failed", message });
  });
});

test("an archive is fetched whole", async () => {
  const archive = zipBytes(Object.entries(modelFiles()).map(([name, content]) => ({ name: `mini/${name}`, content })));
  await withRoot({ "p/models.whl": archive }, servesAsItIs, async (root, { origin }) => {
    const added = await add(root, `${origin}/p/models.whl`, { sha256: sha256Hex(archive) });
    assert.deepEqual([added.model.name, added.archiveSha256], ["mini", sha256Hex(archive)]);
    assert.equal((await add(root, `${origin}/p/models.whl`, { sha256: sha256Hex(archive) })).changed, false);
    const another = { sha256: sha256Hex("another") };
    await assert.rejects(add(root, `${origin}/p/models.whl`, another), { code: "digest-mismatch" });
  });
});

test("redirects to another place are followed, round in a circle they end", async () => {
  const moved: HubHandler = (path, response) => {
    if (!path.startsWith("/acme/")) return path === "/round" && redirect(response, "/round");
    return redirect(response, path.replace("/acme/", "/cdn/"));
  };
  await withRoot(repository(modelFiles(), "main", "cdn/mini"), moved, async (root, { origin }) => {
    assert.equal((await add(root, `${origin}/acme/mini`)).model.modelSha256, SHA256);
    const round = fetchUrl(new URL(`${origin}/round`), { signal: new AbortController().signal });
    await assert.rejects(round, { code: "transfer-failed", message: /more than 5 times/ });
  });
});

test("a redirect never leaves https", () => {
  const [secure, plain] = [new URL("https://hub.example/x"), new URL("http://hub.example/x")] as const;
  assert.throws(() => nextHop(secure, plain), { code: "transfer-failed", message: /from https to http$/ });
  assert.equal(nextHop(secure, secure), secure);
  assert.equal(nextHop(plain, secure), secure);
});

test("a redirect to what is not the web is not followed", async () => {
  await withRoot(
    {},
    (_, response) => redirect(response, "file:///etc/passwd"),
    async (root, { origin }) => {
      await refused(root, `${origin}/acme/mini`, { code: "bad-request", message: /file:/ });
    },
  );
});

test("a wrong digest, a cut transfer, an endless body and a server's refusal leave nothing behind", async () => {
  const endless = (response: ServerResponse) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
      if (!response.destroyed) response.once("drain", more);
    };
    response.writeHead(200);
    more();
  };
  const cut = (response: ServerResponse) => {
    response.writeHead(200, { "content-length": ONNX.length });
    response.write(ONNX.subarray(0, 10), () => response.destroy());
  };
  const instead: [(response: ServerResponse) => void, Partial<AddModelOptions>, object][] = [
    [(response) => response.end(ONNX.subarray(1)), {}, { code: "digest-mismatch" }],
    [cut, {}, { code: "transfer-failed" }],
    [endless, {}, { code: "too-large" }],
    [(response) => response.writeHead(403).end(), {}, { code: "transfer-failed", message: /403/ }],
  ];
  for (const [answer, options, expected] of instead) {
    const handler: HubHandler = (path, response, { method }) => {
      if (path !== MODEL_PATH || method === "HEAD") return false;
      answer(response);
      return true;
    };
    await withRoot(repository(modelFiles()), handler, async (root, { origin }) => {
      await refused(root, `${origin}/acme/mini`, expected, options);
    });
  }
});

test("a body that says it is larger than allowed is not begun", async () => {
  await withRoot(repository(modelFiles()), servesAsItIs, async (root, { origin, requests }) => {
    await refused(root, `${origin}/acme/mini`, { code: "too-large" }, { maxBytes: 20 });
    assert.ok(!requests.includes(`GET ${MODEL_PATH}`));
  });
});

test("the connection of an archive that finds no room is closed at once", { timeout: 120_000 }, async () => {
  let closed: () => void = () => undefined;
  const isClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const begins: HubHandler = (_path, response) => {
    response.writeHead(200, { "content-length": 2 ** 50 }).write("PK");
    response.once("close", closed);
    return true;
  };
  await withRoot({}, begins, async (root, { origin }) => {
    await refused(root, `${origin}/mini.zip`, { code: "no-space" }, { maxBytes: 2 ** 52 });
    await isClosed;
  });
});

test("a body that never said how large it is ends before the volume is full", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  const incompressible = randomBytes(1024 * 1024);
  const endless: HubHandler = (path, response, { method }) => {
    if (path !== MODEL_PATH || method === "HEAD") return false;
    const more = () => {
      while (!response.destroyed && response.write(incompressible));
      if (!response.destroyed) response.once("drain", more);
    };
    more();
    return true;
  };
  await withVolume(async (root) => {
    await withHub(repository(modelFiles()), endless, async ({ origin }) => {
      const free = /^(?:3[2-9]|[4-9]\d|1\d\d)MiB are free with a part of/;
      await refused(root, `${origin}/acme/mini`, { code: "no-space", message: free }, HUGE);
    });
  });
});

test("a transfer that stands still is given up, and one that the operator ends is ended", async () => {
  const stalls: HubHandler = (path, response) => {
    if (path !== "/stalls") return false;
    response.writeHead(200);
    response.write("some");
    return true;
  };
  await withRoot({}, stalls, async (_, { origin }) => {
    const ending = new AbortController();
    const url = new URL(`${origin}/stalls`);
    const { body } = await fetchUrl(url, { signal: ending.signal, idleMs: 2000 });
    await assert.rejects(body.toArray(), { code: "transfer-failed", message: /nothing came/ });
    const second = await fetchUrl(url, { signal: ending.signal });
    ending.abort();
    await assert.rejects(second.body.toArray(), { code: "interrupted" });
  });
});

test("a tokenizer that is not what was said is refused, and a repository without one too", async () => {
  await withRoot(repository(modelFiles()), servesAsItIs, async (root, { origin }) => {
    const tokenizerSha256 = sha256Hex("another");
    await refused(root, `${origin}/acme/mini`, { code: "digest-mismatch", message: /tokenizer/ }, { tokenizerSha256 });
  });
  await withRoot(repository(without(modelFiles(), "tokenizer.json")), servesAsItIs, async (root, { origin }) => {
    await refused(root, `${origin}/acme/mini`, { code: "model-unfit", message: /tokenizer\.json/ });
  });
});

function redirect(response: ServerResponse, location: string): true {
  response.writeHead(307, { location }).end();
  return true;
}

async function withRoot(
  files: Files,
  handler: HubHandler,
  body: (root: string, hub: Hub) => Promise<void>,
): Promise<void> {
  await withFolder((folder) => withHub(files, handler, (hub) => body(join(folder, "root"), hub)));
}

async function refused(
  root: string,
  source: string,
  expected: object,
  options: Partial<AddModelOptions> = {},
): Promise<void> {
  await assert.rejects(add(root, source, options), expected);
  assert.deepEqual(await readdir(join(root, "models")), []);
}

function add(root: string, source: string, options: Partial<AddModelOptions> = {}) {
  const signal = new AbortController().signal;
  return addModel({ root, source, sha256: SHA256, maxBytes: 1024 * 1024, signal, ...options });
}
